"""From configuration to a running application and back."""

# Handlers are lambdas here, and a test may look inside.
# pyright: reportPrivateUsage=false, reportUnknownArgumentType=false, reportUnknownLambdaType=false

import logging
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest

from llmgine_core import (
    Application,
    ApplicationBootstrap,
    BootstrapReadyEvent,
    BootstrapStartEvent,
    BootstrapStopEvent,
    BusClosedError,
    ConfigError,
    Event,
    EventRecord,
    MessageBus,
    ObservabilityEventHandler,
    PluginConflictError,
    PluginLoadError,
    PluginNotFoundError,
    QueueFullError,
    _discovery,
)
from llmgine_core.config import load_config
from llmgine_core.hookspecs import hookimpl
from llmgine_core.testing import RecordingEventHandler, ScriptedModel
from tests.core.distributions import Site
from tests.core.messages import Ask, Count, Gate, Recorder, Said, answer, numbers
from tests.core.services import Histories, Tools


class Logged:
    """Says in a list when it is entered and left."""

    def __init__(self, name: str, log: list[str], *, fails: bool = False) -> None:
        self.name, self.log, self.fails = name, log, fails

    async def __aenter__(self) -> "Logged":
        self.log.append(f"+{self.name}")
        if self.fails:
            raise ValueError(f"{self.name} cannot start")
        return self

    async def __aexit__(self, *error: Any) -> None:
        self.log.append(f"-{self.name}")


class LoggedModel(Logged, ScriptedModel):
    def __init__(self, name: str, log: list[str], *, fails: bool = False) -> None:
        Logged.__init__(self, name, log, fails=fails)
        ScriptedModel.__init__(self, "hello there")


class Lifespan:
    """A ready plugin with every hook."""

    def __init__(self, log: list[str], name: str = "lifespan") -> None:
        self.log, self.name = log, name

    @hookimpl
    def llmgine_lifespan(self, app: Application) -> Logged:
        return Logged(self.name, self.log)

    @hookimpl
    def llmgine_register_handlers(self, app: Application) -> None:
        if self.name == "lifespan":
            self.log.append("handlers")
            app.bus.register_command_handler(Count, numbers)

    @hookimpl
    def llmgine_register_tools(self) -> list[Any]:
        return [len]

    @hookimpl
    def llmgine_health_checks(self, app: Application) -> dict[str, Any]:
        def fail() -> dict[str, Any]:
            raise ValueError("ill")

        return {"good": lambda: {"ok": True}, "bad": fail}

    @hookimpl
    def llmgine_create_redactor(self, build: Any) -> Any:
        return self

    def redact(self, record: EventRecord) -> EventRecord:
        return record


def make(**options: Any) -> ApplicationBootstrap:
    return ApplicationBootstrap(discover=False, **options)


async def test_an_application_starts_in_order_and_stops_in_reverse() -> None:
    log: list[str] = []

    class Watching(RecordingEventHandler):
        def open_exporter(self) -> None:
            log.append("+observability")

        def close_exporter(self) -> None:
            log.append("-observability")

    recorder = Watching()
    bus = MessageBus()
    async with make(
        observability=[recorder],
        bus=bus,
        llm=LoggedModel("model", log),
        tool_manager=Tools,
        plugins=[Lifespan(log), Lifespan(log, "second")],
        handlers=[(Ask, answer), (Said, lambda event: log.append("said"))],
        state="state",
        name="mine",
    ) as app:
        parts = ["+observability", "+model", "+lifespan", "+second"]
        assert log == [*parts, "handlers"]
        assert (app.name, app.state, app.bus) == ("mine", "state", bus)
        assert await app.bus.execute(Ask("x")) == "answer to x"
        await app.bus.publish(Said())
        await app.bus.wait_idle()
        assert MessageBus.current() is bus
        log.clear()
    assert log == ["-second", "-lifespan", "-model", "-observability"]
    types = recorder.types()
    assert types[0] == "BootstrapStartEvent"
    assert "PluginLoadedEvent" in types
    assert types.index("BootstrapReadyEvent") < types.index("BootstrapStopEvent")
    with pytest.raises(LookupError):
        MessageBus.current()
    with pytest.raises(BusClosedError):
        await bus.publish(Said())
    assert not bus.listens(Event)


@pytest.fixture
def _one_lifespan(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(Lifespan, "llmgine_register_handlers")


@pytest.mark.usefixtures("_one_lifespan")
async def test_a_start_that_fails_is_rolled_back_and_names_the_plugin() -> None:
    log: list[str] = []
    bus = MessageBus()

    class Failing(Lifespan):
        @hookimpl
        def llmgine_lifespan(self, app: Application) -> Logged:
            return Logged("failing", self.log, fails=True)

    with pytest.raises(PluginLoadError, match=r"starting it raised ValueError: failing cannot start\n.*'Failing'"):
        async with make(
            bus=bus, llm=LoggedModel("model", log), tool_manager=Tools, plugins=[Lifespan(log), Failing(log)]
        ):
            raise AssertionError("never reached")
    assert log == ["+model", "+lifespan", "+failing", "-lifespan", "-model"]
    with pytest.raises(BusClosedError):
        await bus.publish(Said())


class FailingLifespan(Lifespan):
    @hookimpl
    def llmgine_lifespan(self, app: Application) -> Logged:
        return Logged("failing", self.log, fails=True)


class FailingHandlers(Lifespan):
    @hookimpl
    def llmgine_register_handlers(self, app: Application) -> None:
        raise ValueError("failing cannot start")


@pytest.mark.parametrize(
    ("options", "kind", "name"),
    [
        ({"llm": {"big": LoggedModel("failing", [], fails=True)}}, "llm", "big"),
        ({"plugins": [FailingLifespan([])], "tool_manager": Tools}, "plugins", "FailingLifespan"),
        ({"plugins": [FailingHandlers([])], "tool_manager": Tools}, "plugins", "FailingHandlers"),
    ],
)
async def test_a_plugin_that_ends_the_start_is_told_on_the_bus(options: dict[str, Any], kind: str, name: str) -> None:
    recorder = RecordingEventHandler()
    with pytest.raises(PluginLoadError, match="failing cannot start"):
        async with make(observability=[recorder], content=True, **options):
            raise AssertionError("never reached")
    failed = recorder.of_type("PluginFailedEvent")
    assert [(r.fields["kind"], r.fields["name"], r.fields["distribution"]) for r in failed] == [(kind, name, "")]
    assert "failing cannot start" in failed[0].fields["error"]["message"]
    types = recorder.types()
    assert types.index("PluginFailedEvent") < types.index("BootstrapStopEvent")
    assert "BootstrapReadyEvent" not in types


async def test_a_plugin_of_a_distribution_that_ends_the_start_is_told_with_where_it_came_from(site: Site) -> None:
    source = """
from llmgine_core.hookspecs import hookimpl

@hookimpl
def llmgine_lifespan(app):
    raise RuntimeError("torn")
"""
    site.install("d", {"torn_lifespan": source}, {"llmgine.plugins": {"torn": "torn_lifespan"}})
    recorder = RecordingEventHandler()
    with pytest.raises(PluginLoadError, match="llmgine_lifespan raised RuntimeError: torn"):
        async with make(observability=[recorder], plugins=["torn"]):
            raise AssertionError("never reached")
    fields = recorder.of_type("PluginFailedEvent")[0].fields
    assert [fields[k] for k in ("distribution", "version", "entry_point")] == ["d", "1.2", "torn_lifespan"]


async def test_the_bodys_error_passes_unchanged_and_stands_in_the_stop_event() -> None:
    recorder = RecordingEventHandler()
    error = ValueError("body")
    with pytest.raises(ValueError, match="body") as caught:
        async with make(observability=[recorder], content=True):
            raise error
    assert caught.value is error
    stop = recorder.of_type("BootstrapStopEvent")[0].fields
    assert (stop["outcome"], stop["error"]["message"]) == ("error", "body")


async def test_a_lifespan_may_hold_a_task_group_open() -> None:
    ended: list[str] = []

    class Holding:
        @hookimpl
        @asynccontextmanager
        async def llmgine_lifespan(self, app: Application) -> AsyncGenerator[None, None]:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(anyio.sleep_forever)
                try:
                    yield
                finally:
                    ended.append("left")
                    tasks.cancel_scope.cancel()

    async with make(plugins=[Holding()]) as app:
        await app.bus.publish(Said())
    assert ended == ["left"]


async def test_an_application_may_be_left_by_another_task_than_entered_it() -> None:
    log: list[str] = []
    made = make(llm=LoggedModel("model", log))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(made.__aenter__)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(made.__aexit__, None, None, None)
    assert log == ["+model", "-model"]


async def test_a_lifespan_whose_own_task_fails_is_told_when_the_application_ends() -> None:
    failed = anyio.Event()

    class Failing:
        @hookimpl
        @asynccontextmanager
        async def llmgine_lifespan(self, app: Application) -> AsyncGenerator[None, None]:
            async def fail() -> None:
                failed.set()
                raise ValueError("in the background")

            async with anyio.create_task_group() as tasks:
                tasks.start_soon(fail)
                yield

    with pytest.raises(ExceptionGroup) as caught:
        async with make(plugins=[Failing()]):
            await failed.wait()
    assert str(caught.value.exceptions[0]) == "in the background"


async def test_an_observability_handler_that_cannot_start_stops_the_start_and_is_named() -> None:
    class Torn(RecordingEventHandler):
        def open_exporter(self) -> None:
            raise SystemExit("no disk")

    with pytest.raises(PluginLoadError, match="SystemExit: no disk"):
        async with make(observability=[Torn(name="torn")]):
            raise AssertionError("never reached")


async def test_books_of_a_handler_that_lost_something_are_told_when_it_closes(caplog: pytest.LogCaptureFixture) -> None:
    class Bad(ObservabilityEventHandler):
        def export(self, batch: Sequence[EventRecord]) -> None:
            raise ValueError("bad")

    async with make(observability=[Bad(name="bad")]) as app:
        pass
    assert "observability handler bad closed with 0 of" in caplog.text
    assert not app.health().ok


async def test_the_bus_in_memory_is_bounded_as_the_configuration_says() -> None:
    """What the constructor of the bus takes, its table may say, and nothing that it refuses."""
    told = {"capacity": 1, "overflow": "raise", "stall_after": None}
    async with ApplicationBootstrap(bus=("memory", told), discover=False) as app:
        gate = Gate()
        app.bus.register_event_handler(Said, gate)
        await app.bus.publish(Said())
        await gate.entered.wait()
        await app.bus.publish(Said())
        with pytest.raises(QueueFullError):
            await app.bus.publish(Said())
        gate.open.set()
    for wrong in ({"capacity": 0}, {"overflow": "lose"}, {"stall_after": 0}):
        with pytest.raises(ConfigError, match="memory"):
            async with ApplicationBootstrap(bus=("memory", wrong), discover=False):
                pass


async def test_several_applications_at_once_share_nothing() -> None:
    async with make(name="one", handlers=[(Ask, answer)]) as one, make(name="two") as two:
        assert one.bus is not two.bus
        assert MessageBus.current() is two.bus
        one.bus.register_event_handler(Said, (seen := Recorder()))
        await two.bus.publish(Said())
        await two.bus.wait_idle()
        assert seen.seen == []
    with pytest.raises(LookupError):
        MessageBus.current()


async def test_applications_may_be_left_in_any_order_and_the_one_that_runs_is_the_current_one() -> None:
    one, two = make(name="one"), make(name="two")
    await one.__aenter__()
    running = await two.__aenter__()
    await one.__aexit__(None, None, None)
    assert MessageBus.current() is running.bus
    await two.__aexit__(None, None, None)
    with pytest.raises(LookupError):
        MessageBus.current()


async def test_an_unselected_plugin_that_is_broken_is_never_imported(site: Site) -> None:
    site.install("d", {"torn_plugin": "raise SystemExit(3)"}, {"llmgine.observability": {"torn": "torn_plugin"}})
    async with make() as app:
        await app.bus.publish(Said())


async def test_a_default_plugin_that_is_installed_and_broken_stops_the_start(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "llmgine-context"
    site.install(name, {"torn_store": "raise ImportError('torn')"}, {"llmgine.context_store": {"memory": "torn_store"}})
    with pytest.raises(PluginLoadError, match="torn"):
        async with ApplicationBootstrap():
            raise AssertionError("never reached")
    ours = [e for e in _discovery.installed() if e.distribution == "llmgine-core"]
    with monkeypatch.context() as patch:
        patch.setattr(_discovery, "installed", lambda kind=None: tuple(e for e in ours if kind in (None, e.kind)))
        async with ApplicationBootstrap() as app:
            with pytest.raises(PluginNotFoundError, match="pip install llmgine-context"):
                _ = app.context_store


async def test_a_distribution_that_offers_a_defaults_name_too_stops_only_who_asks_for_it(site: Site) -> None:
    broken = {"llmgine.bus": {"memory": "torn"}, "llmgine.context_store": {"memory": "torn"}}
    site.install("acme", {"torn": "raise ImportError('torn')"}, broken)
    async with ApplicationBootstrap() as app:
        assert type(app.bus) is MessageBus
    with pytest.raises(PluginConflictError, match="memory@acme"):
        async with ApplicationBootstrap(bus="memory"):
            raise AssertionError("never reached")


async def test_a_variable_that_sets_nothing_is_told_at_the_start(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("LLMGINE_OBSERVABILITY__OTEL__ENDPOINT", "x")
    async with ApplicationBootstrap():
        pass
    assert "LLMGINE_OBSERVABILITY__OTEL__ENDPOINT sets nothing" in caplog.text


async def test_a_misspelt_distribution_in_deny_is_told_at_the_start(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    site.install("acme-store", {}, {"llmgine.observability": {"mine": "m"}})
    async with ApplicationBootstrap(config={"deny": ["acme_stor", "Acme.Store", "pytest", "elsewhere", ""]}):
        pass
    told = [record.message for record in caplog.records if record.message.startswith("deny")]
    assert told == ["deny: no distribution 'acme_stor' is installed; did you mean 'acme-store'?"]


async def test_a_default_that_is_not_allowed_is_refused_with_how_to_do_without(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LLMGINE_DENY", "llmgine-context")
    with pytest.raises(PluginLoadError, match="or do without: context_store = false"):
        async with ApplicationBootstrap():
            raise AssertionError("never reached")
    monkeypatch.setenv("LLMGINE_CONTEXT_STORE", "false")
    async with ApplicationBootstrap():
        pass


async def test_one_line_says_what_is_installed_but_not_selected(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "llmgine.bootstrap")
    site.install("d", {}, {"llmgine.observability": {"mine": "m"}})
    async with ApplicationBootstrap(context_store=Histories(), tool_manager=Tools):
        pass
    assert "observability=mine" in caplog.text


async def test_absent_kinds_are_clear_errors_that_name_the_package() -> None:
    async with make() as app:
        with pytest.raises(PluginNotFoundError, match="pip install llmgine-context"):
            _ = app.context_store
        with pytest.raises(PluginNotFoundError, match="pip install llmgine-llm-local"):
            app.llm()
        async with app.session() as session:
            with pytest.raises(PluginNotFoundError, match="pip install llmgine-tools"):
                _ = session.tools
            with pytest.raises(PluginNotFoundError, match="pip install llmgine-context"):
                _ = session.history
    with pytest.raises(PluginNotFoundError, match="pip install llmgine-tools"):
        async with make(tools=[len]):
            raise AssertionError("never reached")


async def test_ready_objects_of_the_wrong_kind_are_refused() -> None:
    with pytest.raises(PluginLoadError, match="it is <object"):
        async with make(llm=object()):
            raise AssertionError("never reached")


@pytest.mark.parametrize("handlers", [[answer], [(Ask, answer), (Said,)], {Ask: answer}])
async def test_handlers_that_are_no_pairs_are_refused_with_their_place(handlers: Any) -> None:
    with pytest.raises(TypeError, match=r"^handlers\[\d\] must be a pair \(message class, handler\), not "):
        make(handlers=handlers)


async def test_tools_that_are_no_functions_are_refused_with_their_place() -> None:
    with pytest.raises(TypeError, match=r"^tools\[1\] must be a function, not 'len'$"):
        make(tools=[len, "len"])


async def test_a_ready_plugin_that_implements_no_hook_is_refused() -> None:
    with pytest.raises(PluginLoadError) as caught:
        async with make(plugins=[object()]):
            raise AssertionError("never reached")
    assert str(caught.value).splitlines() == [
        "it implements no hook",
        "  plugin: plugins 'object' (a ready object)",
        "  cure: mark its functions with the decorators of llmgine_core.hookspecs.impl",
    ]


async def test_a_loaded_configuration_stands_for_every_argument_that_selects() -> None:
    model = ScriptedModel()
    config = load_config({"llm": model}, environment={}, discover=False)
    async with make(config=config, state="state") as app:
        assert app.llm().model == "scripted"
        assert app.state == "state"
    with pytest.raises(ConfigError, match="the constructor: llm, content cannot be given beside a Config"):
        async with make(config=config, llm=model, content=True):
            raise AssertionError("never reached")


async def test_start_ready_and_stop_are_told_on_the_bus() -> None:
    seen = Recorder()
    bus = MessageBus()
    for kind in (BootstrapStartEvent, BootstrapReadyEvent, BootstrapStopEvent):
        bus.register_event_handler(kind, seen.note)
    async with make(bus=bus, name="mine"):
        pass
    assert [type(e) for e in seen.seen] == [BootstrapStartEvent, BootstrapReadyEvent, BootstrapStopEvent]
    assert {e.application for e in seen.seen} == {"mine"}


async def test_a_class_in_the_place_of_an_object_is_refused() -> None:
    """The cure says what to write."""
    with pytest.raises(PluginLoadError, match=r"it must be an object; make one: MessageBus\(…\)"):
        async with make(bus=MessageBus):
            raise AssertionError("never reached")
