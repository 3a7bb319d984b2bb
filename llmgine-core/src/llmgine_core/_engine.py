"""What a bus is made of, and its state: everything that the bus and its sessions do goes through here."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import logging
import signal
import time
import weakref
from collections.abc import Awaitable, Callable, Coroutine, Generator, Iterable, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import anyio
import attrs

from llmgine_core import events
from llmgine_core._calls import Call, CommandTeller, late, outcome_of, seconds_left
from llmgine_core._delivery import Dispatcher, running_now
from llmgine_core._frames import Frame, current_frame, in_frame, is_below_delivery, leave_frames
from llmgine_core._herald import RUNTIME_EVENTS, Herald
from llmgine_core._idle import Idle
from llmgine_core._letters import DeadLetters
from llmgine_core._link import Link
from llmgine_core._loop import EventLoop
from llmgine_core._registry import CommandHandler, HandlerRegistry, Plan, Subscription, total
from llmgine_core._room import Room
from llmgine_core._scopes import Scope, SessionState, Work
from llmgine_core._stalls import StallDetector
from llmgine_core._stream import AnswerStream, Source
from llmgine_core._threads import Threads
from llmgine_core._watchers import Expectation, Scheduled, Tap
from llmgine_core.abc import EventTap, Middleware, Registration, ScheduledEvent, Transport
from llmgine_core.contracts import (
    BusStats,
    Command,
    ErrorInfo,
    Event,
    Header,
    Message,
    Outcome,
    Overflow,
    StopReport,
    StreamCommand,
    current_handling,
)
from llmgine_core.contracts.header import NOTHING_SAID, complete_header, set_header
from llmgine_core.errors import BusClosedError, QueueFullError, SessionClosedError

__all__ = ["Engine"]

_logger = logging.getLogger("llmgine.bus")

T = TypeVar("T")
E = TypeVar("E", bound=Event)
W = TypeVar("W", bound=Work)

_COMMAND: type[Message] = Command  # as a generic class it would leave checkers with an unknown answer
_STREAM_COMMAND: type[Message] = StreamCommand
_NAGGING = 0.05  # seconds before what does not heed its cancellation is cancelled again
_copy_context = contextvars.copy_context


class Engine:
    """The state of a bus.

    Args:
        capacity: most deliveries that may wait.
        overflow: what becomes of an event for which there is no room.
        transport: what carries messages to and from other buses.
        stall_after: seconds that the loop may be blocked before it is said which handler does it; None: never.

    Attributes:
        state: `new`, `starting`, `running`, `stopping`, `stopped`.
        takes_events: whether an event can be accepted on the spot: the bus runs, without middleware or other buses.
        takes_commands: whether a command can be answered without ado: the bus runs, without middleware, on a loop that
            can cancel tasks.
        tells_commands: whether somebody listens to commands.
        bus_commands: the command handlers of the bus itself.
        running: the commands that are being answered.
        sessions: the open sessions.
    """

    def __init__(self, *, capacity: int, overflow: Overflow, transport: Transport, stall_after: float | None) -> None:
        self.state: str = "new"
        self.takes_events: bool = False
        self.takes_commands: bool = False
        self.tells_commands: bool = False
        self._watched = False
        self._heard: dict[type[Event], bool] = {}  # who listens to what, as far as it was asked
        self.sessions: dict[str | None, SessionState] = {}
        self.running: set[Call] = set()
        self.streams: set[AnswerStream[Any]] = set()
        self._carried: set[Call] = set()  # publications that are at the transport
        self._resting: list[Frame] = []  # calls of handlers that wait for idleness
        self._middleware: list[Middleware] = []
        self._taps: list[Tap] = []
        self._expectations: weakref.WeakSet[Expectation[Any]] = weakref.WeakSet()
        self._accepted = self._refused = self._emitted = 0
        self.executed: int = 0
        self.threads: Threads = Threads()
        self.letters: DeadLetters = DeadLetters()
        self.idle: Idle = Idle()
        self.room: Room = Room(capacity, overflow)
        self.registry: HandlerRegistry = HandlerRegistry(self.threads, self._discard, self._notice)
        self.bus_commands: dict[type[Message], CommandHandler] = self.registry.bus.commands
        self.link: Link = Link(self, transport)
        if not self.link.is_direct:
            self.registry.interest = self.link
        self._herald = Herald(self.tell, self.listens, self.spawn, self.letters)
        self._dispatcher = Dispatcher(self, self.registry, self.room, self._herald, self.idle)
        self._stalls = None if stall_after is None else StallDetector(stall_after, self._all_handlers)

    def _discard(self, subscription: Subscription) -> None:
        self._dispatcher.discard(subscription)

    def _all_handlers(self) -> Iterable[Callable[..., Any]]:
        yield from [s.handler for s in self.registry.living()]
        for scope in [self.registry.bus, *self.registry.answering.values()]:
            yield from [c.handler for c in scope.commands.values()]

    # ── starting and stopping ────────────────────────────────────────────────────────────────────────────────────

    async def start(self) -> None:
        """Begin to take work; without effect on a running bus."""
        if self.state == "stopping":
            raise BusClosedError("stopping", "a start")
        if self.state in ("new", "stopped"):
            self.loop: EventLoop = EventLoop()
            self.link.check_loop(self.loop.backend)
            self._set_state("starting")
            self._fault: Exception | None = None
            self.current_task: Callable[[], Any] = self.loop.current_task
            self._opened, self._stop_asked, self._stopped = anyio.Event(), anyio.Event(), anyio.Event()
            self._opening = anyio.CancelScope()
            self._report = StopReport()
            self.loop.spawn(self._own)
        await self._opened.wait()
        if self._fault is not None:
            raise self._fault

    async def opened(self) -> None:
        """Wait until the bus has started, if it is about to."""
        await self._opened.wait()

    async def _own(self) -> None:
        """Own the bus's tasks: this is a task of the loop, so start and stop may come from anywhere."""
        try:
            async with anyio.create_task_group() as tasks:
                self._tasks = tasks
                self._dispatcher.open(self.loop, tasks)
                if self._stalls is not None:
                    self._stalls.start(self.loop)
                try:
                    await self._run_linked()
                finally:
                    await self.link.close()
                    tasks.cancel_scope.cancel()
        except* KeyboardInterrupt:
            # asyncio has it already, from the handler's task; trio takes it from a signal, not from a system task
            if anyio.get_cancelled_exc_class() is not asyncio.CancelledError:
                signal.raise_signal(signal.SIGINT)
        finally:
            self._set_state("stopped")
            if self._stalls is not None:
                self._stalls.stop()
            self._dispatcher.discard_queues()
            self._turn_away(outside_only=False)
            for state in list(self.sessions.values()):
                self._abandon(state)
            self._opened.set()
            self._stopped.set()

    async def _run_linked(self) -> None:
        """Run until the stop; a transport that does not open is the starter's to hear of."""
        try:
            with self._opening:
                await self.link.open()
        except Exception as error:
            self._fault = error
            return
        if self._opening.cancelled_caught:
            self._fault = BusClosedError("stopped", "a start")
            return
        self._set_state("running")
        self._opened.set()
        await self._stop_asked.wait()

    def _set_state(self, state: str) -> None:
        self.state = state
        self._adjust()

    def _adjust(self) -> None:
        """Say anew what can be done without ado, whenever something changes that it depends on."""
        plain = self.state == "running" and not self._middleware
        self.takes_events = plain and self.link.is_direct
        self.takes_commands = plain and self.loop.interrupts_tasks
        self._heard.clear()
        self._watched = bool(self._taps or self._expectations)  # `listens` asks for it
        self.tells_commands = self.listens(events.CommandStartedEvent) or self.listens(events.CommandResultEvent)
        self._dispatcher.tells = self.listens(events.EventHandlerStartEvent) or self.listens(
            events.EventHandlerResultEvent
        )
        self._hears_starts = self.listens(events.SessionStartEvent)
        self._hears_ends = self.listens(events.SessionEndEvent)

    def _notice(self, event_type: type[Event]) -> None:
        if event_type is Event or event_type in RUNTIME_EVENTS:
            self._adjust()
        elif self._heard:
            self._heard.clear()

    async def stop(self, drain: float) -> StopReport:
        """Take no more work, finish what was accepted, cancel the rest."""
        if self.state in ("new", "stopped"):
            return StopReport()
        with anyio.CancelScope(shield=True):  # or a caller that is cancelled would leave the bus running
            with anyio.move_on_after(drain):
                await self._opened.wait()
            self._opening.cancel()  # without effect on a transport that has opened
            await self._opened.wait()
        if self.state == "running":
            self._set_state("stopping")
            # in a task of the loop: who asks may be cancelled meanwhile
            contextvars.Context().run(self.loop.spawn, functools.partial(self._stop, drain))
        if self.frame() is not None or in_background(self):
            return StopReport()
        with anyio.CancelScope(shield=True):
            await self._stopped.wait()
        return self._report

    async def _stop(self, drain: float) -> None:
        discarded, sessions = self._discarded(), list(self.sessions.values())
        self._turn_away(outside_only=True)
        self.link.serve_no_more()
        for expectation in list(self._expectations):
            expectation.fail(BusClosedError("stopping"))
        with anyio.move_on_after(drain):
            await self.idle.wait_until(self._is_idle)
            for state in sessions:
                self.close_soon(state, None)
            await self.idle.wait_until(lambda: not self.sessions and self._is_idle())
        self._herald.tell_all()
        left = self._dispatcher.pending
        cancelled = await self._cancel_rest()
        self._set_state("stopped")
        self._stop_asked.set()
        given_up = self._discarded() + self._dispatcher.pending - discarded
        self._report = StopReport(left=left, discarded=given_up, cancelled=cancelled)

    def _turn_away(self, *, outside_only: bool) -> None:
        """Send publishers away who wait for room or for the transport; those inside a handler only if asked."""
        self.room.turn_away(outside_only=outside_only)
        for call in list(self._carried):
            if not outside_only or list(call.chain()) == [call]:
                call.fail(BusClosedError(self.state))

    def _is_idle(self) -> bool:
        return not (self._dispatcher.pending or self.running or self.streams)

    async def _cancel_rest(self) -> int:
        busy = self._dispatcher.running
        self._dispatcher.discard_queues()
        work: set[Work] = {*self.running, *self.streams}
        for state in self.sessions.values():
            work |= state.work
        for each in work:
            each.fail(BusClosedError("stopped"))
        await self._nag(lambda: self.running)
        return busy + len(work)

    async def _nag(self, what: Callable[[], Iterable[Call]]) -> None:
        """See that commands end which were cancelled; one that does not heed it is cancelled again."""
        await self.loop.breathe()
        while waiting := list(what()):
            with anyio.move_on_after(_NAGGING):
                await self.idle.wait_until(lambda: not what())
            for call in waiting:
                if call in self.running:
                    call.fail(BusClosedError("stopped"))

    def _abandon(self, state: SessionState) -> None:
        """Close a session that outlived the bus; only taps hear of its end."""
        if state.phase != "told":
            self.emit(state.end_event(Outcome.CANCELLED, None))
        self.forget_session(state)

    def _discarded(self) -> int:
        return total(self.registry.stats().values()).discarded

    # ── letting work in ──────────────────────────────────────────────────────────────────────────────────────────

    def frame(self) -> Frame | None:
        """The handler call of this bus in which the caller stands."""
        return current_frame(self)

    def admit(self, scope: Scope) -> None:
        """Let work in if the bus runs, or if it stops and the work comes from inside a handler; and the scope does.

        Raises:
            BusClosedError: the bus does not.
            SessionClosedError: the session does not.
            RuntimeError: the session is not open yet.
        """
        if self.state != "running" and not (self.state == "stopping" and self.frame() is not None):
            raise BusClosedError(self.state)
        if not scope.is_open:
            scope.check(self.frame())

    def _address(self, message: Message, scope: Scope) -> bool:
        """Complete the header of a message sent from a scope; false where that takes more than one look."""
        header = message.header
        if header is NOTHING_SAID:
            here = current_handling.get()
            if here is not None and here.message is message:  # which is no cause of itself
                return False
            header = scope.header if here is None else here.derived
            if scope.id is not None and header.session_id != scope.id:
                return False
            set_header(message, header)
            return True
        return type(header) is Header and (scope.id is None or header.session_id == scope.id)

    def complete(self, message: Message, scope: Scope) -> None:
        """Fill what the message's maker left empty.

        Raises:
            ValueError: it belongs to another session than the one that sends it.
        """
        if scope.id is not None:
            _refuse_foreign(message, scope.id)
        here = current_handling.get()
        derived = None if here is None or here.message is message else here.derived
        complete_header(message, scope.header, derived)

    def add_middleware(self, middleware: Middleware) -> None:
        """Wrap commands and the acceptance of events."""
        self._middleware.append(middleware)
        self._adjust()

    async def _through_middleware(self, message: Message, last: Callable[[Any], Awaitable[Any]]) -> Any:
        call: Callable[[Message], Awaitable[Any]] = last
        for middleware in reversed(self._middleware):
            call = functools.partial(_call_middleware, middleware, call)
        return await call(message)

    def spawn(self, function: Callable[..., Any], *args: Any) -> None:
        """Run a coroutine function, which must not raise, as a task of the bus, below no handler's call."""
        context = _copy_context()
        context.run(leave_frames)
        context.run(self._tasks.start_soon, function, *args)

    # ── commands ─────────────────────────────────────────────────────────────────────────────────────────────────

    def find_at_once(self, command: Message, scope: Scope) -> CommandHandler | None:
        """The handler of a command that can be answered without ado, its header completed; None if it cannot."""
        if not scope.is_open or not self._address(command, scope):
            return None
        header = command.header
        if header.deadline is not None:
            return None
        found = self.registry.find_command(type(command), header.session_id)
        return found if found is not None and found.is_plain else None

    async def tell_of(self, call: Call, registration: CommandHandler) -> Any:
        """Await the handler of a command, and say when it starts and how it ends."""
        command: Any = call.message
        tells = CommandTeller(self.tell, self.listens, command, registration)
        tells.started()
        try:
            answer = await registration.handler(command)
        except BaseException as error:
            reason = call.refused(error) or error
            tells.ended(outcome_of(reason), None, reason)
            raise
        tells.ended(Outcome.OK, answer)
        return answer

    def own(self, work: Work, session_id: str | None) -> SessionState | None:
        """Let work end with the session that it is done for; returns the session, from which it must be taken again.

        What runs below an event handler ends with that handler, which may be one of the bus's.
        """
        state = None if session_id is None else self.sessions.get(session_id)
        if state is None or is_below_delivery(self.frame()):
            return None
        state.work.add(work)
        return state

    async def execute(self, message: Any, timeout: float | None, scope: Scope) -> Any:
        """Have a command answered, through middleware, in time, by a handler here or elsewhere."""
        if not isinstance(message, _COMMAND):
            raise TypeError(
                f"execute() takes a Command, not {message!r}; events are published, StreamCommands streamed"
            )
        command = message
        self.admit(scope)
        self.complete(command, scope)
        seconds = seconds_left(command, timeout)
        if seconds is not None and timeout is not None:
            _set_deadline(command, seconds)
        call = Call.of(self, command)
        answer = functools.partial(self._answer, scope, call)
        return await self._see_through(call, seconds, self._through_middleware(command, answer))

    async def answer(self, command: Message) -> Any:
        """Have a command of another bus answered by the handler here; middleware is for the bus that asks."""
        self.admit(self.registry.bus)
        self.complete(command, self.registry.bus)
        call = Call.of(self, command)
        return await self._see_through(call, seconds_left(command), self._handle(self._find(command), call, command))

    async def _see_through(self, call: Call, seconds: float | None, work: Coroutine[Any, Any, Any]) -> Any:
        # middleware is part of the command's work: a stop or an end of the session that it asks for waits for it
        frame = in_frame(call) if self._middleware else nullcontext()
        with self._working(call, self.running, call.message.session_id):
            with call.bounded(seconds), frame:
                return await work
            raise call.reply  # only a cancelled scope of our own gets here

    async def _answer(self, scope: Scope, call: Call, command: Any) -> Any:
        self.admit(scope)  # a middleware may have taken its time
        self.complete(command, scope)
        registration = self._seek(command)
        if registration is None:
            return await self.link.request(command)
        return await self._handle(registration, call, command)

    async def _handle(self, registration: CommandHandler, call: Call, command: Any) -> Any:
        self.executed += 1
        tells = CommandTeller(self.tell, self.listens, command, registration)
        own_time = nullcontext() if registration.timeout is None else anyio.move_on_after(registration.timeout)
        tells.started()
        try:
            with own_time, in_frame(Frame.of(self, command)):
                answer = await registration.handler(command)
                tells.ended(Outcome.OK, answer)
                return answer
            raise TimeoutError(late(command))
        except BaseException as error:
            reason = call.reason(error)
            tells.ended(outcome_of(reason), None, reason)
            raise

    def _is_elsewhere(self, command: Message) -> bool:
        """Whether, if anybody, another bus answers the command."""
        return not self.link.is_direct and self._seek(command) is None

    def _seek(self, command: Message) -> CommandHandler | None:
        return self.registry.find_command(type(command), command.session_id)

    def _find(self, command: Message) -> CommandHandler:
        found = self._seek(command)
        if found is None:
            raise self.registry.not_found(type(command), command.session_id)
        return found

    @contextmanager
    def _working(self, work: W, among: set[W], session_id: str | None) -> Generator[None]:
        """Count something that runs, and let it end with the session that it runs for."""
        owner = self.own(work, session_id)
        among.add(work)
        try:
            yield
        finally:
            among.discard(work)
            if owner is not None:
                owner.work.discard(work)
            self.idle.check()

    def stream(
        self, command: Any, timeout: float | None, scope: Scope, *, here_only: bool = False
    ) -> AnswerStream[Any]:
        """Have a command answered with a stream, by a handler here or, if that may be, elsewhere."""
        if not isinstance(command, _STREAM_COMMAND):
            raise TypeError(f"stream() takes a StreamCommand, not {command!r}")
        running = ExitStack()
        tellers: list[CommandTeller] = []

        def start() -> Source[Any]:
            self.admit(scope)
            self.complete(command, scope)
            if self._is_elsewhere(command) and not here_only:
                running.enter_context(self._working(stream, self.streams, command.session_id))
                remote = self.link.request_stream(command)
                return Source(remote, nullcontext(), seconds_left(command, timeout), is_announced=True)
            registration = self._find(command)
            self.executed += 1
            tellers.append(CommandTeller(self.tell, self.listens, command, registration))
            running.enter_context(self._working(stream, self.streams, command.session_id))
            tellers[0].started()
            frame = in_frame(Frame.of(self, command))
            try:
                generator = registration.handler(command)
            except BaseException as error:  # it takes other parameters, say
                closed(error)
                raise
            return Source(generator, frame, seconds_left(command, timeout, registration.timeout))

        def closed(error: BaseException | None) -> None:
            for teller in tellers:
                teller.ended(Outcome.OK if error is None else outcome_of(error), None, error)
            running.close()

        stream: AnswerStream[Any] = AnswerStream(command, start, self.spawn, closed, self.idle.check, late(command))
        return stream

    # ── events ───────────────────────────────────────────────────────────────────────────────────────────────────

    def accept_at_once(self, event: Event, scope: Scope) -> bool:
        """Accept an event, if that takes neither waiting nor asking; else nothing has been done but its header."""
        registry, room, gate = self.registry, self.room, self.room.gate
        kind = type(event)
        plan = scope.plans.get(kind)
        if not (self.takes_events and scope.is_open):
            return False
        if plan is not None and event.header is NOTHING_SAID and current_handling.get() is None:
            # of all but the first event of its type: the rest is for others
            set_header(event, scope.known_header or scope.header)
            if plan.generation != registry.generation:
                plan = registry.plan(kind, scope.id)
        elif _is_event(event) and self._address(event, scope):
            plan = registry.plan(kind, event.header.session_id)
        else:
            return False
        if plan.is_special or gate.waiting or gate.promised or room.queued + plan.count > room.capacity:
            return False
        self._accepted += 1
        self._dispatcher.put(event, plan, _copy_context())
        if self._watched:  # once it is owed: a tap may take handlers out
            self._show(event)
        return True

    async def accept_in_turn(self, event: Any, ttl: float | None, scope: Scope) -> None:
        """Accept an event through middleware, when there is room for it, here and elsewhere."""
        taken: list[Event] = []
        try:
            if not isinstance(event, Event):
                raise TypeError(f"publish() takes an Event, not {event!r}; commands are executed")
            self.admit(scope)
            self.complete(event, scope)
            last = functools.partial(self._take, scope, event.session_id, ttl, taken)
            await self._through_middleware(event, last)
        finally:
            self._refused += not taken  # by an error, or by a middleware that kept it

    async def _take(
        self, scope: Scope, session_id: str | None, ttl: float | None, taken: list[Event], event: Any
    ) -> None:
        if session_id is not None and event.header.session_id != session_id:
            # what a middleware passes on in the event's place belongs to the same session
            _refuse_foreign(event, session_id)
            set_header(event, attrs.evolve(event.header, session_id=session_id))
        self.complete(event, scope)
        if taken:
            raise RuntimeError(f"a middleware passed {event.type_name} on twice; call call_next() once per event")
        await self.place(event, ttl, scope)
        taken.append(event)

    async def place(
        self,
        event: Event,
        ttl: float | None,
        scope: Scope,
        *,
        is_own: bool = True,
        group: Subscription | None = None,
    ) -> bool:
        """Owe an event to all that match, as soon as there is room.

        Args:
            event: the event.
            ttl: seconds after which a delivery that has not begun expires.
            scope: what lets it in.
            is_own: whether it is published here, and is to be carried to other buses.
            group: the only one that it is meant for.

        Returns:
            Whether it was owed to anybody.
        """
        frame, turn = self.frame(), None
        urgent = is_below_delivery(frame)
        if not is_own:
            self.complete(event, scope)
        try:
            while True:
                self.admit(scope)  # the bus or the session may have ended meanwhile
                plan, faults = self._sieve(self._plan(event, group), event)
                verdict = self.room.judge(plan, event.session_id, turn=turn, urgent=urgent, refuses=is_own)
                if verdict.gate is None:
                    break
                if turn is not None:
                    self.room.left_gate(turn)  # the place that this one does not take yet is the next one's
                turn = verdict.gate
                if not await turn.enter(frame, verdict.count):
                    raise BusClosedError(self.state)
            if is_own and not self.link.is_direct:
                with self.room.held(plan, event.session_id):
                    await self._carry(event, ttl, scope, wait=self.room.may_wait(urgent=urgent))
                    if self.state not in ("running", "stopping"):
                        raise BusClosedError(self.state)  # whether others get the event is not known
                    oldest = self.room.still_short(verdict.oldest, event.session_id, plan.count)
                    self._accepted += 1
                    return self._put(event, ttl, plan, faults, verdict.newest, oldest)
            self._accepted += is_own
            return self._put(event, ttl, plan, faults, verdict.newest, verdict.oldest, is_own=is_own)
        finally:
            self.room.let_in()  # refused, or matched by nobody: its room is the next one's
            if turn is not None:
                self.room.left_gate(turn)

    async def _carry(self, event: Event, ttl: float | None, scope: Scope, *, wait: bool) -> None:
        """Have the transport take an event; a stop, or the end of the session that publishes it, does not wait for it.

        Raises:
            BusClosedError: the bus stops; whether others get the event is not known.
            SessionClosedError: the session ends; nor is it then.
        """
        call = Call.of(self, event)
        with self._working(call, self._carried, scope.id):
            with call.bounded(None):
                return await self.link.transport.publish(event, ttl=ttl, wait=wait)
            raise call.reply

    def _plan(self, event: Event, group: Subscription | None) -> Plan:
        if group is None:
            return self.registry.plan(type(event), event.session_id)
        return Plan((group,) if group.alive else (), is_shared=True)

    def _sieve(self, plan: Plan, event: Event) -> tuple[Plan, dict[Subscription, Exception]]:
        """Who takes the event after the filters; and whose filter failed on it, which is a failed delivery."""
        faults: dict[Subscription, Exception] = {}
        if not plan.is_filtered:
            return plan, faults
        kept: list[Subscription] = []
        for subscription in plan.subscriptions:
            try:
                if subscription.options.where is None or subscription.options.where(event):
                    kept.append(subscription)
            except Exception as error:
                faults[subscription] = error
        return Plan(tuple(kept), is_shared=plan.is_shared), faults

    def _put(
        self,
        event: Event,
        ttl: float | None,
        plan: Plan,
        faults: dict[Subscription, Exception],
        newest: Sequence[Subscription] = (),
        oldest: Sequence[tuple[Subscription, bool]] = (),
        *,
        is_own: bool = True,
    ) -> bool:
        """Owe an event that is accepted; whether anybody is owed it."""
        if self._watched and is_own:
            self._show(event)
        elif self._watched:  # the taps of the bus that published it have seen it
            self._offer(event)
        # a tap, a filter, or whoever ran while the transport took the event, may have taken handlers out
        plan = _still_there(plan)
        faults = {subscription: error for subscription, error in faults.items() if subscription.alive}
        for subscription, error in faults.items():
            self._dispatcher.fail(subscription, event, error)
        losers = [s for s in newest if s.alive]
        for subscription, own_lane in [(s, own_lane) for s, own_lane in oldest if s.alive]:
            if not self._dispatcher.drop_oldest(subscription, event.session_id, own_lane=own_lane):
                losers.append(subscription)
        for subscription in losers:
            self._dispatcher.drop(subscription, event)
        if losers or ttl is not None:
            kept = tuple(s for s in plan.subscriptions if s not in losers)
            expires = None if ttl is None else time.monotonic() + ttl
            plan = Plan(kept, expires=expires, is_shared=plan.is_shared)
        if plan.count or not (faults or losers):
            self._dispatcher.put(event, plan, _copy_context())
        return bool(plan.count or faults or losers)

    def publish_from_thread(self, event: Event, ttl: float | None, scope: Scope) -> None:
        """Publish from a thread outside the event loop; returns when the event is accepted."""
        self.admit(scope)
        if self.loop.is_here:
            raise RuntimeError("publish_from_thread() is for other threads; here, await publish()")
        self.loop.run(functools.partial(self.accept_in_turn, event, ttl, scope))

    def emit(self, event: Event) -> None:
        """Publish on this bus without waiting or failing, from any thread. What finds no room is counted."""
        self.complete(event, self.registry.bus)
        if self.state not in ("running", "stopping"):
            self._show(event)  # how something ended that a stop cut short is still worth seeing
        elif self.loop.is_here:
            self._emit_here(event)
        else:
            context = _copy_context()
            try:
                self.loop.call_soon(lambda: context.run(self.emit, event))
            except RuntimeError:  # the loop ended without a stop of the bus; nobody is left to hear of it
                self._emitted += 1
                self._dispatcher.unmatched += 1

    def tell(self, event: Event) -> None:
        """`emit` for an event whose header is complete, on the loop."""
        header, room = event.header, self.room
        plan = self.registry.plan(type(event), header.session_id)
        is_special = plan.is_special or room.gate.waiting or room.queued + plan.count > room.capacity
        if is_special or not self.takes_events:
            self.emit(event)
            return
        self._emitted += 1
        self._dispatcher.put(event, plan, _copy_context())
        if self._watched:
            self._show(event)

    def _emit_here(self, event: Event) -> None:
        plan, faults = self._sieve(self.registry.plan(type(event), event.session_id), event)
        self._emitted += 1
        try:
            verdict = self.room.judge(plan, event.session_id, turn=None, urgent=True)
        except QueueFullError:
            self._put(event, None, plan, faults, newest=plan.subscriptions)
        else:
            self._put(event, None, plan, faults, verdict.newest, verdict.oldest)

    # ── who watches ──────────────────────────────────────────────────────────────────────────────────────────────

    def add_tap(self, tap: EventTap) -> Registration:
        """Show every accepted event to `tap`."""
        registered = Tap(tap, self._taps, self._adjust)
        self._taps.append(registered)
        self._adjust()
        return registered

    def listens(self, event_type: type[Event], *, exactly: bool = False) -> bool:
        """Whether anybody would see an event of this type."""
        if exactly:
            return self.registry.subscribed_exactly(event_type)
        heard = self._heard.get(event_type)
        if heard is None:
            heard = self._heard[event_type] = bool(self._taps) or self.registry.subscribed(event_type)
        return heard or (self._watched and any(e.concerns(event_type) for e in list(self._expectations)))

    def _show(self, event: Event) -> None:
        for tap in list(self._taps):
            try:
                tap.function(event)
            except Exception:
                _logger.exception("the tap %s failed on %s", tap.name, event.type_name)
        self._offer(event)

    def _offer(self, event: Event) -> None:
        if self._expectations:
            for expectation in list(self._expectations):
                expectation.offer(event)
        elif self._watched and not self._taps:
            self._adjust()  # the last expectation is gone

    def expect(
        self, event_type: type[E], where: Callable[[E], bool] | None, timeout: float | None, scope: Scope
    ) -> Awaitable[E]:
        """The next event of this type that a scope sees."""
        self.admit(scope)
        expectation = Expectation(event_type, where, timeout, scope.id)
        self._expectations.add(expectation)
        self._adjust()
        return expectation

    def schedule(self, event: Event, delay: float, scope: Scope) -> ScheduledEvent:
        """Publish an event later, unless its scope ends before."""
        self.admit(scope)
        self.complete(event, scope)
        scheduled = Scheduled()
        if isinstance(scope, SessionState):
            scope.work.add(scheduled)
        self.spawn(self._publish_later, scope, scheduled, event, delay)
        return scheduled

    async def _publish_later(self, scope: Scope, scheduled: Scheduled, event: Event, delay: float) -> None:
        try:
            with scheduled.scope:
                await anyio.sleep(delay)
                await self.accept_in_turn(event, None, self.registry.bus)
        except BusClosedError:
            _logger.debug("%s was due while the bus stopped", event.type_name)
        except Exception:  # a middleware's: nobody waits for it here, and it must not end the bus
            _logger.exception("%s was due and could not be published", event.type_name)
        finally:
            if isinstance(scope, SessionState):
                scope.work.discard(scheduled)
                self.idle.check()

    async def redeliver(self, id: str) -> None:
        """Owe the event of a dead letter once more to the subscription that failed on it."""
        self.admit(self.registry.bus)
        letter = self.letters.find(id)
        subscription = self.registry.named(letter.subscription)
        if subscription is None:
            raise LookupError(f"{letter.subscription}, which failed on dead letter {id!r}, is registered no more")
        self.letters.remove(id)
        self._dispatcher.put(letter.event, Plan((subscription,)), _copy_context())

    # ── sessions ─────────────────────────────────────────────────────────────────────────────────────────────────

    def open_session(self, state: SessionState) -> None:
        """Let a session that nobody has open yet begin."""
        self.sessions[state.id] = state
        state.set_phase("open")
        if self._hears_starts:
            self.emit(events.SessionStartEvent().with_header(state.header))

    def end_at_once(self, state: SessionState) -> bool:
        """End a session that owes nobody anything and of whose end nobody hears; whether it was one."""
        if state.pending or state.work or state.errors or not state.is_open or self.state != "running":
            return False
        if self._hears_ends:
            return False
        self.forget_session(state)
        return True

    async def end_quietly(self, state: SessionState) -> bool:
        """End a session that owes nothing but deliveries, and of whose end nobody hears, without a task for it.

        Returns:
            Whether it has ended; if not, nothing has changed but that its time to drain is used up.
        """
        if not state.pending or state.work or self._hears_ends or not state.is_open or self.state != "running":
            return False
        if self.is_inside(state):
            return False
        state.set_phase("closing")
        try:
            with anyio.move_on_after(state.drain) as patience:
                await self.idle.wait_until(lambda: not state.pending)
        finally:
            if state.phase == "closing":  # else the bus has ended meanwhile, and the session with it
                state.set_phase("open")
        if patience.cancelled_caught:
            state.drain = 0
        return state.phase == "closed" or self.end_at_once(state)

    def close_soon(self, state: SessionState, error: BaseException | None) -> None:
        """Have the session ended, in a task of the bus: whoever asks may be cancelled meanwhile."""
        if state.phase == "open" and self.state != "stopped":  # a bus that ends takes its sessions along
            state.set_phase("closing")
            frame = self.frame()
            asking = frame.commands if frame is not None and self.is_inside(state) else []
            self.spawn(self._end_session, state, error, asking)

    def is_inside(self, state: SessionState) -> bool:
        """Whether the caller stands in work for this session, whose end would wait for it."""
        frame = self.frame()
        return state in background_of.get() or (frame is not None and frame.serves(state.name))

    async def _end_session(self, state: SessionState, error: BaseException | None, asking: list[Message]) -> None:
        """End the session.

        Args:
            state: the session.
            error: what left its body.
            asking: the commands whose handlers asked for the end; they are let finish.
        """
        if error is None:
            await self._drain_session(state, asking)
        state.set_phase("ending")
        for work in list(state.work):
            work.fail(SessionClosedError(state.name))
        await self._cancel_session(state)
        state.set_phase("told")
        info = None if error is None else ErrorInfo.from_exception(error)
        self.emit(state.end_event(_outcome_of(error), info))
        self.registry.seal(state)
        await self._drain_session(state, ())
        self.forget_session(state)
        if state.leaves_later:
            log_errors(state)

    async def _drain_session(self, state: SessionState, asking: Sequence[Message]) -> None:
        """Wait, for the session's own time, until its handlers have taken what they are owed, and commands ended."""

        def is_drained() -> bool:
            return not state.pending and not any(call.message is c for call in self.running for c in asking)

        with anyio.move_on_after(state.drain):
            await self.idle.wait_until(is_drained)

    async def _cancel_session(self, state: SessionState) -> None:
        """Give up what the session's handlers are owed, and wait until they and the session's work have ended."""
        self._dispatcher.cancel_scope(state.subscriptions)
        with anyio.move_on_after(state.drain) as patience:
            await self.idle.wait_until(lambda: not state.work and not state.pending)
        if patience.cancelled_caught:
            _logger.error("session %r ended, but something of it does not heed its cancellation", state.id)

    def forget_session(self, state: SessionState) -> None:
        """Unregister everything of a session that has ended."""
        if state.subscriptions or state.commands:
            if state.pending:
                self._dispatcher.cancel_scope(state.subscriptions)
            self.registry.end_scope(state)
        if self._watched:
            for expectation in list(self._expectations):
                if expectation.session_id == state.id:
                    expectation.fail(SessionClosedError(state.name))
        self.sessions.pop(state.id, None)
        state.set_phase("closed")
        for function in state.on_end:
            function()
        if self.idle.waiting:
            self.idle.check()

    # ── looking ──────────────────────────────────────────────────────────────────────────────────────────────────

    async def wait_idle(self, timeout: float | None) -> None:
        """Wait until nothing is pending but what the caller itself is part of."""
        frame = self.frame()
        if frame is None:
            with anyio.fail_after(timeout):
                await self.idle.wait_until(lambda: self._is_idle_but([]))
            return
        self._resting.append(frame)
        try:
            self.idle.check()  # who rests already need not wait for this one
            with anyio.fail_after(timeout):
                await self.idle.wait_until(lambda: self._is_idle_but(self._resting))
        finally:
            self._resting.remove(frame)

    def _is_idle_but(self, resting: Sequence[Frame]) -> bool:
        """Whether nothing is pending but the calls that these stand in."""
        calls = {call for frame in resting for call in frame.chain()}
        commands = {id(call.message) for call in calls if not call.is_delivery}
        busy = [c.message for c in self.running] + [s.command for s in self.streams if not s.waits_for_reader]
        now = running_now(self.frame())
        owed = self._dispatcher.pending - sum(call.is_counted or call is now for call in calls)
        return owed <= 0 and all(id(command) in commands for command in busy)

    def stats(self) -> BusStats:
        """The books, as they stand."""
        subscriptions = self.registry.stats()
        return BusStats(
            accepted=self._accepted,
            refused=self._refused,
            emitted=self._emitted,
            received=self.link.received,
            deduplicated=self.link.deduplicated,
            unmatched=self._dispatcher.unmatched,
            executed=self.executed,
            total=total(subscriptions.values()),
            subscriptions=subscriptions,
            sessions=len(self.sessions),
            abandoned_threads=self.threads.abandoned,
            dead_letters=len(self.letters),
            dead_letters_forgotten=self.letters.forgotten,
            stalls=0 if self._stalls is None else self._stalls.count,
        )


def _is_event(given: object) -> bool:
    return isinstance(given, Event)


async def _call_middleware(
    middleware: Middleware, call_next: Callable[[Message], Awaitable[Any]], message: Message
) -> Any:
    return await middleware(message, call_next)


def _still_there(plan: Plan) -> Plan:
    """Who of the plan is still registered."""
    kept = tuple(s for s in plan.subscriptions if s.alive)
    return plan if len(kept) == plan.count else Plan(kept, is_shared=plan.is_shared)


def _refuse_foreign(message: Message, session_id: str) -> None:
    given = message.header.session_id
    if given not in (None, session_id):
        raise ValueError(
            f"{type(message).__name__} belongs to session {given!r} and cannot be sent through "
            f"session {session_id!r}; send it through the bus"
        )


def _set_deadline(command: Message, seconds: float) -> None:
    """Let the time that the caller gives a command travel with it."""
    deadline = datetime.now(UTC) + timedelta(seconds=seconds)
    set_header(command, attrs.evolve(command.header, deadline=deadline))


# The sessions in whose background tasks the caller stands, whose end would wait for the caller.
background_of: contextvars.ContextVar[tuple[SessionState, ...]] = contextvars.ContextVar(
    "llmgine_background", default=()
)


def in_background(engine: Engine) -> bool:
    """Whether the caller stands in a background task of a session that is open on this bus."""
    return any(engine.sessions.get(state.name) is state for state in background_of.get())


def _outcome_of(error: BaseException | None) -> Outcome:
    if error is None:
        return Outcome.OK
    return Outcome.ERROR if isinstance(error, Exception) else Outcome.CANCELLED


def log_errors(state: SessionState) -> None:
    """Say what background tasks raised, where nobody waits for it."""
    for failure in state.errors:
        _logger.error("a background task of session %r failed", state.id, exc_info=failure)
