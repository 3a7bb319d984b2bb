"""Secrets of the configuration reach the plugin and nothing that anybody reads."""

import traceback
from pathlib import Path
from typing import Any

import attrs
import pytest

from llmgine_core import ApplicationBootstrap, LlmgineError
from llmgine_core.hookspecs import Build, impl
from llmgine_core.testing import ScriptedModel
from tests.core.distributions import Site

SECRET = "sk-" + "12345"


@attrs.frozen(kw_only=True)
class KeySettings:
    key: str
    size: int = 1
    colour: str = attrs.field(default="red", validator=attrs.validators.in_(["red"]))


class FailingModel(ScriptedModel):
    """Tells its key when it starts."""

    def __init__(self, key: str) -> None:
        super().__init__("Hi!")
        self._key = key

    async def __aenter__(self) -> "FailingModel":
        raise RuntimeError(f"401 for {self._key}")

    async def __aexit__(self, *_: object) -> None: ...


class TellingPlugin:
    """A model plugin that tells its key, as the name of the instance says."""

    @impl.llmgine_settings
    def llmgine_settings(self) -> type[KeySettings]:
        return KeySettings

    @impl.llmgine_create_language_model
    def llmgine_create_language_model(self, build: Build[KeySettings]) -> Any:
        if build.name == "factory":
            raise RuntimeError(f"bad key {build.settings.key}")
        return FailingModel(build.settings.key)


@pytest.fixture
def plugin(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.install("telling", {"telling": ""}, {"llmgine.llm": {"telling": "telling:plugin"}})
    import telling  # type: ignore[import-not-found]  # pyright: ignore[reportMissingImports]

    monkeypatch.setattr(telling, "plugin", TellingPlugin(), raising=False)
    monkeypatch.setenv("MODEL_KEY", SECRET)


def write(configuration: str) -> None:
    Path("llmgine.toml").write_text(configuration)


@pytest.mark.usefixtures("plugin")
@pytest.mark.parametrize(
    ("name", "settings", "says"),
    [
        ("factory", "", "llmgine_create_language_model raised RuntimeError: bad key ${env:MODEL_KEY}"),
        ("start", "", "starting it raised RuntimeError: 401 for ${env:MODEL_KEY}"),
        ("start", "size = '${env:MODEL_KEY}'", "a whole number is wanted, not '${env:MODEL_KEY}'"),
        ("start", "colour = '${env:MODEL_KEY}'", "'colour' must be in ['red'] (got '${env:MODEL_KEY}')"),
        ("start", "keyy = '${env:MODEL_KEY}'", "unknown setting 'keyy'"),
    ],
)
async def test_an_error_has_the_reference_in_the_place_of_the_secret(name: str, settings: str, says: str) -> None:
    write(f"[llm.{name}]\nuse = 'telling'\nkey = '${{env:MODEL_KEY}}'\n{settings}\n")
    with pytest.raises(LlmgineError) as caught:
        async with ApplicationBootstrap():
            raise AssertionError("never reached")
    printed = "".join(traceback.format_exception(caught.value))
    assert says in printed
    assert SECRET not in printed
