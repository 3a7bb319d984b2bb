"""`BusSession`: a conversation's place on the bus, and everything that ends with it."""

from __future__ import annotations

import contextvars
import logging
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

import anyio
import attrs

from llmgine_core.contracts import Command, ErrorInfo, Event, Outcome, Retry, StreamCommand
from llmgine_core.errors import SessionClosedError, SessionExistsError
from llmgine_core.events import SessionEndEvent, SessionStartEvent

if TYPE_CHECKING:
    from llmgine_core._bus import MessageBus
    from llmgine_core._registry import CommandHandler, Subscription
    from llmgine_core.abc import ScheduledEvent

__all__ = ["BusSession", "SessionState"]

_logger = logging.getLogger("llmgine.bus")

R = TypeVar("R")
T = TypeVar("T")
E = TypeVar("E", bound=Event)


@attrs.define(eq=False)
class SessionState:
    """An open session, shared by all that joined it.

    Attributes:
        id: its id.
        drain: seconds that its queued events have at its end.
        members: how many have entered and not left.
        phase: `open`, `closing` (only its own handlers may still work), `ending` (only its end is published), `closed`.
        ended: set when it is closed.
        scopes: what runs for it: background tasks, streams and schedules.
        errors: what background tasks raised.
    """

    id: str
    drain: float
    began: float = attrs.field(factory=time.perf_counter)
    members: int = 1
    phase: str = "open"
    ended: anyio.Event = attrs.field(factory=anyio.Event)
    scopes: set[anyio.CancelScope] = attrs.field(factory=set[anyio.CancelScope])
    errors: list[Exception] = attrs.field(factory=list[Exception])


class BusSession:
    """A session, opened by `async with`; made by `MessageBus.session`. Its verbs are the bus's, scoped to it."""

    def __init__(self, bus: MessageBus, id: str | None, *, join: bool, drain: float) -> None:
        self._bus, self._join, self._drain = bus, join, drain
        self._id = id if id is not None else secrets.token_hex(16)
        self._state: SessionState | None = None

    @classmethod
    def of(cls, bus: MessageBus, state: SessionState) -> BusSession:
        """A handle on a session that is open."""
        session = cls(bus, state.id, join=True, drain=state.drain)
        session._state = state
        return session

    @property
    def id(self) -> str:
        """The session's id."""
        return self._id

    @property
    def closed(self) -> bool:
        """Whether the session has ended."""
        return self._state is not None and self._state.phase == "closed"

    # opening and closing

    async def __aenter__(self) -> Self:
        if self._state is not None:
            raise SessionExistsError(self._id) if not self.closed else SessionClosedError(self._id)
        if (state := self._bus.open_sessions.get(self._id)) is not None:
            if not self._join:
                raise SessionExistsError(self._id)
            state.members += 1
            self._state = state
            return self
        self._bus.admit()
        self._state = self._bus.open_sessions[self._id] = SessionState(self._id, self._drain)
        self._bus.emit(SessionStartEvent(session_id=self._id))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        state = self._state
        if state is None or state.phase == "closed":
            return
        state.members -= 1
        if state.members > 0:
            return
        if self._is_inside():
            self._end_later(state)
            return
        await self._end(state, error)
        if state.errors and error is None:
            raise ExceptionGroup(f"background tasks of session {self._id!r} failed", state.errors)
        for failure in state.errors:
            _logger.error("a background task of session %r failed", self._id, exc_info=failure)

    async def aclose(self) -> None:
        """End the session, as leaving its `async with` does; from inside its own handlers, as soon as they return."""
        state = self._state
        if state is None or state.phase != "open":
            return
        if self._is_inside():
            self._end_later(state)
            return
        await self._end(state, None)

    def _is_inside(self) -> bool:
        """Whether the caller stands in a handler that works for this session, whose end would wait for itself."""
        frame = self._bus.frame()
        return frame is not None and frame.serves(self._id)

    def _end_later(self, state: SessionState) -> None:
        state.phase = "closing"
        contextvars.Context().run(self._bus.spawn, self._end, state, None)

    async def _end(self, state: SessionState, error: BaseException | None) -> None:
        if state.phase == "ending":
            await state.ended.wait()
            return
        with anyio.CancelScope(shield=True):
            state.phase = "closing"
            if error is None:
                await self._bus.drain_session(self._id, state.drain)
            state.phase = "ending"
            for scope in list(state.scopes):
                scope.cancel()
            await self._bus.end_session(state, self._end_event(state, error))
            state.phase = "closed"
            state.ended.set()

    def _end_event(self, state: SessionState, error: BaseException | None) -> SessionEndEvent:
        outcome, info = Outcome.OK, None
        if error is not None:
            cancelled = not isinstance(error, Exception)
            outcome = Outcome.CANCELLED if cancelled else Outcome.ERROR
            info = ErrorInfo.from_exception(error)
        return SessionEndEvent(outcome, time.perf_counter() - state.began, info, session_id=self._id)

    def _open_state(self) -> SessionState:
        """The state, if new work may be done here."""
        state = self._state
        if state is None:
            raise SessionClosedError(self._id)
        if state.phase == "open" or (state.phase == "closing" and self._is_inside()):
            return state
        raise SessionClosedError(self._id)

    # the bus's verbs

    def register_command_handler(
        self,
        command_type: type[Command[R]] | type[StreamCommand[R]],
        handler: Callable[[Any], Any],
        *,
        timeout: float | None = None,
    ) -> CommandHandler:
        """Let `handler` answer the session's commands of this type; shadows the bus's handler. See `MessageBus`."""
        self._open_state()
        return self._bus.add_command(command_type, handler, self._id, timeout)

    def register_event_handler(
        self,
        event_type: type[E],
        handler: Callable[[E], Any],
        *,
        where: Callable[[E], bool] | None = None,
        timeout: float | None = None,
        retry: Retry | None = None,
        in_thread: bool = False,
    ) -> Subscription[Any]:
        """Let `handler` see the session's events of this type. See `MessageBus`."""
        self._open_state()
        return self._bus.add_subscription(
            event_type, handler, self._id, where=where, timeout=timeout, retry=retry, in_thread=in_thread
        )

    async def execute(self, command: Command[R], *, timeout: float | None = None) -> R:
        """Have the session's handler, else the bus's, answer. See `MessageBus`."""
        self._open_state()
        return await self._bus.execute_in(self._id, command, timeout)

    def stream(
        self, command: StreamCommand[T], *, timeout: float | None = None
    ) -> AbstractAsyncContextManager[AsyncIterator[T]]:
        """Have the session's handler, else the bus's, answer with a stream. See `MessageBus`."""
        return self._bus.stream_in(self._open_state(), command, timeout)

    async def publish(self, event: Event, *, ttl: float | None = None) -> None:
        """Give the event to the bus as one of this session. See `MessageBus`."""
        await self._bus.publish_in(self._id, event, ttl, check=self._open_state)

    def expect(
        self, event_type: type[E], *, where: Callable[[E], bool] | None = None, timeout: float | None = None
    ) -> Awaitable[E]:
        """The next event of this type in this session. See `MessageBus`."""
        self._open_state()

        def mine(event: E) -> bool:
            return event.session_id == self._id and (where is None or where(event))

        return self._bus.expect(event_type, where=mine, timeout=timeout)

    def schedule(self, event: Event, *, delay: float) -> ScheduledEvent:
        """Publish the event in this session after `delay` seconds, unless the session ends before."""
        return self._bus.schedule_in(self._open_state(), event, delay)

    def start_soon(self, function: Callable[..., Coroutine[Any, Any, Any]], *args: Any) -> None:
        """Run a coroutine function in the background until the session ends; its errors are raised there.

        Raises:
            SessionClosedError: the session has ended.
        """
        state = self._open_state()
        scope = anyio.CancelScope()
        state.scopes.add(scope)
        self._bus.spawn(self._background, state, scope, function, args)

    async def _background(
        self, state: SessionState, scope: anyio.CancelScope, function: Callable[..., Any], args: tuple[Any, ...]
    ) -> None:
        try:
            with scope:
                await function(*args)
        except Exception as error:
            state.errors.append(error)
        finally:
            state.scopes.discard(scope)
            self._bus.check_idle()
