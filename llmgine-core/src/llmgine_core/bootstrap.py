"""`ApplicationBootstrap`: from configuration to a running application, and back."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, cast

from llmgine_core import abc
from llmgine_core._application import Application
from llmgine_core._building import Built, Faults, build_plugins, load_plugins, where_from
from llmgine_core._bus import as_current
from llmgine_core._discovery import unselected
from llmgine_core._parts import Drain, RunningBus, RunningHandler
from llmgine_core._permission import misspelt_in
from llmgine_core._plugins import Plugin
from llmgine_core._steps import Steps
from llmgine_core.config import Config, read_config
from llmgine_core.contracts import ErrorInfo, Event, handling
from llmgine_core.errors import ConfigError
from llmgine_core.events import BootstrapReadyEvent, PluginFailedEvent
from llmgine_core.hookspecs import HealthCheck
from llmgine_core.observability import ContentPolicy

__all__ = ["ApplicationBootstrap"]

_logger = logging.getLogger("llmgine.bootstrap")
# Of a stop's time: what a part may spend on its work, before it is told to hurry; the rest is for cleaning up.
_WORKING = 0.8


class ApplicationBootstrap:
    """Puts an application together and runs it inside `async with`; again, if wanted, when that has ended.

    Every plugin is given as a name, a pair `(name, {settings})`, a table with `use` and settings, or a ready object.
    What is left out comes from the environment, `llmgine.toml`, `[tool.llmgine]`, the defaults, in this order.

    All faults that can be known beforehand are told together, and nothing is built while there is one; nor is anything
    started while something could not be built. Each part then starts within `start_timeout` seconds of the
    configuration and stops within `stop_timeout`; a start that fails, or is cancelled, is rolled back.

    Args:
        name: the application's name.
        bus: the message bus; by default `memory`. A ready one keeps what was registered on it.
        context_store: where histories are kept; by default `memory`, if it is installed.
        tool_manager: what makes the sessions' tool managers; by default `default`, if it is installed.
        llm: one model, called `default`, or several by name.
        observability: handlers, in order.
        plugins: everything else, in order.
        tools: functions that every session offers to models.
        handlers: pairs of a command or event class and its handler.
        state: anything; handlers and tools find it as `app.state`.
        content: whether observability writes content (what users, models and tools say) in full; by default not.
        config: a TOML file, or what one would say, in the place of `llmgine.toml`; or what `load_config` has made of
            all sources, which then stands for every argument that selects something.
        discover: whether to look at the environment, at files and at the defaults.

    Raises:
        ConfigError: on entry: every fault of the configuration and of plugins' settings.
        PluginError: on entry: a selected plugin is missing, broken, of the wrong kind, or does not start; that it does
            not start in time is a `PluginTimeoutError`, which is a `TimeoutError` too.
        BootstrapError: on entry: several of these.
        RuntimeError: on entry: it runs already; on exit, by another task: it is starting.
        TypeError: when it is made: `tools` holds what cannot be called, or `handlers` what is no pair.
        Exception: on exit, where the body raised none: what a part raised when it stopped, or a `PluginTimeoutError`.
        ExceptionGroup: on exit, where the body raised none: what several parts did.
    """

    def __init__(
        self,
        name: str = "app",
        *,
        bus: Any = None,
        context_store: Any = None,
        tool_manager: Any = None,
        llm: Any = None,
        observability: Sequence[Any] | None = None,
        plugins: Sequence[Any] | None = None,
        tools: Sequence[Callable[..., Any]] = (),
        handlers: Sequence[tuple[Any, Callable[..., Any]]] = (),
        state: Any = None,
        content: bool | None = None,
        config: str | Path | Mapping[str, Any] | Config | None = None,
        discover: bool = True,
    ) -> None:
        self._name, self._tools, self._handlers, self._state = name, tuple(tools), tuple(handlers), state
        _check_arguments(self._tools, self._handlers)
        self._given = {
            "bus": bus,
            "context_store": context_store,
            "tool_manager": tool_manager,
            "llm": llm,
            "observability": observability,
            "plugins": plugins,
            "content": content,
        }
        self._config, self._discover = config, discover
        self._running: _Running | None = None
        self._is_up = False

    async def __aenter__(self) -> Application:
        if self._running is not None:
            raise RuntimeError(f"the application {self._name!r} runs already; make another ApplicationBootstrap for it")
        began = time.perf_counter()
        config, plugins, built = self._build()
        running = self._running = _Running(self._name, config, built, began)
        try:
            app = await running.start(plugins, tools=self._tools, handlers=self._handlers, state=self._state)
        except BaseException as error:
            await self._stop(error)
            raise
        self._is_up = True
        for note in (*config.notes, *misspelt_in(config)):
            _logger.warning("%s", note)
        if self._discover:
            _name_unselected(config)
        return app

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._running is not None and not self._is_up:
            raise RuntimeError(f"the application {self._name!r} is starting; cancel its start, which rolls it back")
        await self._stop(error)

    async def _stop(self, error: BaseException | None) -> None:
        running = self._running
        if running is None:
            return
        try:
            await running.stop(error)
        finally:
            if self._running is running:
                self._running, self._is_up = None, False

    def _build(self) -> tuple[Config, list[Plugin], Built]:
        config, found = self._read_config()
        faults = Faults(self._name, found)
        plugins = [] if config is None else load_plugins(config, faults, offers_tools=bool(self._tools))
        faults.raise_if_any()
        assert config is not None  # else there was a fault
        return config, plugins, build_plugins(self._name, plugins, faults)

    def _read_config(self) -> tuple[Config | None, tuple[str, ...]]:
        if not isinstance(self._config, Config):
            return read_config(self._given, file=self._config, discover=self._discover)
        if beside := [key for key, value in self._given.items() if value is not None]:
            raise ConfigError((f"the constructor: {', '.join(beside)} cannot be given beside a Config; put it inside",))
        return self._config, ()


class _Running:
    """One run of an application: what was started, and in what order it stops."""

    def __init__(self, name: str, config: Config, built: Built, began: float) -> None:
        self._name, self._config, self._built, self._began = name, config, built, began
        self._steps = Steps(config.start_timeout, config.stop_timeout)
        self._drain = Drain(built.bus, config.stop_timeout * _WORKING)
        self._context = ExitStack()

    async def start(
        self,
        plugins: Sequence[Plugin],
        *,
        tools: Sequence[Callable[..., Any]],
        handlers: Sequence[tuple[Any, Callable[..., Any]]],
        state: Any,
    ) -> Application:
        await self._start_observability()
        bus = self._built.bus
        running = RunningBus(self._name, bus, self._began, self._drain)
        await self._start_bus(running)
        self._context.enter_context(as_current(bus))
        with handling(running.started):
            await self._start_services()
            app = self._built.application(self._name, tools=tools, state=state, stop_timeout=self._config.stop_timeout)
            app.models.register()
            await self._start_lifespans(app, plugins)
            self._register_handlers(app, plugins, handlers)
            bus.emit(BootstrapReadyEvent(self._name, time.perf_counter() - self._began))
        return app

    async def stop(self, error: BaseException | None) -> None:
        self._context.close()
        await self._steps.stop(error)

    async def _start_observability(self) -> None:
        policy = ContentPolicy(content=self._config.content)
        closing = self._config.stop_timeout * _WORKING
        for plugin, handler in self._built.of("observability"):
            running = RunningHandler(handler, self._built.bus, policy, self._built.redactors, closing)
            await self._steps.start(running, plugin.label, hide=plugin.hide)

    async def _start_bus(self, running: RunningBus) -> None:
        ((plugin, _),) = self._built.of("bus")
        await self._steps.start(running, plugin.label, hide=plugin.hide)

    async def _start_services(self) -> None:
        """Start what stands behind the bus."""
        for event in self._built.loaded:
            self._built.bus.emit(event)
        for plugin, manager in self._built.managers():
            with _telling_of_failure(self._built.bus, plugin):
                await self._steps.start(manager, plugin.label, hide=plugin.hide)

    async def _start_lifespans(self, app: Application, plugins: Sequence[Plugin]) -> None:
        # Handlers work on while lifespans stop, and finish before what stands behind the bus does; lifespans in turn
        # may hold what handlers use, so that handlers get their time before lifespans stop, too.
        await self._steps.start(self._drain.up_to(0.75), "the handlers, while they finish what lifespans left")
        for plugin in plugins:
            with _telling_of_failure(app.bus, plugin):
                lifespan = plugin.call("llmgine_lifespan", app=app)
                if lifespan is not None:
                    await self._steps.start(lifespan, f"the lifespan of {plugin.label}", hide=plugin.hide)
        await self._steps.start(self._drain.up_to(0.5), "the handlers, while they finish")

    def _register_handlers(
        self, app: Application, plugins: Sequence[Plugin], handlers: Sequence[tuple[Any, Callable[..., Any]]]
    ) -> None:
        for plugin in plugins:
            with _telling_of_failure(app.bus, plugin):
                plugin.call("llmgine_register_handlers", app=app)
                checks: Mapping[str, HealthCheck] | None = plugin.call("llmgine_health_checks", app=app)
                app.health_checks.add(plugin.selection.kind, plugin.selection.name, checks or {})
        for message_type, handler in handlers:
            if _is_event(message_type):
                app.bus.register_event_handler(message_type, handler)
            else:
                app.bus.register_command_handler(message_type, handler)


def _check_arguments(tools: Sequence[Any], handlers: Sequence[Any]) -> None:
    """Refuse what would fail only when handlers are registered, or a session's tools are first asked for.

    Raises:
        TypeError: with the argument, its place and what belongs there.
    """
    for place, handler in enumerate(handlers):
        if not isinstance(handler, (tuple, list)) or len(cast("Sequence[Any]", handler)) != 2:
            raise TypeError(f"handlers[{place}] must be a pair (message class, handler), not {handler!r}")
    for place, tool in enumerate(tools):
        if not callable(tool):
            raise TypeError(f"tools[{place}] must be a function, not {tool!r}")


def _is_event(message_type: Any) -> bool:
    return isinstance(message_type, type) and issubclass(message_type, Event)


@contextmanager
def _telling_of_failure(bus: abc.MessageBus, plugin: Plugin) -> Generator[None]:
    """Tell on the bus, while it still runs, which plugin ends the start."""
    began, selection = time.perf_counter(), plugin.selection
    try:
        yield
    except Exception as error:
        info, seconds = ErrorInfo.from_exception(error), time.perf_counter() - began
        bus.emit(PluginFailedEvent(selection.kind, selection.name, info, *where_from(plugin), seconds))
        raise


def _name_unselected(config: Config) -> None:
    if others := unselected(config):
        names = ", ".join(f"{e.kind}={e.name}" for e in others)
        _logger.info("installed but not selected: %s; select one in llmgine.toml or in ApplicationBootstrap", names)
