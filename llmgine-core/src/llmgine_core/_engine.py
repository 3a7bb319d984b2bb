"""What a bus is made of, and its state: everything that the bus and its sessions do goes through here."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import logging
import signal
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import anyio

from llmgine_core import events
from llmgine_core._acceptance import Acceptance
from llmgine_core._answering import Answering
from llmgine_core._calls import Call
from llmgine_core._delivery import Dispatcher, running_now
from llmgine_core._frames import DeliveryFrame, Frame, current_frame, leave_frames
from llmgine_core._herald import Herald
from llmgine_core._idle import Idle
from llmgine_core._keeper import SessionKeeper, in_background
from llmgine_core._letters import DeadLetters
from llmgine_core._link import Link
from llmgine_core._loop import EventLoop
from llmgine_core._registry import HandlerRegistry
from llmgine_core._room import Room
from llmgine_core._scopes import Scope, SessionState, Work, refuse_foreign
from llmgine_core._stalls import StallDetector
from llmgine_core._subscriptions import CommandHandler, Plan, Subscription, total
from llmgine_core._threads import Threads
from llmgine_core._watchers import Expectation, Expectations, Scheduled, Tap
from llmgine_core.contracts import (
    BusStats,
    Command,
    Event,
    Header,
    Message,
    Overflow,
    StopReport,
    StreamCommand,
    current_handling,
)
from llmgine_core.contracts.header import NOTHING_SAID, complete_header, set_header
from llmgine_core.errors import BusClosedError

if TYPE_CHECKING:
    from llmgine_core.abc import EventTap, Middleware, Registration, ScheduledEvent, Transport

__all__ = ["Engine"]

_logger = logging.getLogger("llmgine.bus")

T = TypeVar("T")
E = TypeVar("E", bound=Event)
W = TypeVar("W", bound=Work)

_COMMAND: type[Message] = Command  # as a generic class it would leave checkers with an unknown answer
_STREAM_COMMAND: type[Message] = StreamCommand
_TOGETHER = 64  # so many sessions are ended before others may run, since each takes a task and handlers' calls
_NAGGING = 0.5  # seconds before what does not heed its cancellation, as it may while it cleans up, is cancelled again
_ADJUSTED_TO = frozenset(
    (
        Event,
        events.CommandStartedEvent,
        events.CommandResultEvent,
        events.EventHandlerStartEvent,
        events.EventHandlerResultEvent,
        events.SessionStartEvent,
        events.SessionEndEvent,
    )
)
"""The events that are built only if somebody listens, and their base."""
_copy_context, _current = contextvars.copy_context, current_handling.get


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
        hears_commands: whether somebody listens to commands; to their starts, or to their ends.
        hears_command_starts: whether to their starts.
        hears_command_ends: whether to their ends.
        is_watched: whether there are taps, or somebody expects an event.
        hears_starts: whether somebody listens to the starts of sessions.
        hears_ends: whether somebody listens to their ends.
        bus_commands: the command handlers of the bus itself.
        task_loop: the running loop, as asyncio knows it.
        middleware: what wraps commands and the acceptance of events.
        expectations: who expects an event.
        answering: what becomes of commands.
        acceptance: what becomes of events until they are owed.
        keeper: the open sessions.
    """

    def __init__(self, *, capacity: int, overflow: Overflow, transport: Transport, stall_after: float | None) -> None:
        self.state: str = "new"
        self.takes_events: bool = False
        self.takes_commands: bool = False
        self.hears_commands: bool = False
        self.hears_command_starts: bool = False
        self.hears_command_ends: bool = False
        self.is_watched: bool = False
        self.hears_starts: bool = False
        self.hears_ends: bool = False
        self._heard: dict[type[Event], bool] = {}  # who listens to what, as far as it was asked
        self._resting: list[Frame] = []  # calls of handlers that wait for idleness
        self.middleware: list[Middleware] = []
        self._taps: list[Tap] = []
        self.expectations: Expectations = Expectations(self._expect_changed)
        self.answering: Answering = Answering(self)
        self.acceptance: Acceptance = Acceptance(self)
        self.keeper: SessionKeeper = SessionKeeper(self)
        self.threads: Threads = Threads()
        self.letters: DeadLetters = DeadLetters()
        self.idle: Idle = Idle()
        self.room: Room = Room(capacity, overflow)
        self.registry: HandlerRegistry = HandlerRegistry(self.threads, self._discard, self._notice)
        self.bus_commands: Mapping[type[Message], CommandHandler] = self.registry.bus.commands
        self.link: Link = Link(self, transport)
        if not self.link.is_direct:
            self.registry.interest = self.link
        self.herald: Herald = Herald(self.acceptance.tell, self.listens, self.spawn, self.letters)
        self.dispatcher: Dispatcher = Dispatcher(self, self.registry, self.room, self.herald, self.idle)
        self._stalls = None if stall_after is None else StallDetector(stall_after, self._all_handlers)

    def _discard(self, subscription: Subscription) -> None:
        self.dispatcher.discard(subscription)

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
            self.task_loop: Any = self.loop.token
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
                self.dispatcher.open(self.loop, tasks)
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
            self.dispatcher.backlog.discard_all()
            self._turn_away(outside_only=False)
            for state in list(self.keeper.sessions.values()):
                self.keeper.abandon(state)
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
        plain = self.state == "running" and not self.middleware
        self.takes_events = plain and self.link.is_direct
        self.takes_commands = plain and self.loop.interrupts_tasks
        self._heard.clear()
        self.is_watched = bool(self._taps or self.expectations)  # `listens` asks for it
        self.hears_command_starts = self.listens(events.CommandStartedEvent)
        self.hears_command_ends = self.listens(events.CommandResultEvent)
        self.hears_commands = self.hears_command_starts or self.hears_command_ends
        self.dispatcher.tells = self.listens(events.EventHandlerStartEvent) or self.listens(
            events.EventHandlerResultEvent
        )
        self.hears_starts = self.listens(events.SessionStartEvent)
        self.hears_ends = self.listens(events.SessionEndEvent)

    def _notice(self, event_type: type[Event]) -> None:
        if event_type in _ADJUSTED_TO:
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
        discarded, sessions = self._discarded(), list(self.keeper.sessions.values())
        self._turn_away(outside_only=True)
        self.link.serve_no_more()
        self.expectations.fail_all(BusClosedError("stopping"))
        with anyio.move_on_after(drain):
            await self.idle.wait_until(self._is_idle)
            for place, state in enumerate(sessions, 1):
                if not self.keeper.end_at_once(state):
                    self.keeper.close_soon(state, None)
                if place % _TOGETHER == 0:
                    await self.loop.breathe()
            await self.idle.wait_until(lambda: not self.keeper.sessions and self._is_idle())
        self.herald.tell_all()
        left = self.dispatcher.pending
        cancelled = await self._cancel_rest()
        self._set_state("stopped")
        self._stop_asked.set()
        given_up = self._discarded() + self.dispatcher.pending - discarded
        self._report = StopReport(left=left, discarded=given_up, cancelled=cancelled)

    def _turn_away(self, *, outside_only: bool) -> None:
        """Send publishers away who wait for room or for the transport; those inside a handler only if asked."""
        self.room.turn_away(outside_only=outside_only)
        for call in list(self.acceptance.carried):
            if not outside_only or list(call.chain()) == [call]:
                call.fail(BusClosedError(self.state))

    def _is_idle(self) -> bool:
        return not (self.dispatcher.pending or self.answering.running or self.answering.streams)

    async def _cancel_rest(self) -> int:
        busy = self.dispatcher.running
        self.dispatcher.backlog.discard_all()
        work: set[Work] = {*self.answering.running, *self.answering.streams}
        for state in self.keeper.sessions.values():
            work |= state.work
        for each in work:
            each.fail(BusClosedError("stopped"))
        await self._nag(lambda: self.answering.running)
        return busy + len(work)

    async def _nag(self, what: Callable[[], Iterable[Call]]) -> None:
        """See that commands end which were cancelled; one that does not heed it is cancelled again."""
        await self.loop.breathe()
        while waiting := list(what()):
            with anyio.move_on_after(_NAGGING):
                await self.idle.wait_until(lambda: not what())
            for call in waiting:
                if call in self.answering.running:
                    call.fail(BusClosedError("stopped"))

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

    def address(self, message: Message, scope: Scope) -> bool:
        """Complete the header of a message sent from a scope; false where that takes more than one look."""
        header = message.header
        if header is NOTHING_SAID:
            here = _current()
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
            refuse_foreign(message, scope.id)
        here = _current()
        derived = None if here is None or here.message is message else here.derived
        complete_header(message, scope.header, derived)

    def add_middleware(self, middleware: Middleware) -> None:
        """Wrap commands and the acceptance of events."""
        self.middleware.append(middleware)
        self._adjust()

    async def through_middleware(self, message: Message, last: Callable[[Any], Awaitable[Any]]) -> Any:
        call: Callable[[Message], Awaitable[Any]] = last
        for middleware in reversed(self.middleware):
            call = functools.partial(_call_middleware, middleware, call)
        return await call(message)

    def spawn(self, function: Callable[..., Any], *args: Any) -> None:
        """Run a coroutine function, which must not raise, as a task of the bus, below no handler's call."""
        context = _copy_context()
        context.run(leave_frames)
        context.run(self._tasks.start_soon, function, *args)

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
        return heard or (self.is_watched and self.expectations.concern(event_type))

    def show(self, event: Event) -> None:
        for tap in list(self._taps):
            try:
                tap.function(event)
            except Exception:
                _logger.exception("the tap %s failed on %s", tap.name, event.type_name)
        self.offer(event)

    def offer(self, event: Event) -> None:
        if self.expectations:
            self.expectations.offer(event)

    def _expect_changed(self, event_type: type[Event]) -> None:
        self.is_watched = bool(self._taps or self.expectations)
        self._notice(event_type)

    def expect(
        self, event_type: type[E], where: Callable[[E], bool] | None, timeout: float | None, scope: Scope
    ) -> Awaitable[E]:
        """The next event of this type that a scope sees."""
        self.admit(scope)
        expectation = Expectation(event_type, where, timeout, scope.id)
        self.expectations.add(expectation)
        return expectation

    def schedule(self, event: Event, delay: float, scope: Scope) -> ScheduledEvent:
        """Publish an event later, unless its scope ends before."""
        self.admit(scope)
        self.complete(event, scope)
        scheduled = Scheduled()
        if isinstance(scope, SessionState):
            scope.begin(scheduled)
        self.spawn(self._publish_later, scope, scheduled, event, delay)
        return scheduled

    async def _publish_later(self, scope: Scope, scheduled: Scheduled, event: Event, delay: float) -> None:
        try:
            with scheduled.scope:
                await anyio.sleep(delay)
                await self.acceptance.accept_in_turn(event, None, self.registry.bus)
        except BusClosedError:
            _logger.debug("%s was due while the bus stopped", event.type_name)
        except Exception:  # a middleware's: nobody waits for it here, and it must not end the bus
            _logger.exception("%s was due and could not be published", event.type_name)
        finally:
            if isinstance(scope, SessionState):
                scope.finish(scheduled)

    async def redeliver(self, id: str) -> None:
        """Owe the event of a dead letter once more to the subscription that failed on it."""
        self.admit(self.registry.bus)
        letter = self.letters.find(id)
        subscription = self.registry.named(letter.subscription)
        if subscription is None:
            raise LookupError(f"{letter.subscription}, which failed on dead letter {id!r}, is registered no more")
        self.letters.remove(id)
        self.dispatcher.put(letter.event, Plan((subscription,)), _copy_context())

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
        busy = [c.message for c in self.answering.running] + [
            s.command for s in self.answering.streams if not s.waits_for_reader
        ]
        now = running_now(self.frame())
        delivering = [call for call in calls if isinstance(call, DeliveryFrame)]
        owed = self.dispatcher.pending - sum(call.is_counted or call is now for call in delivering)
        return owed <= 0 and all(id(command) in commands for command in busy)

    def stats(self) -> BusStats:
        """The books, as they stand."""
        subscriptions = self.registry.stats()
        return BusStats(
            accepted=self.acceptance.accepted,
            refused=self.acceptance.refused,
            emitted=self.acceptance.emitted,
            received=self.link.received,
            deduplicated=self.link.deduplicated,
            unmatched=self.dispatcher.unmatched,
            executed=self.answering.executed,
            total=total(subscriptions.values()),
            subscriptions=subscriptions,
            sessions=len(self.keeper.sessions),
            abandoned_threads=self.threads.abandoned,
            dead_letters=len(self.letters),
            dead_letters_forgotten=self.letters.forgotten,
            stalls=0 if self._stalls is None else self._stalls.count,
        )


async def _call_middleware(
    middleware: Middleware, call_next: Callable[[Message], Awaitable[Any]], message: Message
) -> Any:
    return await middleware(message, call_next)
