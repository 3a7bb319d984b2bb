"""`BusSession`: a conversation's place on the bus, and everything that ends with it."""

from __future__ import annotations

import contextvars
import functools
import logging
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self, TypeVar

import anyio
import attrs

from llmgine_core._loop import is_cancellation
from llmgine_core.contracts import Command, ErrorInfo, Event, Message, Outcome, Retry, StreamCommand
from llmgine_core.errors import SessionClosedError, SessionExistsError
from llmgine_core.events import SessionEndEvent, SessionStartEvent

if TYPE_CHECKING:
    from llmgine_core._bus import MessageBus
    from llmgine_core._registry import CommandHandler, Subscription
    from llmgine_core.abc import ScheduledEvent

__all__ = ["BusSession", "SessionState", "Work", "in_background"]

_logger = logging.getLogger("llmgine.bus")

R = TypeVar("R")
T = TypeVar("T")
E = TypeVar("E", bound=Event)


class Work(Protocol):
    """Something that runs for a session and ends with it: a command, a stream, a schedule, a background task."""

    def fail(self, error: Exception, /) -> None:
        """End it; whoever waits for it gets the error."""
        ...


@attrs.define(eq=False)
class SessionState:
    """An open session, shared by all that joined it.

    Attributes:
        id: its id.
        drain: seconds that its queued events have at its end.
        members: how many have entered and not left.
        phase: `open`, `closing` (only its own handlers may still work), `ending` (nobody may), `told` (its end is
            published), `closed`.
        ended: set when it is closed.
        work: what runs for it.
        errors: what background tasks raised.
        on_end: called when it is closed.
        leaves_later: whether its last member has left from inside, so that nobody waits for the errors.
    """

    id: str
    drain: float
    began: float = attrs.field(factory=time.perf_counter)
    members: int = 1
    phase: str = "open"
    ended: anyio.Event = attrs.field(factory=anyio.Event)
    work: set[Work] = attrs.field(factory=set[Work])
    errors: list[BaseException] = attrs.field(factory=list[BaseException])
    on_end: list[Callable[[], object]] = attrs.field(factory=list[Callable[[], object]])
    leaves_later: bool = False

    def end_event(self, outcome: Outcome, error: ErrorInfo | None) -> SessionEndEvent:
        """The last event of the session."""
        return SessionEndEvent(outcome, time.perf_counter() - self.began, error, session_id=self.id)


# The sessions in whose background tasks the caller stands, whose end would wait for the caller.
_background_of: contextvars.ContextVar[tuple[SessionState, ...]] = contextvars.ContextVar(
    "llmgine_background", default=()
)


def in_background(bus: MessageBus) -> bool:
    """Whether the caller stands in a background task of a session that is open on this bus."""
    return any(bus.open_sessions.get(state.id) is state for state in _background_of.get())


class BusSession:
    """A session, opened by `async with`; made by `MessageBus.session`. Its verbs are the bus's, scoped to it."""

    def __init__(self, bus: MessageBus, id: str | None, *, join: bool, drain: float) -> None:
        self._bus, self._join, self._drain = bus, join, drain
        self._id = id if id is not None else secrets.token_hex(16)
        self._state: SessionState | None = None
        self._has_left = False

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

    def when_ended(self, function: Callable[[], object]) -> None:
        """Have a function called, which must not raise, when the session has ended."""
        self._open_state().on_end.append(function)

    # opening and closing

    async def __aenter__(self) -> Self:
        if self._state is not None:
            raise SessionExistsError(self._id) if not self.closed else SessionClosedError(self._id)
        self._bus.admit()
        if (state := self._bus.open_sessions.get(self._id)) is not None:
            if not self._join:
                raise SessionExistsError(self._id)
            if state.phase != "open":
                raise SessionClosedError(self._id)
            state.members += 1
            self._state = state
            return self
        self._state = self._bus.open_sessions[self._id] = SessionState(self._id, self._drain)
        self._bus.emit(SessionStartEvent(session_id=self._id))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        state = self._state
        if state is None or self._has_left:
            return
        self._has_left = True
        state.members -= 1
        if state.members > 0:
            return
        await self._close(state, error)
        if state.phase != "closed":  # left from inside: nobody waits for what its end brings to light
            state.leaves_later = True
        elif state.errors and error is None:
            raise BaseExceptionGroup(f"background tasks of session {self._id!r} failed", state.errors)
        else:
            _log_errors(state)

    async def aclose(self) -> None:
        """End the session, as leaving its `async with` does; from inside its own work, as soon as that returns."""
        if self._state is not None:
            await self._close(self._state, None)

    async def _close(self, state: SessionState, error: BaseException | None) -> None:
        self.close_soon(state, error)
        if not self._is_inside(state):
            with anyio.CancelScope(shield=True):
                await state.ended.wait()

    def close_soon(self, state: SessionState, error: BaseException | None = None) -> None:
        """Have the session ended, in a task of the bus: whoever asks may be cancelled meanwhile."""
        if state.phase == "open":
            state.phase = "closing"
            frame = self._bus.frame()
            asking = frame.commands if frame is not None and self._is_inside(state) else []
            self._bus.spawn(self._end, state, error, asking)

    def _is_inside(self, state: SessionState) -> bool:
        """Whether the caller stands in work for this session, whose end would wait for it."""
        frame = self._bus.frame()
        return state in _background_of.get() or (frame is not None and frame.serves(state.id))

    async def _end(self, state: SessionState, error: BaseException | None, asking: list[Message]) -> None:
        """End the session.

        Args:
            state: the session.
            error: what left its body.
            asking: the commands whose handlers asked for the end; they are let finish.
        """
        bus = self._bus
        if error is None:
            await bus.drain_session(state, asking)
        state.phase = "ending"
        for work in list(state.work):
            work.fail(SessionClosedError(state.id))
        await bus.cancel_session(state)
        outcome = _outcome_of(error)
        state.phase = "told"
        await bus.tell_end(state, state.end_event(outcome, None if error is None else ErrorInfo.from_exception(error)))
        bus.forget_session(state)
        if state.leaves_later:
            _log_errors(state)

    def _open_state(self) -> SessionState:
        """The state, if new work may be done here."""
        state = self._state
        if state is None:
            raise RuntimeError(f"session {self._id!r} is not open yet; enter it: async with bus.session() as session")
        if state.phase == "open" or (state.phase == "closing" and self._is_handler()):
            return state
        raise SessionClosedError(self._id)

    def _is_handler(self) -> bool:
        frame = self._bus.frame()
        return frame is not None and frame.serves(self._id)

    # the bus's verbs

    def register_command_handler(
        self,
        command_type: type[Command[R]] | type[StreamCommand[R]],
        handler: Callable[[Any], Any],
        *,
        timeout: float | None = None,
    ) -> CommandHandler:
        """Let `handler` answer the session's commands of this type; shadows the bus's handler. See `MessageBus`.

        Raises:
            SessionClosedError: the session has ended.
            RuntimeError: the session is not open yet.
        """
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
        """Let `handler` see the session's events of this type. See `MessageBus`.

        Raises:
            SessionClosedError: the session has ended.
            RuntimeError: the session is not open yet.
        """
        self._open_state()
        return self._bus.add_subscription(
            event_type, handler, self._id, where=where, timeout=timeout, retry=retry, in_thread=in_thread
        )

    async def execute(self, command: Command[R], *, timeout: float | None = None) -> R:
        """Have the session's handler, else the bus's, answer. See `MessageBus`.

        Raises:
            SessionClosedError: the session has ended.
            RuntimeError: the session is not open yet.
            ValueError: the message belongs to another session.
        """
        return await self._bus.execute_in(self._id, command, timeout, check=self._open_state)

    def stream(
        self, command: StreamCommand[T], *, timeout: float | None = None
    ) -> AbstractAsyncContextManager[AsyncIterator[T]]:
        """Have the session's handler, else the bus's, answer with a stream. See `MessageBus`.

        Raises:
            SessionClosedError: the session has ended.
            RuntimeError: the session is not open yet.
            ValueError: the message belongs to another session.
        """
        self._open_state()
        return self._bus.stream_in(self._id, command, timeout, check=self._open_state)

    async def publish(self, event: Event, *, ttl: float | None = None) -> None:
        """Give the event to the bus as one of this session. See `MessageBus`.

        Raises:
            SessionClosedError: the session has ended.
            RuntimeError: the session is not open yet.
            ValueError: the message belongs to another session.
        """
        await self._bus.publish_in(self._id, event, ttl, check=self._open_state)

    def expect(
        self, event_type: type[E], *, where: Callable[[E], bool] | None = None, timeout: float | None = None
    ) -> Awaitable[E]:
        """The next event of this type in this session. See `MessageBus`.

        Raises:
            SessionClosedError: the session has ended.
            RuntimeError: the session is not open yet.
        """
        self._open_state()

        def mine(event: E) -> bool:
            return event.session_id == self._id and (where is None or where(event))

        return self._bus.expect_in(self._id, event_type, mine, timeout)

    def schedule(self, event: Event, *, delay: float) -> ScheduledEvent:
        """Publish the event in this session after `delay` seconds, unless the session ends before.

        Raises:
            SessionClosedError: the session has ended.
            RuntimeError: the session is not open yet.
            ValueError: the message belongs to another session.
        """
        return self._bus.schedule_in(self._open_state(), event, delay)

    def start_soon(self, function: Callable[..., Coroutine[Any, Any, Any]], *args: Any) -> None:
        """Run a coroutine function in the background until the session ends; its errors are raised there.

        Raises:
            SessionClosedError: the session has ended.
            RuntimeError: the session is not open yet.
        """
        task = _BackgroundTask(self._open_state(), functools.partial(function, *args), self._bus.check_idle)
        self._bus.spawn(task.run)


class _BackgroundTask:
    """A coroutine function that runs until its session ends."""

    def __init__(
        self, state: SessionState, function: Callable[[], Coroutine[Any, Any, Any]], ended: Callable[[], None]
    ) -> None:
        self._state, self._function, self._ended = state, function, ended
        self._scope = anyio.CancelScope()
        state.work.add(self)

    def fail(self, _: Exception, /) -> None:
        self._scope.cancel()

    async def run(self) -> None:
        _background_of.set((*_background_of.get(), self._state))
        try:
            with self._scope:
                await self._function()
        except BaseException as error:  # SystemExit too: raised here, it would end the bus
            if not is_cancellation(error):
                self._state.errors.append(error)
        finally:
            self._state.work.discard(self)
            self._ended()


def _outcome_of(error: BaseException | None) -> Outcome:
    if error is None:
        return Outcome.OK
    return Outcome.ERROR if isinstance(error, Exception) else Outcome.CANCELLED


def _log_errors(state: SessionState) -> None:
    for failure in state.errors:
        _logger.error("a background task of session %r failed", state.id, exc_info=failure)
