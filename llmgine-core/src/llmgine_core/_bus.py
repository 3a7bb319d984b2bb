"""`MessageBus`: commands to their one handler, events to all that subscribed, in memory and in one process."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import logging
import signal
import threading
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Sequence
from contextlib import AbstractAsyncContextManager, ExitStack, contextmanager, nullcontext
from types import TracebackType
from typing import Any, ClassVar, Self, TypeVar

import anyio

from llmgine_core._calls import Call, CommandTeller, deadline_of, late, outcome_of
from llmgine_core._delivery import Dispatcher, Frame, current_frame, in_frame, leave_frames
from llmgine_core._loop import EventLoop
from llmgine_core._registry import CommandHandler, HandlerRegistry, Subscription, total
from llmgine_core._room import Room
from llmgine_core._session import BusSession, SessionState, Work, in_background
from llmgine_core._stream import AnswerStream, Source
from llmgine_core._watchers import Expectation, Scheduled, Tap
from llmgine_core.abc import EventTap, Middleware, Registration, ScheduledEvent
from llmgine_core.contracts import (
    BusStats,
    Command,
    Event,
    Message,
    Outcome,
    Retry,
    StopReport,
    StreamCommand,
    current_message,
)
from llmgine_core.contracts.header import complete_header
from llmgine_core.errors import BusClosedError, SessionClosedError

__all__ = ["MessageBus"]

_logger = logging.getLogger("llmgine.bus")
_current_bus: contextvars.ContextVar[MessageBus] = contextvars.ContextVar("llmgine_bus")

R = TypeVar("R")
T = TypeVar("T")
E = TypeVar("E", bound=Event)
W = TypeVar("W", bound=Work)
Check = Callable[[], object]


@contextmanager
def as_current(bus: Any) -> Generator[None]:
    """Make `MessageBus.current()` return this bus, in the caller's context and those copied from it."""
    token = _current_bus.set(bus)
    try:
        yield
    finally:
        try:
            _current_bus.reset(token)
        except ValueError:  # left in another context than entered, where the variable was never set
            _logger.debug("the application was left in another context than it was entered in")


class MessageBus:
    """Carries commands to their one handler and events to all that subscribed.

    Args:
        capacity: most deliveries that may wait; beyond it publishers wait their turn, and publications below an event
            handler, which must not wait, use a reserve of twice as many.

    Raises:
        ValueError: `capacity` is less than 1.
    """

    _shared: ClassVar[MessageBus | None] = None
    _shared_lock: ClassVar[threading.Lock] = threading.Lock()

    def __init__(self, *, capacity: int = 10_000) -> None:
        if capacity < 1:
            raise ValueError(f"capacity must be at least 1, not {capacity}")
        self._state = "new"
        self._registry = HandlerRegistry()
        self._room = Room(capacity, lambda: self._dispatcher.queued)
        self._dispatcher = Dispatcher(self._registry, self.emit, self.listens, self._room.let_in)
        self._middleware: list[Middleware] = []
        self._taps: list[Tap] = []
        self._expectations: weakref.WeakSet[Expectation[Any]] = weakref.WeakSet()
        self._running: set[Call] = set()
        self._streams: set[AnswerStream[Any]] = set()
        self._resting: list[Frame] = []  # calls of handlers that wait for idleness
        self._accepted = self._refused = self._executed = 0
        self.open_sessions: dict[str, SessionState] = {}

    @classmethod
    def shared(cls) -> MessageBus:
        """The one bus of this process, made at the first call and not started."""
        with MessageBus._shared_lock:
            if MessageBus._shared is None:
                MessageBus._shared = MessageBus()
            return MessageBus._shared

    @classmethod
    def current(cls) -> MessageBus:
        """The bus of the application that runs here.

        Raises:
            LookupError: no application runs in this context.
        """
        try:
            return _current_bus.get()
        except LookupError:
            raise LookupError("no application runs here; enter an ApplicationBootstrap first") from None

    # starting and stopping

    async def start(self) -> None:
        """Begin to take work; without effect on a running bus. After a stop, the bus opens anew on the running loop.

        Raises:
            BusClosedError: the bus is stopping.
        """
        if self._state == "stopping":
            raise BusClosedError("stopping", "a start")
        if self._state in ("new", "stopped"):
            self._state = "starting"
            self._loop = EventLoop()
            self._opened, self._stop_asked, self._stopped = anyio.Event(), anyio.Event(), anyio.Event()
            self._report = StopReport()
            self._loop.spawn(self._own)
        await self._opened.wait()

    async def _own(self) -> None:
        """Own the bus's tasks: this is a task of the loop, so start and stop may come from anywhere."""
        try:
            async with anyio.create_task_group() as tasks:
                self._tasks = tasks
                self._dispatcher.open(tasks)
                self._state = "running"
                self._opened.set()
                await self._stop_asked.wait()
                tasks.cancel_scope.cancel()
        except* KeyboardInterrupt:
            # asyncio has it already, from the handler's task; trio takes it from a signal, not from a system task
            if anyio.get_cancelled_exc_class() is not asyncio.CancelledError:
                signal.raise_signal(signal.SIGINT)
        finally:
            self._state = "stopped"
            self._dispatcher.forget_lanes()
            self._room.turn_away(outside_only=False)
            for state in list(self.open_sessions.values()):
                self._abandon(state)
            self._stopped.set()

    async def stop(self, *, drain: float = 10.0) -> StopReport:
        """Take no more work, finish what was accepted, cancel the rest. Idempotent.

        From inside a handler, or a session's background task, it asks for the stop and returns, since the stop waits
        for that one.

        Args:
            drain: seconds for what was accepted.

        Returns:
            What had to be left.
        """
        if self._state in ("new", "stopped"):
            return StopReport()
        await self._opened.wait()
        if self._state == "running":
            self._state = "stopping"
            # in a task of the loop: who asks may be cancelled meanwhile
            contextvars.Context().run(self._loop.spawn, functools.partial(self._stop, drain))
        if self.frame() is not None or in_background(self):
            return StopReport()
        with anyio.CancelScope(shield=True):
            await self._stopped.wait()
        return self._report

    async def _stop(self, drain: float) -> None:
        discarded, sessions = self._discarded(), list(self.open_sessions.values())
        self._room.turn_away(outside_only=True)
        for expectation in list(self._expectations):
            expectation.fail(BusClosedError("stopping"))
        with anyio.move_on_after(drain):
            await self._dispatcher.wait_until(self._is_idle)
            for state in sessions:
                BusSession.of(self, state).close_soon(state)
            await self._dispatcher.wait_until(lambda: not self.open_sessions and self._is_idle())
        left = self._dispatcher.pending
        cancelled = self._cancel_rest()
        self._state = "stopped"
        self._stop_asked.set()
        given_up = self._discarded() + self._dispatcher.pending - discarded
        self._report = StopReport(left=left, discarded=given_up, cancelled=cancelled)

    def _is_idle(self) -> bool:
        return not (self._dispatcher.pending or self._running or self._streams)

    def _cancel_rest(self) -> int:
        busy = self._dispatcher.pending - self._dispatcher.queued
        self._dispatcher.discard_queues()
        work: set[Work] = {*self._running, *self._streams}
        for state in self.open_sessions.values():
            work |= state.work
        for each in work:
            each.fail(BusClosedError("stopped"))
        return busy + len(work)

    def _abandon(self, state: SessionState) -> None:
        """Close a session that outlived the bus; only taps hear of its end."""
        if state.phase != "told":
            self.emit(state.end_event(Outcome.CANCELLED, None))
        self.forget_session(state)

    def _discarded(self) -> int:
        return total(self._registry.stats().values()).discarded

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.stop()

    # registering

    def register_command_handler(
        self,
        command_type: type[Command[R]] | type[StreamCommand[R]],
        handler: Callable[[Any], Any],
        *,
        timeout: float | None = None,
    ) -> CommandHandler:
        """Let `handler` answer commands of exactly this type, wherever no session's handler shadows it.

        Args:
            command_type: a subclass of `Command` or `StreamCommand`.
            handler: a coroutine function of the command; for a `StreamCommand` an async generator function.
            timeout: seconds that one command may take.

        Raises:
            DuplicateHandlerError: the bus has a handler for the type.
            TypeError: `handler` is not of that kind.
        """
        return self.add_command(command_type, handler, None, timeout)

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
        """Let `handler` see every event of this type and of its subclasses, in all sessions.

        Args:
            event_type: `Event` for all.
            handler: a function or coroutine function of the event.
            where: only events for which this is true.
            timeout: seconds that one attempt may take.
            retry: how often to try again; by default not at all.
            in_thread: run a plain function in a worker thread, since it would block the loop.

        Raises:
            TypeError: `event_type` is no event class, or `in_thread` is asked of a coroutine function.
        """
        return self.add_subscription(
            event_type, handler, None, where=where, timeout=timeout, retry=retry, in_thread=in_thread
        )

    def add_command(
        self, command_type: Any, handler: Callable[..., Any], scope: str | None, timeout: float | None
    ) -> CommandHandler:
        """Register a command handler of the bus or of a session."""
        return self._registry.add_command(command_type, handler, scope, timeout)

    def add_subscription(
        self, event_type: Any, handler: Callable[..., Any], scope: str | None, **options: Any
    ) -> Subscription[Any]:
        """Register an event handler of the bus or of a session."""
        return self._registry.add_subscription(
            event_type, handler, scope=scope, discard=self._dispatcher.discard, **options
        )

    def add_middleware(self, middleware: Middleware) -> None:
        """Wrap every `execute` and every acceptance of an event in `async def middleware(message, call_next)`.

        The first added is the outermost. An event that it does not pass on is not accepted.
        """
        self._middleware.append(middleware)

    def add_tap(self, tap: EventTap) -> Registration:
        """Show every accepted event to `tap`, before its delivery; it must neither block nor raise."""
        registered = Tap(tap, self._taps)
        self._taps.append(registered)
        return registered

    def listens(self, event_type: type[Event], *, exactly: bool = False) -> bool:
        """Whether anybody would see an event of this type.

        Args:
            event_type: the type.
            exactly: count only who subscribed to this very type, for events too many to show to everybody.
        """
        if exactly:
            return any(s.event_type is event_type for s in self._registry.living())
        if self._taps or self._registry.subscribed(event_type):
            return True
        return any(expectation.concerns(event_type) for expectation in list(self._expectations))

    # commands

    async def execute(self, command: Command[R], *, timeout: float | None = None) -> R:
        """Have the command's handler answer, in the caller's task and context.

        Args:
            command: the command.
            timeout: seconds to wait at most; the command's own deadline and its handler's timeout count too.

        Returns:
            The handler's answer.

        Raises:
            TypeError: `command` is no `Command`.
            ValueError: `command` belongs to another session than the one that sends it.
            HandlerNotFoundError: no handler is registered.
            BusClosedError: the bus does not run, or was stopped meanwhile.
            TimeoutError: the time is up.
            Exception: whatever the handler raises, unchanged.
        """
        return await self.execute_in(None, command, timeout)

    async def execute_in(
        self, session_id: str | None, command: Command[R], timeout: float | None, *, check: Check | None = None
    ) -> R:
        """`execute`, from the bus (None) or a session, which is checked first."""
        if not isinstance(command, Command):
            raise TypeError(
                f"execute() takes a Command, not {command!r}; events are published, StreamCommands streamed"
            )
        self.admit(check)
        self._complete(command, session_id)
        call = Call(command, deadline_of(command, timeout))
        last = functools.partial(self._answer, session_id, call, check)
        # middleware is part of the command's work: a stop or an end of the session that it asks for waits for it
        frame = in_frame(self._dispatcher, command, delivery=False) if self._middleware else nullcontext()
        with self._working(call, self._running, command):
            with call.scope, frame:
                answer: R = await self._through_middleware(command, last)
                return answer
            raise call.end  # only a cancelled scope of our own gets here

    async def _answer(self, session_id: str | None, call: Call, check: Check | None, command: Any) -> Any:
        self.admit(check)  # a middleware may have taken its time
        self._complete(command, session_id)
        registration = self._registry.find_command(command)
        self._executed += 1
        tells = CommandTeller(self.emit, self.listens, command, registration)
        own_time = nullcontext() if registration.timeout is None else anyio.move_on_after(registration.timeout)
        tells.started()
        try:
            with own_time, in_frame(self._dispatcher, command, delivery=False):
                answer = await registration.handler(command)
                tells.ended(Outcome.OK, answer)
                return answer
            raise TimeoutError(late(command))
        except BaseException as error:
            reason = call.reason(error)
            tells.ended(outcome_of(reason), None, reason)
            raise

    @contextmanager
    def _working(self, work: W, among: set[W], command: Message) -> Generator[None]:
        """Count something that runs for a command, and let it end with the command's session."""
        frame, state = self.frame(), self.open_sessions.get(command.session_id or "")
        # what runs below an event handler ends with that handler, which may be one of the bus's
        owner = state if state is not None and not (frame and frame.deliveries) else None
        among.add(work)
        if owner is not None:
            owner.work.add(work)
        try:
            yield
        finally:
            among.discard(work)
            if owner is not None:
                owner.work.discard(work)
            self.check_idle()

    def stream(
        self, command: StreamCommand[T], *, timeout: float | None = None
    ) -> AbstractAsyncContextManager[AsyncIterator[T]]:
        """Have the command's handler answer with a stream: `async with bus.stream(command) as items`.

        The handler's generator runs in a task of its own, a few items ahead of the reader. Leaving the block early
        closes it and waits for its `finally`.

        Raises:
            TypeError: `command` is no `StreamCommand`.
            ValueError: on entry: `command` belongs to another session than the one that sends it.
            HandlerNotFoundError: on entry: no handler is registered.
            BusClosedError: the bus does not run, or was stopped meanwhile.
            TimeoutError: while iterating: the time is up.
            Exception: while iterating: whatever the handler raises, unchanged.
        """
        return self.stream_in(None, command, timeout)

    def stream_in(
        self,
        session_id: str | None,
        command: StreamCommand[T],
        timeout: float | None,
        *,
        check: Check | None = None,
    ) -> AnswerStream[T]:
        """`stream`, from the bus (None) or a session, which is checked on entry."""
        if not isinstance(command, StreamCommand):
            raise TypeError(f"stream() takes a StreamCommand, not {command!r}")
        running = ExitStack()
        tellers: list[CommandTeller] = []

        def start() -> Source[T]:
            self.admit(check)
            self._complete(command, session_id)
            registration = self._registry.find_command(command)
            self._executed += 1
            tellers.append(CommandTeller(self.emit, self.listens, command, registration))
            running.enter_context(self._working(stream, self._streams, command))
            tellers[0].started()
            frame = in_frame(self._dispatcher, command, delivery=False)
            try:
                generator = registration.handler(command)
            except BaseException as error:  # it takes other parameters, say
                closed(error)
                raise
            return Source(generator, frame, deadline_of(command, timeout, registration.timeout))

        def closed(error: BaseException | None) -> None:
            tellers[0].ended(Outcome.OK if error is None else outcome_of(error), None, error)
            running.close()

        stream: AnswerStream[T] = AnswerStream(command, start, self.spawn, closed, self.check_idle, late(command))
        return stream

    # events

    async def publish(self, event: Event, *, ttl: float | None = None) -> None:
        """Give the event to the bus. Returns when it is accepted, not when it is handled.

        Args:
            event: the event.
            ttl: seconds after which a delivery that has not begun expires.

        Raises:
            TypeError: `event` is no `Event`.
            ValueError: `event` belongs to another session than the one that sends it.
            BusClosedError: the bus does not run.
            RuntimeError: a middleware passed the event on twice.
            QueueFullError: inside an event handler, when the reserve is used up too.
        """
        await self.publish_in(None, event, ttl)

    async def publish_in(
        self, session_id: str | None, event: Event, ttl: float | None, *, check: Check | None = None
    ) -> None:
        """`publish`, from the bus (None) or a session, which is checked first."""
        taken: list[Event] = []
        try:
            if not isinstance(event, Event):
                raise TypeError(f"publish() takes an Event, not {event!r}; commands are executed")
            self.admit(check)
            self._complete(event, session_id)
            # what a middleware passes on in the event's place belongs to the same session
            last = functools.partial(self._take, event.session_id, ttl, check, taken)
            await self._through_middleware(event, last)
        finally:
            self._refused += not taken  # by an error, or by a middleware that kept it

    async def _take(
        self, session_id: str | None, ttl: float | None, check: Check | None, taken: list[Event], event: Any
    ) -> None:
        self._complete(event, session_id)
        if not await self._room.enter(self.frame()):
            raise BusClosedError(self._state)
        try:
            self.admit(check)  # the bus or the session may have ended meanwhile
            if taken:
                raise RuntimeError(f"a middleware passed {event.type_name} on twice; call call_next() once per event")
            self._accept(event, ttl)
            taken.append(event)
        finally:
            self._room.let_in()  # refused, or matched by nobody: its room is the next one's

    def publish_from_thread(self, event: Event, *, ttl: float | None = None) -> None:
        """`publish` for a thread outside the event loop; returns when the event is accepted.

        Raises:
            The same as `publish`; RuntimeError on the loop's own thread, which would wait for itself.
        """
        self.admit()
        if self._loop.is_here:
            raise RuntimeError("publish_from_thread() is for other threads; here, await publish()")
        self._loop.run(functools.partial(self.publish, event, ttl=ttl))

    def emit(self, event: Event) -> None:
        """Publish without waiting or failing, from any thread: for telemetry. What finds no room is counted."""
        complete_header(event, None, current_message())
        if self._state not in ("running", "stopping"):
            self._show(event)  # how something ended that a stop cut short is still worth seeing
            return
        if self._loop.is_here:
            self._emit_here(event)
            return
        context = contextvars.copy_context()
        try:
            self._loop.call_soon(lambda: context.run(self.emit, event))
        except RuntimeError:  # the loop ended without a stop of the bus; nobody is left to hear of it
            self._refused += 1

    def _emit_here(self, event: Event) -> None:
        if self._room.has_reserve:
            self._accept(event, None)
        else:
            self._accepted += 1
            self._show(event)
            self._dispatcher.drop(event)

    def _accept(self, event: Event, ttl: float | None) -> None:
        self._accepted += 1
        self._show(event)
        self._dispatcher.accept(event, ttl, contextvars.copy_context())

    def _show(self, event: Event) -> None:
        for tap in list(self._taps):
            try:
                tap.function(event)
            except Exception:
                _logger.exception("the tap %s failed on %s", tap.name, event.type_name)
        for expectation in list(self._expectations):
            expectation.offer(event)

    def expect(
        self, event_type: type[E], *, where: Callable[[E], bool] | None = None, timeout: float | None = None
    ) -> Awaitable[E]:
        """The next event of this type accepted after this call; await the result to wait for it.

        Raises:
            TimeoutError: when awaited: the time is up.
            BusClosedError: at once if the bus does not run; when awaited, if it stops.
        """
        return self.expect_in(None, event_type, where, timeout)

    def expect_in(
        self, session_id: str | None, event_type: type[E], where: Callable[[E], bool] | None, timeout: float | None
    ) -> Awaitable[E]:
        """`expect`, from the bus (None) or a session, with which it ends."""
        self.admit()
        expectation = Expectation(event_type, where, timeout, session_id)
        self._expectations.add(expectation)
        return expectation

    def schedule(self, event: Event, *, delay: float) -> ScheduledEvent:
        """Publish the event after `delay` seconds, unless the bus stops before.

        Raises:
            BusClosedError: the bus does not run.
        """
        return self.schedule_in(None, event, delay)

    def schedule_in(self, state: SessionState | None, event: Event, delay: float) -> ScheduledEvent:
        """`schedule`, from the bus (None) or a session."""
        self.admit()
        self._complete(event, state.id if state else None)
        scheduled = Scheduled()
        if state is not None:
            state.work.add(scheduled)
        self.spawn(self._publish_later, state, scheduled, event, delay)
        return scheduled

    async def _publish_later(
        self, state: SessionState | None, scheduled: Scheduled, event: Event, delay: float
    ) -> None:
        try:
            with scheduled.scope:
                await anyio.sleep(delay)
                await self.publish(event)
        except BusClosedError:
            _logger.debug("%s was due while the bus stopped", event.type_name)
        except Exception:  # a middleware's: nobody waits for it here, and it must not end the bus
            _logger.exception("%s was due and could not be published", event.type_name)
        finally:
            if state is not None:
                state.work.discard(scheduled)
                self.check_idle()

    # sessions

    def session(self, id: str | None = None, *, join: bool = False, drain: float = 5.0) -> BusSession:
        """A session, opened by `async with`.

        Args:
            id: its id; by default a new one.
            join: share the session of this id if it is open; the last to leave ends it.
            drain: seconds that its queued events have at its end.

        Raises:
            SessionExistsError: on entry: the id is open and `join` is false.
        """
        return BusSession(self, id, join=join, drain=drain)

    async def drain_session(self, state: SessionState, asking: Sequence[Message]) -> None:
        """Wait, for the session's own time, until its handlers have taken what they are owed.

        Args:
            state: the session.
            asking: commands to wait for too.
        """
        with anyio.move_on_after(state.drain):
            await self._dispatcher.wait_until(
                lambda: not self._dispatcher.pending_of(state.id) and not self._any_running(asking)
            )

    def _any_running(self, commands: Sequence[Message]) -> bool:
        return any(call.command is command for call in self._running for command in commands)

    async def cancel_session(self, state: SessionState) -> None:
        """Give up what the session's handlers are owed, and wait until they and the session's work have ended."""
        self._dispatcher.cancel_scope(state.id)
        with anyio.move_on_after(state.drain) as patience:
            await self._dispatcher.wait_until(lambda: not state.work and not self._dispatcher.pending_of(state.id))
        if patience.cancelled_caught:
            _logger.error("session %r ended, but something of it does not heed its cancellation", state.id)

    async def tell_end(self, state: SessionState, event: Event) -> None:
        """Publish the end of a session, to its own handlers too, and nothing to them afterwards."""
        self.emit(event)
        self._registry.seal_scope(state.id)
        await self.drain_session(state, ())

    def forget_session(self, state: SessionState) -> None:
        """Unregister everything of a session that has ended."""
        self._dispatcher.cancel_scope(state.id)
        self._registry.end_scope(state.id)
        for expectation in list(self._expectations):
            if expectation.session_id == state.id:
                expectation.fail(SessionClosedError(state.id))
        self.open_sessions.pop(state.id, None)
        state.phase = "closed"
        state.ended.set()
        for function in state.on_end:
            function()
        self.check_idle()

    # where the caller stands

    def frame(self) -> Frame | None:
        """The handler call of this bus in which the caller stands."""
        return current_frame(self._dispatcher)

    def admit(self, check: Check | None = None) -> None:
        """Let work in if the bus runs, or if it stops and the work comes from inside a handler.

        Args:
            check: what else must hold; raises if it does not.

        Raises:
            BusClosedError: otherwise.
        """
        if not (self._state == "running" or (self._state == "stopping" and self.frame() is not None)):
            raise BusClosedError(self._state)
        if check is not None:
            check()

    def spawn(self, function: Callable[..., Any], *args: Any) -> None:
        """Run a coroutine function, which must not raise, as a task of the bus, below no handler's call."""
        context = contextvars.copy_context()
        context.run(leave_frames)
        context.run(self._tasks.start_soon, function, *args)

    def check_idle(self) -> None:
        """Wake whoever waits for something to end."""
        self._dispatcher.check_idle()

    def _complete(self, message: Message, session_id: str | None) -> None:
        if session_id is not None and message.session_id not in (None, session_id):
            raise ValueError(
                f"{type(message).__name__} belongs to session {message.session_id!r} and cannot be sent through "
                f"session {session_id!r}; send it through the bus"
            )
        complete_header(message, session_id, current_message())

    async def _through_middleware(self, message: Message, last: Callable[[Any], Awaitable[Any]]) -> Any:
        call: Callable[[Message], Awaitable[Any]] = last
        for middleware in reversed(self._middleware):
            call = functools.partial(_call_middleware, middleware, call)
        return await call(message)

    # looking

    async def wait_idle(self, *, timeout: float | None = None) -> None:
        """Wait until nothing is pending but what the caller itself is part of.

        A stream whose handler waits for its reader counts as idle, and so does, seen from inside a handler, every
        handler that waits for idleness itself.

        Raises:
            TimeoutError: the time is up.
        """
        frame = self.frame()
        if frame is None:
            with anyio.fail_after(timeout):
                await self._dispatcher.wait_until(lambda: self._is_idle_but([]))
            return
        self._resting.append(frame)
        try:
            self.check_idle()  # who rests already need not wait for this one
            with anyio.fail_after(timeout):
                await self._dispatcher.wait_until(lambda: self._is_idle_but(self._resting))
        finally:
            self._resting.remove(frame)

    def _is_idle_but(self, resting: Sequence[Frame]) -> bool:
        """Whether nothing is pending but the calls that these stand in."""
        calls = {call for frame in resting for call in frame.chain()}
        commands = {id(call.message) for call in calls if not call.is_delivery}
        busy = [call.command for call in self._running] + [s.command for s in self._streams if not s.waits_for_reader]
        owed = self._dispatcher.pending - sum(call.is_delivery for call in calls)
        return owed <= 0 and all(id(command) in commands for command in busy)

    def stats(self) -> BusStats:
        """The books, as they stand."""
        subscriptions = self._registry.stats()
        return BusStats(
            accepted=self._accepted,
            refused=self._refused,
            unmatched=self._dispatcher.unmatched,
            executed=self._executed,
            total=total(subscriptions.values()),
            subscriptions=subscriptions,
            sessions=len(self.open_sessions),
            abandoned_threads=self._dispatcher.threads.abandoned,
        )


async def _call_middleware(
    middleware: Middleware, call_next: Callable[[Message], Awaitable[Any]], message: Message
) -> Any:
    return await middleware(message, call_next)
