"""Secrets of the configuration reach the plugin and nothing that anybody reads."""

import traceback
from pathlib import Path
from typing import Any

import attrs
import pytest

from llmgine_core import ApplicationBootstrap, LlmgineError
from llmgine_core.config import hide, load_config
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


class FailingAtTheStop(FailingModel):
    """Tells its key when it stops, as one of several errors."""

    async def __aenter__(self) -> "FailingAtTheStop":
        return self

    async def __aexit__(self, *_: object) -> None:
        raise ExceptionGroup("two", [RuntimeError(f"500 for {self._key}"), ValueError("other")])


class TellingPlugin:
    """A model plugin that tells its key, as the name of the instance says."""

    @impl.llmgine_settings
    def llmgine_settings(self) -> type[KeySettings]:
        return KeySettings

    @impl.llmgine_create_language_model
    def llmgine_create_language_model(self, build: Build[KeySettings]) -> Any:
        if build.name == "factory":
            raise RuntimeError(f"bad key {build.settings.key}")
        return FailingAtTheStop(build.settings.key) if build.name == "stop" else FailingModel(build.settings.key)


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


def settings(**given: Any) -> Any:
    variables = {
        "TOKEN": "t0ken",
        "KEYS": "first1, second2",
        "PEM": "-----\nline  one\\\n",
        "EMPTY": "",
        "ODD": "a.*b[",
    }
    return load_config({"bus": ("b", given)}, environment=variables).bus.settings


@pytest.mark.parametrize(
    ("given", "text", "shown"),
    [
        ("Bearer ${env:TOKEN}", "401 for t0ken", "401 for ${env:TOKEN}"),
        ("Bearer ${env:TOKEN}", "sent Bearer t0ken", "sent Bearer ${env:TOKEN}"),
        ("${env:KEYS}", "no key second2", "no key ${env:KEYS}"),
        ("${env:PEM}", f"bad {settings(k='${env:PEM}')['k']!s}", "bad ${env:PEM}"),
        ("${env:PEM}", "bad '-----\\nline  one\\\\\\n'", "bad '${env:PEM}'"),
        ("${env:PEM}", "bad ----- line one\\, really", "bad ${env:PEM}, really"),
        ("${env:EMPTY}", "nothing to hide", "nothing to hide"),
        ("${env:ODD}", "it is a.*b[ and no axxb[", "it is ${env:ODD} and no axxb["),
    ],
)
def test_a_secret_is_found_in_whatever_form_a_message_has_it(given: str, text: str, shown: str) -> None:
    assert hide(text, settings(auth=given)) == shown


def test_a_tuple_of_the_constructor_may_hold_references() -> None:
    held = settings(tokens=("${env:TOKEN}", "x"))
    assert held == {"tokens": ["t0ken", "x"]}
    assert repr(held["tokens"][0]) == "'${env:TOKEN}'"


def test_what_its_key_calls_a_secret_is_shown_by_no_repr_and_no_message() -> None:
    config = load_config({"bus": ("b", {"api_key": SECRET, "tls": {"password": 12345}, "tokens": []})}, environment={})
    assert SECRET not in repr(config)
    assert "12345" not in repr(config)
    assert hide(f"401 for {SECRET}", config.bus.settings) == "401 for ********"


@pytest.mark.usefixtures("plugin")
async def test_a_value_that_does_not_fit_is_not_shown_if_its_key_calls_it_a_secret() -> None:
    write(f"[llm.start]\nuse = 'telling'\nkey = 'k'\npassword = '{SECRET}'\n")
    with pytest.raises(LlmgineError) as unknown:
        async with ApplicationBootstrap():
            raise AssertionError("never reached")
    assert SECRET not in "".join(traceback.format_exception(unknown.value))


async def run_with(error: KeyError | None) -> None:
    async with ApplicationBootstrap():
        if error is not None:
            raise error


@pytest.mark.usefixtures("plugin")
@pytest.mark.parametrize("body", [None, KeyError("body")])
async def test_an_error_at_the_stop_shows_no_secret_whether_it_is_raised_or_logged(
    body: KeyError | None, caplog: pytest.LogCaptureFixture
) -> None:
    write("[llm.stop]\nuse = 'telling'\nkey = '${env:MODEL_KEY}'\n")
    with pytest.raises((LlmgineError, KeyError)) as caught:
        await run_with(body)
    printed = caplog.text + "".join(traceback.format_exception(caught.value))
    assert "stopping it raised ExceptionGroup: two" in printed
    assert SECRET not in printed
