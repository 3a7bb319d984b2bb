"""Applications of exactly the plugins that a test names."""

import os
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import attrs
import pytest

from llmgine_core import (
    Application,
    ConfigError,
    MessageBus,
    PluginLoadError,
    PluginNotFoundError,
    QueueFullError,
)
from llmgine_core.hookspecs import Build, hookimpl, impl
from llmgine_core.testing import RecordingEventHandler, ScriptedModel, application, plugin
from tests.core.messages import Ask, Gate, Noted, Said, answer


@attrs.frozen(kw_only=True)
class Sizes:
    capacity: int = attrs.field(default=10, validator=attrs.validators.ge(1))
    name: str = ""


class Small:
    """A bus plugin whose hooks need no instance."""

    @staticmethod
    @impl.llmgine_settings
    def llmgine_settings() -> type[Sizes]:
        return Sizes

    @staticmethod
    @impl.llmgine_create_message_bus
    def llmgine_create_message_bus(build: Build[Sizes]) -> MessageBus:
        return MessageBus(capacity=build.settings.capacity, overflow="raise")


def module() -> ModuleType:
    """A module that holds a bus plugin's hooks."""
    made = ModuleType("shop.small_bus")
    vars(made).update(
        llmgine_settings=Small.llmgine_settings, llmgine_create_message_bus=Small.llmgine_create_message_bus
    )
    return made


@pytest.mark.parametrize("holder", [Small, Small(), module(), SimpleNamespace(**vars(module()))])
async def test_whatever_holds_hooks_is_a_plugin_of_any_kind(holder: Any) -> None:
    async with application(bus=holder) as app:
        await app.bus.publish(Said())
    async with application(bus=plugin(holder, capacity=1)) as app:
        app.bus.register_event_handler(Said, (gate := Gate()))
        await app.bus.publish(Said())
        await gate.entered.wait()
        await app.bus.publish(Said())
        with pytest.raises(QueueFullError):
            await app.bus.publish(Said())
        gate.open.set()


async def test_a_plugin_is_called_after_its_module_or_as_the_test_says() -> None:
    recorder = RecordingEventHandler()
    async with application(bus=module(), observability=[recorder], llm={"big": plugin(Model, "other")}):
        pass
    async with application(bus=plugin(module(), "mine", name="a setting of this name"), observability=[recorder]):
        pass
    told = [(r.fields["kind"], r.fields["name"]) for r in recorder.of_type("PluginLoadedEvent")]
    first, second = [name for kind, name in told if kind == "bus"]
    assert (first, second) == ("small_bus", "mine")
    assert ("llm", "big") in told


class Model:
    @hookimpl
    def llmgine_create_language_model(self, build: Any) -> ScriptedModel:
        return ScriptedModel("well")


async def test_faults_are_those_that_users_see() -> None:
    with pytest.raises(ConfigError, match=r"unknown setting 'capcity'; did you mean 'capacity'.*small_bus"):
        async with application(bus=plugin(module(), capcity=5)):
            raise AssertionError("never reached")
    with pytest.raises(ConfigError, match="bus 'Small'"):
        async with application(bus=plugin(Small, capacity=0)):
            raise AssertionError("never reached")
    with pytest.raises(PluginLoadError, match="it does not implement llmgine_create_language_model"):
        async with application(llm=Small):
            raise AssertionError("never reached")
    with pytest.raises(PluginNotFoundError, match="'absent' is not installed"):
        async with application(observability=["absent"]):
            raise AssertionError("never reached")


@pytest.fixture
def _misleading(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every other source asks for what there is not."""
    monkeypatch.setitem(os.environ, "LLMGINE_BUS", "absent")
    Path("llmgine.toml").write_text('observability = ["absent"]')
    Path("pyproject.toml").write_text('[tool.llmgine]\nplugins = ["absent"]')


@pytest.mark.usefixtures("_misleading")
async def test_the_environment_and_files_are_not_looked_at() -> None:
    async with application(handlers=[(Ask, answer)]) as app:
        assert await app.bus.execute(Ask("x")) == "answer to x"
        with pytest.raises(PluginNotFoundError, match="llmgine-context"):
            _ = app.context_store


async def test_ready_objects_and_several_models_are_taken_as_by_the_bootstrap() -> None:
    class Registering:
        @hookimpl
        def llmgine_register_handlers(self, app: Application) -> None:
            app.bus.register_command_handler(Ask, answer)

    bus, state = MessageBus(), object()
    async with application(
        bus=bus, llm={"a": ScriptedModel("one"), "b": Model()}, plugins=[Registering()], state=state
    ) as app:
        assert (app.bus, app.state) == (bus, state)
        assert {app.llm("a").model, app.llm("b").model} == {"scripted"}
        assert await app.bus.execute(Ask("x")) == "answer to x"


async def test_records_hold_content_unless_the_test_says_otherwise() -> None:
    said: list[Any] = []
    for content in (True, False):
        recorder = RecordingEventHandler()
        async with application(observability=[recorder], content=content) as app:
            await app.bus.publish(Noted("a secret"))
        said.append(recorder.of_type(Noted.type_name)[0].fields["text"])
    assert said == ["a secret", {"omitted": "content", "bytes": 8}]


def test_a_timeout_that_is_none_is_refused() -> None:
    with pytest.raises(ConfigError, match="start_timeout is a number of seconds above 0, not 0"):
        application(start_timeout=0)
