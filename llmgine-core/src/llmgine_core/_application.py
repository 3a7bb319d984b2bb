"""`Application`: the built plugins, joined by a bus."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Self, TypeVar, overload

from llmgine_core import abc
from llmgine_core._application_session import ApplicationSession, LightSession
from llmgine_core._health import HealthChecks
from llmgine_core._models import BusModel, ModelHandlers
from llmgine_core._signals import told_of_signals
from llmgine_core._stopping import StopRequest, run_until_stopped, wait_for_stop
from llmgine_core.contracts import Health, Message, Usage
from llmgine_core.errors import PluginNotFoundError
from llmgine_core.observability import ObservabilityClient, ObservabilityEventHandler

__all__ = ["Application"]

T = TypeVar("T")


class Application:
    """A running application; made by `ApplicationBootstrap`."""

    def __init__(
        self,
        *,
        name: str,
        bus: abc.MessageBus,
        context_store: abc.ContextStore | None,
        tool_managers: abc.ToolManagerFactory | None,
        models: Mapping[str, abc.LanguageModel],
        handlers: Sequence[ObservabilityEventHandler],
        tools: Sequence[Callable[..., Any]],
        state: Any,
        stop_timeout: float,
    ) -> None:
        self._name, self._bus, self._store, self._state = name, bus, context_store, state
        self._tool_managers = tool_managers
        self.tools: list[Callable[..., Any]] = list(tools)
        self._telemetry = ObservabilityClient(bus.emit)
        self._sessions: dict[str, ApplicationSession] = {}
        self.models: ModelHandlers = ModelHandlers(bus, models, self._account)
        self.health_checks: HealthChecks = HealthChecks(bus, handlers)
        self._stop, self._stop_timeout = StopRequest(), stop_timeout

    @property
    def name(self) -> str:
        """Its name."""
        return self._name

    @property
    def bus(self) -> abc.MessageBus:
        """Its bus."""
        return self._bus

    @property
    def context_store(self) -> abc.ContextStore:
        """Its context store.

        Raises:
            PluginNotFoundError: it has none.
        """
        if self._store is None:
            raise PluginNotFoundError("context store", "", (), (), "llmgine-context")
        return self._store

    @property
    def state(self) -> Any:
        """What it was given as `state`."""
        return self._state

    @property
    def observability(self) -> ObservabilityClient:
        """Its own logs, metrics and spans."""
        return self._telemetry

    def llm(self, name: str = "default") -> abc.LanguageModel:
        """The model configured under that name; its calls go through the bus.

        Raises:
            PluginNotFoundError: no model is configured under that name.
        """
        model = self.models.find(name)
        return BusModel(self._bus, name, model.provider, model.model)

    def health(self) -> Health:
        """How it is: the bus, every observability handler, and what plugins check.

        The checks are called `bus`, `observability.{handler}` and `{kind}.{instance}.{check}`. A check that raises, or
        does not say whether it is `ok`, is not, and says why as `error`.
        """
        return self.health_checks.run()

    def session(self, id: str | None = None, *, join: bool = False) -> ApplicationSession:
        """A session, opened by `async with`; see `MessageBus.session`."""
        return ApplicationSession(self, self._bus.session(id, join=join), join=join)

    def session_of(self, message: Message) -> ApplicationSession:
        """The open session that the message belongs to, or a light one for it where none is open here.

        Raises:
            ValueError: the message bears no session id.
        """
        if message.session_id is None:
            raise ValueError(f"{type(message).__name__} belongs to no session; send it through one: session.execute(…)")
        found = self._sessions.get(message.session_id)
        if found is not None and not found.closed:
            return found
        return ApplicationSession(self, LightSession(self._bus, message))

    def make_tools(self, session: ApplicationSession) -> abc.ToolManager:
        """A session's tool manager, with the application's tools.

        Raises:
            PluginNotFoundError: the application has no tool manager.
        """
        if self._tool_managers is None:
            raise PluginNotFoundError("tool manager", "", (), (), "llmgine-tools")
        manager = self._tool_managers(session)
        for tool in self.tools:
            manager.register_tool(tool)
        return manager

    def opened(self, session: ApplicationSession) -> ApplicationSession:
        """Keep an open session; the one that is kept already, where it was joined."""
        kept = self._sessions.get(session.id)
        if kept is None or kept.closed:
            kept = self._sessions[session.id] = session
        return kept

    def forget(self, session_id: str) -> None:
        """Forget the session of this id if it has ended; one left from inside its own work ends later."""
        kept = self._sessions.get(session_id)
        if kept is not None and kept.closed:
            del self._sessions[session_id]

    def _account(self, session_id: str | None, usage: Usage) -> None:
        if session_id in self._sessions:
            self._sessions[session_id].add_usage(usage)

    @overload
    async def run(self) -> None: ...

    @overload
    async def run(self, main: Callable[[Self], Awaitable[T]]) -> T | None: ...

    async def run(self, main: Callable[[Self], Awaitable[T]] | None = None) -> T | None:
        """Wait until the process is told to stop (SIGTERM, SIGINT) or `request_stop` is called.

        Leave the application's block afterwards, which drains it. Several applications may wait at once; a signal
        reaches all of them. While one waits, signals do nothing else; the handlers that there were are put back when
        the last has returned, so that the next signal does what it always did. Handlers of signals can be set in the
        main thread alone: in another thread a signal is heard while an application waits in the main thread too, else
        `request_stop` ends the wait.

        Args:
            main: what to run meanwhile, with the application as its argument. It is cancelled at the stop; where it
                waits in `run()` itself, that returns, and it may go on to its end within the configured
                `stop_timeout`.

        Returns:
            What `main` returned; None if it was cancelled, or there is none.

        Raises:
            Exception: what `main` raises.
        """
        with told_of_signals(self._stop.ask):
            if main is None:
                await wait_for_stop(self._stop)
                return None
            return await run_until_stopped(self._stop, lambda: main(self), grace=self._stop_timeout)

    def request_stop(self) -> None:
        """Let `run` return; from anywhere: a handler, a tool, another thread. Once asked, it stays so."""
        self._stop.ask()
