"""`ApplicationBootstrap`: from configuration to a running application, and back."""

from __future__ import annotations

import functools
import logging
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, cast

import anyio
import anyio.to_thread

from llmgine_core import abc
from llmgine_core._application import Application
from llmgine_core._bus import as_current
from llmgine_core._discovery import unselected
from llmgine_core._loading import load_plugin
from llmgine_core._loop import EventLoop
from llmgine_core._plugins import Plugin
from llmgine_core.config import Config, Selection, load_config
from llmgine_core.contracts import ErrorInfo, Event, Outcome, handling
from llmgine_core.errors import ConfigError, LlmgineError, PluginError, PluginLoadError, PluginNotFoundError
from llmgine_core.events import (
    BootstrapReadyEvent,
    BootstrapStartEvent,
    BootstrapStopEvent,
    PluginFailedEvent,
    PluginLoadedEvent,
)
from llmgine_core.observability import ContentPolicy, ObservabilityEventHandler

__all__ = ["ApplicationBootstrap"]

_logger = logging.getLogger("llmgine.bootstrap")
_STEP = 120.0
_CLOSING = 5.0


class ApplicationBootstrap:
    """Puts an application together and runs it inside `async with`.

    Every plugin is given as a name, a pair `(name, {settings})`, a table with `use` and settings, or a ready object.
    What is left out comes from the environment, `llmgine.toml`, `[tool.llmgine]`, the defaults, in this order.

    Args:
        name: the application's name.
        bus: the message bus; by default `memory`.
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
        PluginError: on entry: a selected plugin is missing, broken or of the wrong kind.
        ExceptionGroup: on entry: several of these.
        TimeoutError: on entry: a plugin does not start.
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
        self._name, self._tools, self._handlers, self._state = name, tools, handlers, state
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
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Application:
        began = time.perf_counter()
        config = self._load_config()
        stack = AsyncExitStack()
        try:
            app = await self._start(stack, config, began)
        except BaseException as error:
            if await stack.__aexit__(type(error), error, error.__traceback__):
                raise AssertionError("a plugin swallowed the error that ended the start") from error
            raise
        self._stack = stack
        return app

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        # The result is not returned: no plugin may swallow the application's own error.
        await self._stack.__aexit__(kind, error, traceback)

    def _load_config(self) -> Config:
        if not isinstance(self._config, Config):
            return load_config(self._given, file=self._config, discover=self._discover)
        if beside := [key for key, value in self._given.items() if value is not None]:
            raise ConfigError((f"the constructor: {', '.join(beside)} cannot be given beside a Config; put it inside",))
        return self._config

    async def _start(self, stack: AsyncExitStack, config: Config, began: float) -> Application:
        faults: list[LlmgineError] = []
        plugins = _load_all(config, faults)
        built = _Builder(self._name, plugins).build(faults)
        if (self._tools or built.tools) and built.one("tool_manager") is None:
            raise PluginNotFoundError("tool manager", "", (), (), "llmgine-tools")
        await _start_observability(stack, built, config)
        await _enter(stack, built.bus, "the bus")
        start = BootstrapStartEvent(self._name)
        built.bus.emit(start)
        stack.push_async_exit(functools.partial(_say_goodbye, self._name, built.bus, began))
        with handling(start):
            app = await self._fill(stack, built, plugins)
            app.bus.emit(BootstrapReadyEvent(self._name, time.perf_counter() - began))
        stack.enter_context(as_current(app.bus))
        _name_unselected(config, discover=self._discover)
        return app

    async def _fill(self, stack: AsyncExitStack, built: _Builder, plugins: list[Plugin]) -> Application:
        """Start what stands behind the bus, and join it."""
        for event in built.told:
            built.bus.emit(event)
        for plugin, made in built.running():
            if isinstance(made, AbstractAsyncContextManager):
                with _telling_of_failure(built.bus, plugin):
                    await _enter(stack, cast("AbstractAsyncContextManager[Any]", made), plugin.label)
        app = built.application([*self._tools], self._state)
        app.models.register()
        await self._enter_lifespans(stack, app, plugins)
        self._register_handlers(app, plugins)
        return app

    async def _enter_lifespans(self, stack: AsyncExitStack, app: Application, plugins: list[Plugin]) -> None:
        for plugin in plugins:
            with _telling_of_failure(app.bus, plugin):
                lifespan = plugin.call("llmgine_lifespan", app=app)
                if lifespan is not None:
                    await _enter(stack, lifespan, f"the lifespan of {plugin.label}")

    def _register_handlers(self, app: Application, plugins: list[Plugin]) -> None:
        for plugin in plugins:
            with _telling_of_failure(app.bus, plugin):
                plugin.call("llmgine_register_handlers", app=app)
                app.health_checks.update(plugin.call("llmgine_health_checks", app=app) or {})
        for message_type, handler in self._handlers:
            if _is_event(message_type):
                app.bus.register_event_handler(message_type, handler)
            else:
                app.bus.register_command_handler(message_type, handler)


def _is_event(message_type: Any) -> bool:
    return isinstance(message_type, type) and issubclass(message_type, Event)


# ── loading and building ─────────────────────────────────────────────────────────────────────────────────────────────


def _load_all(config: Config, faults: list[LlmgineError]) -> list[Plugin]:
    """Import and check every selected plugin; those that fail stand in the faults instead."""
    plugins: list[Plugin] = []
    for selection in config.selections():
        try:
            plugins.append(_load(selection, config))
        except PluginNotFoundError as error:
            if not (selection.source == "default" and selection.kind in ("context_store", "tool_manager")):
                faults.append(error)
        except (PluginError, ConfigError) as error:
            faults.append(error)
    return plugins


def _load(selection: Selection, config: Config) -> Plugin:
    if selection.instance is None:
        plugin = load_plugin(selection, config)
        plugin.settings()
    elif selection.kind == "plugins":
        plugin = Plugin(selection, None, selection.instance, start_timeout=config.start_timeout)
        plugin.verify()
    else:
        plugin = _Ready(selection)
        plugin.build()
    return plugin


def _raise_together(faults: list[LlmgineError]) -> None:
    if len(faults) == 1:
        raise faults[0]
    if faults:
        raise ExceptionGroup(f"{len(faults)} plugins cannot be used", faults)


class _Ready(Plugin):
    """A ready object in the place of a plugin: it needs no building and implements no hooks."""

    def __init__(self, selection: Selection) -> None:
        super().__init__(selection, None, object())

    def build(self, **_: Any) -> Any:
        return self.checked(self.selection.instance)


class _Builder:
    """Builds what the plugins make, the bus first, since the others are told of it."""

    def __init__(self, name: str, plugins: list[Plugin]) -> None:
        self._name, self._plugins = name, plugins
        self.told: list[Event] = []
        self.tools: list[Callable[..., Any]] = []
        self.redactors: list[abc.Redactor] = []
        self.made: dict[str, dict[str, Any]] = {}
        self._parts: list[tuple[Plugin, Any]] = []
        self.bus: abc.MessageBus

    def build(self, faults: list[LlmgineError]) -> _Builder:
        """Build the bus and then everything else; all faults are reported together, with those there are already."""
        self._build_all([p for p in self._plugins if p.selection.kind == "bus"], faults)
        self._build_all([p for p in self._plugins if p.selection.kind != "bus"], faults)
        return self

    def _build_all(self, plugins: list[Plugin], faults: list[LlmgineError]) -> None:
        for plugin in plugins:
            try:
                self._build(plugin)
            except (PluginError, ConfigError) as error:
                faults.append(error)
        _raise_together(faults)

    def _build(self, plugin: Plugin) -> None:
        began, kind = time.perf_counter(), plugin.selection.kind
        if kind == "plugins":
            self.tools += plugin.call("llmgine_register_tools") or ()
            if plugin.implements("llmgine_create_redactor"):
                self.redactors.append(plugin.build(hook="llmgine_create_redactor", bus=self.bus))
        else:
            bus = None if kind == "bus" else self.bus
            made = plugin.build(application=self._name, bus=bus)
            self.made.setdefault(kind, {})[plugin.selection.name] = made
            self._parts.append((plugin, made))
            if kind == "bus":
                self.bus = made
        self.told.append(_loaded_event(plugin, time.perf_counter() - began))

    def one(self, kind: str) -> Any:
        """The one object of that kind, if there is one."""
        return next(iter(self.made.get(kind, {}).values()), None)

    @property
    def event_handlers(self) -> list[ObservabilityEventHandler]:
        """The observability handlers, in order."""
        return list(self.made.get("observability", {}).values())

    def running(self) -> list[tuple[Plugin, Any]]:
        """What may have to be entered after the bus, in order, with the plugin that made it."""
        order = ("context_store", "llm", "tool_manager")
        return [(p, made) for kind in order for p, made in self._parts if p.selection.kind == kind]

    def application(self, tools: list[Callable[..., Any]], state: Any) -> Application:
        """The application of what was built."""
        return Application(
            name=self._name,
            bus=self.bus,
            context_store=self.one("context_store"),
            tool_managers=self.one("tool_manager"),
            models=self.made.get("llm", {}),
            handlers=self.event_handlers,
            tools=[*tools, *self.tools],
            state=state,
        )


def _loaded_event(plugin: Plugin, building: float) -> PluginLoadedEvent:
    selection = plugin.selection
    return PluginLoadedEvent(selection.kind, selection.name, *_where(plugin), plugin.loading_time + building)


def _where(plugin: Plugin) -> tuple[str, str, str]:
    entry = plugin.entry
    return (entry.distribution, entry.version, entry.target) if entry else ("", "", "")


@contextmanager
def _telling_of_failure(bus: abc.MessageBus, plugin: Plugin) -> Generator[None]:
    """Tell on the bus, while it still runs, which plugin ends the start."""
    began, selection = time.perf_counter(), plugin.selection
    try:
        yield
    except Exception as error:
        info, seconds = ErrorInfo.from_exception(error), time.perf_counter() - began
        bus.emit(PluginFailedEvent(selection.kind, selection.name, info, *_where(plugin), seconds))
        raise


# ── starting and stopping ────────────────────────────────────────────────────────────────────────────────────────────


async def _enter(stack: AsyncExitStack, manager: AbstractAsyncContextManager[Any], what: str) -> None:
    await stack.enter_async_context(_Step(manager, what))


class _Step:
    """A part of the application that runs in a task of its own.

    So it may open task groups that stay open, the application may be left by another task than entered it, and both
    ways have a deadline.
    """

    def __init__(self, manager: AbstractAsyncContextManager[Any], what: str) -> None:
        self._manager, self._what = manager, what
        self._scope = anyio.CancelScope()
        self._opened, self._asked, self._ended = anyio.Event(), anyio.Event(), anyio.Event()
        self._cause: BaseException | None = None
        self._error: BaseException | None = None

    async def __aenter__(self) -> None:
        EventLoop().spawn(self._run)
        try:
            with anyio.fail_after(_STEP):
                await self._opened.wait()
        except BaseException as error:
            await self._give_up()
            if isinstance(error, TimeoutError):
                raise TimeoutError(f"{self._what} did not start within {_STEP:g} s") from error
            raise
        if self._ended.is_set() and self._error is not None:
            raise self._failure(self._error)

    def _failure(self, error: BaseException) -> BaseException:
        """What the start ends with: an error of ours speaks for itself, any other is named with its plugin."""
        if isinstance(error, (LlmgineError, TimeoutError)) or not isinstance(error, (Exception, SystemExit)):
            return error
        what = f"starting it raised {type(error).__name__}: {error}"
        failure = PluginLoadError(what, self._what, "mend what the message names, or select another plugin")
        failure.__cause__ = error
        return failure

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._cause = error
        self._asked.set()
        with anyio.move_on_after(_STEP, shield=True):
            await self._ended.wait()
        if not self._ended.is_set():
            await self._give_up()
            raise TimeoutError(f"{self._what} did not stop within {_STEP:g} s")
        if self._error is not None and self._error is not error:
            raise self._error

    async def _give_up(self) -> None:
        self._scope.cancel()
        with anyio.move_on_after(_CLOSING, shield=True):
            await self._ended.wait()

    async def _run(self) -> None:
        try:
            with self._scope:
                await self._manager.__aenter__()
                self._opened.set()
                await self._live()
        except BaseException as error:  # for whoever entered the step; raised here, it would end the loop
            self._error = error
        finally:
            self._ended.set()
            self._opened.set()

    async def _live(self) -> None:
        try:
            await self._asked.wait()
        except BaseException as error:  # a task group of its own has failed
            if not await self._manager.__aexit__(type(error), error, error.__traceback__):
                raise
        else:
            cause = self._cause
            await self._manager.__aexit__(type(cause) if cause else None, cause, cause.__traceback__ if cause else None)


async def _start_observability(stack: AsyncExitStack, built: _Builder, config: Config) -> None:
    policy = ContentPolicy(content=config.content)
    for handler in built.event_handlers:
        start = functools.partial(handler.start, policy, built.redactors)
        try:
            with anyio.fail_after(_STEP):
                await anyio.to_thread.run_sync(start, abandon_on_cancel=True)
        except (Exception, SystemExit) as error:  # SystemExit too: a plugin must not end the host
            what = f"it could not start: {type(error).__name__}: {error}"
            cure = "mend what the message names, or take it out of `observability`"
            raise PluginLoadError(what, f"observability {handler.name!r}", cure) from error
        stack.push_async_callback(_close_handler, handler)
        stack.callback(built.bus.add_tap(handler.accept).unregister)


async def _close_handler(handler: ObservabilityEventHandler) -> None:
    in_time = False
    with anyio.CancelScope(shield=True):
        in_time = await anyio.to_thread.run_sync(handler.close, _CLOSING)
    books = handler.stats()
    if not in_time or books.dropped or books.failed:
        _logger.warning(
            "observability handler %s closed with %d of %d events exported (%d failed, %d dropped)",
            handler.name,
            books.exported,
            books.accepted,
            books.failed,
            books.dropped,
        )


async def _say_goodbye(
    name: str,
    bus: abc.MessageBus,
    began: float,
    _: type[BaseException] | None,
    error: BaseException | None,
    __: TracebackType | None,
) -> None:
    outcome = Outcome.OK if error is None else Outcome.ERROR if isinstance(error, Exception) else Outcome.CANCELLED
    info = None if error is None else ErrorInfo.from_exception(error)
    bus.emit(BootstrapStopEvent(name, outcome, time.perf_counter() - began, info))


def _name_unselected(config: Config, *, discover: bool) -> None:
    if discover and (others := unselected(config)):
        names = ", ".join(f"{e.kind}={e.name}" for e in others)
        _logger.info("installed but not selected: %s; select one in llmgine.toml or in ApplicationBootstrap", names)
