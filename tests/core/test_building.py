"""Every fault of an application in one report, before anything is built or started."""

# Handlers are lambdas here, and a test may look inside.
# pyright: reportPrivateUsage=false, reportUnknownArgumentType=false, reportUnknownLambdaType=false

import pickle
from pathlib import Path
from typing import Any, TypeVar, cast

import attrs
import pytest

from llmgine_core import (
    ApplicationBootstrap,
    BootstrapError,
    ConfigError,
    LlmgineError,
    MessageBus,
    PluginLoadError,
    PluginNotFoundError,
)
from llmgine_core.hookspecs import hookimpl
from llmgine_core.testing import RecordingEventHandler, ScriptedModel, application, plugin
from tests.core.distributions import Site

T = TypeVar("T")
TORN = {"torn_plugin": "raise SystemExit(3)"}


async def entered(made: ApplicationBootstrap) -> None:
    async with made:
        raise AssertionError("never reached")


@attrs.frozen(kw_only=True)
class Sizes:
    size: int = 1
    deep: bool = False


class Factories:
    """A plugin of several kinds, which says when it is asked to build."""

    def __init__(self, *fails: str) -> None:
        self.built: list[str] = []
        self.fails = fails

    @hookimpl
    def llmgine_settings(self) -> type[Sizes]:
        return Sizes

    @hookimpl
    def llmgine_create_message_bus(self, build: Any) -> MessageBus:
        return self._make("bus", MessageBus())

    @hookimpl
    def llmgine_create_language_model(self, build: Any) -> ScriptedModel:
        return self._make("llm", ScriptedModel())

    @hookimpl
    def llmgine_create_event_handler(self, build: Any) -> RecordingEventHandler:
        return self._make("observability", RecordingEventHandler())

    def _make(self, kind: str, made: T) -> T:
        self.built.append(kind)
        if kind in self.fails:
            raise ConnectionError(f"no {kind} today")
        return made


async def test_all_faults_are_one_report_and_nothing_is_built(site: Site) -> None:
    """Missing and broken plugins, wrong settings of several and wrong configuration; no factory was called."""
    site.install("d", TORN, {"llmgine.observability": {"torn": "torn_plugin"}})
    good = Factories()
    with pytest.raises(BootstrapError) as caught:
        await entered(
            ApplicationBootstrap(
                "shop",
                bus=plugin(good, size="big"),
                llm={"a": plugin(good, sise=1), "b": plugin(good, deep="yes"), "c": plugin(good)},
                observability=["torn", "absent"],
                discover=False,
            )
        )
    assert good.built == []
    error = caught.value
    assert [type(e) for e in error.exceptions] == [ConfigError, PluginLoadError, PluginNotFoundError]
    text = str(error)
    assert text.startswith("the application 'shop' cannot start; faults: 3\n  - 3 faults in the configuration:\n")
    for fault in error.exceptions:
        assert all(line.strip() in text for line in str(fault).splitlines())
    for said in ("did you mean 'size'", "llm 'b'", "bus 'Factories'", "SystemExit: 3", "'absent' is not installed"):
        assert said in text


async def test_faults_of_the_configuration_and_of_settings_are_one_configuration_error(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text('observabilty = []\nbus = { use = "memory", capcity = 5 }')
    with pytest.raises(ConfigError) as caught:
        await entered(ApplicationBootstrap(config=file, discover=False))
    assert len(caught.value.faults) == 2
    assert "did you mean 'observability'" in caught.value.faults[0]
    assert "did you mean 'capacity'" in caught.value.faults[1]


async def test_what_could_be_read_of_a_faulty_configuration_is_looked_at_too(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text('observabilty = []\nplugins = ["absent"]')
    with pytest.raises(BootstrapError) as caught:
        await entered(ApplicationBootstrap(config=file, discover=False))
    assert [type(e) for e in caught.value.exceptions] == [ConfigError, PluginNotFoundError]


async def test_a_fault_of_the_configuration_alone_starts_nothing(tmp_path: Path) -> None:
    file, factories = tmp_path / "mine.toml", Factories()
    file.write_text("observabilty = []")
    with pytest.raises(ConfigError, match="unknown key 'observabilty'"):
        await entered(ApplicationBootstrap(bus=plugin(factories), config=file, discover=False))
    assert factories.built == []


async def test_a_single_fault_is_raised_as_it_is() -> None:
    with pytest.raises(PluginNotFoundError, match="'absent' is not installed"):
        await entered(application(observability=["absent"]))


async def test_faults_of_building_are_one_report_too_and_nothing_is_started() -> None:
    recorder = RecordingEventHandler()
    torn = Factories("llm", "observability")
    with pytest.raises(BootstrapError) as caught:
        await entered(application(bus=MessageBus(), llm=torn, observability=[recorder, torn]))
    assert [str(e).splitlines()[0] for e in caught.value.exceptions] == [
        "llmgine_create_event_handler raised ConnectionError: no observability today",
        "llmgine_create_language_model raised ConnectionError: no llm today",
    ]
    assert recorder.stats().accepted == 0
    assert recorder._thread is None


async def test_a_bus_that_cannot_be_built_is_told_before_what_needs_it() -> None:
    torn = Factories("bus")
    with pytest.raises(PluginLoadError, match="llmgine_create_message_bus raised ConnectionError: no bus today"):
        await entered(application(bus=torn, llm=torn))
    assert torn.built == ["bus"]


async def test_faults_of_ready_objects_are_reported_with_all_others() -> None:
    class Misspelt:
        @hookimpl
        def llmgine_lifespn(self) -> None: ...

    with pytest.raises(BootstrapError) as caught:
        await entered(
            ApplicationBootstrap(
                llm=object(), plugins=[Misspelt(), object()], observability=["absent"], tools=[len], discover=False
            )
        )
    said = [str(error).splitlines()[0] for error in caught.value.exceptions]
    assert said[0].startswith("observability handler 'absent' is not installed")
    assert said[1].startswith("it is <object")
    assert "llmgine_lifespn" in said[2]
    assert said[3] == "it implements no hook"
    assert said[4].startswith("no tool manager is selected")


async def test_tools_of_a_plugin_without_a_tool_manager_are_refused() -> None:
    class Offering:
        @hookimpl
        def llmgine_register_tools(self) -> list[Any]:
            return [len]

    with pytest.raises(PluginNotFoundError, match="pip install llmgine-tools"):
        await entered(application(plugins=[Offering]))


def faults() -> BootstrapError:
    return BootstrapError(
        "the application cannot start",
        [PluginLoadError("torn", "p 1", "mend it"), PluginNotFoundError("bus", "nats"), ConfigError(("one", "two"))],
    )


def test_a_report_can_be_caught_whole_or_in_parts() -> None:
    with pytest.raises(LlmgineError):
        raise faults()
    caught: list[BaseException] = []
    with pytest.raises(BootstrapError) as rest:
        catch_broken(caught)
    assert [type(e) for e in caught] == [BootstrapError]
    assert [type(e) for e in cast("BootstrapError", caught[0]).exceptions] == [PluginLoadError]
    assert [type(e) for e in rest.value.exceptions] == [PluginNotFoundError, ConfigError]
    assert str(rest.value).startswith("the application cannot start; faults: 2\n  - bus 'nats' is not installed")


def catch_broken(caught: list[BaseException]) -> None:
    try:
        raise faults()
    except* PluginLoadError as group:
        caught.append(group)


def test_a_report_pickles_and_keeps_every_line() -> None:
    back = pickle.loads(pickle.dumps(faults()))
    assert type(back) is BootstrapError
    assert str(back) == str(faults())
    assert [type(e) for e in back.exceptions] == [type(e) for e in faults().exceptions]


async def test_two_plugins_of_one_name_are_told_apart() -> None:
    recorder = RecordingEventHandler()
    given = [recorder, Factories(), plugin(Factories(), "mine"), Factories()]
    async with application(observability=given):
        pass
    told = [record.fields["name"] for record in recorder.of_type("PluginLoadedEvent")]
    assert told == ["memory", "RecordingEventHandler", "Factories", "mine", "Factories-2"]
