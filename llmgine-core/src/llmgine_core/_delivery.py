"""From an accepted event to its handlers: lanes, their workers, attempts, and the books.

A lane is one handler in one session: its deliveries run one at a time, in the order of publication. Handlers that
cannot suspend share one lane per session, so that they run in the order of registration. A lane's worker lives in the
bus's task group and ends when its lane is empty; each delivery runs in the context of its publisher, copied.
"""

from __future__ import annotations

import contextvars
import functools
import inspect
import logging
import random
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import anyio
import anyio.lowlevel
import anyio.to_thread
import attrs

from llmgine_core import events
from llmgine_core._loop import is_cancellation, run_in_context
from llmgine_core._registry import HandlerRegistry, Subscription, handler_name
from llmgine_core.contracts import ErrorInfo, Event, Message, Outcome, handling, lifecycle_header

if TYPE_CHECKING:
    from anyio.abc import TaskGroup

__all__ = ["Dispatcher", "Frame", "current_frame", "in_frame", "leave_frames"]

_logger = logging.getLogger("llmgine.bus")

# So many deliveries a lane makes before it lets others run, since its handler may never suspend.
_TURN = 64

# Of these a failure or drop is counted and logged, never announced: the announcement would come back here.
_NEVER_ANNOUNCED = (
    events.EventHandlerFailedEvent,
    events.EventHandlerStartEvent,
    events.EventHandlerResultEvent,
    events.EventDroppedEvent,
    events.LogEvent,
    events.MetricEvent,
    events.SpanStartEvent,
    events.SpanEndEvent,
)
# Events about the runtime itself do not get start and result events of their own handlers: each would beget two more.
_RUNTIME_EVENTS = frozenset(getattr(events, name) for name in events.__all__)


# ── where the caller stands ──────────────────────────────────────────────────────────────────────────────────────────


@attrs.define(eq=False)
class Frame:
    """A handler's call, as seen from the code below it.

    Attributes:
        owner: the dispatcher whose handler runs.
        message: what it handles.
        is_delivery: whether it is an event handler's call, not a command handler's.
        above: the call that this one was made from.
        over: whether it has ended; tasks that it started may still see it.
    """

    owner: Dispatcher
    message: Message
    is_delivery: bool
    above: Frame | None
    over: bool = False

    def chain(self) -> Iterator[Frame]:
        """This call and those above it, as far as they are the same dispatcher's and have not ended."""
        frame: Frame | None = self
        while frame is not None:
            if frame.owner is self.owner and not frame.over:
                yield frame
            frame = frame.caller()

    def caller(self) -> Frame | None:
        """The nearest call above that has not ended; ended ones are let go, or a chain of events keeps them all."""
        while self.above is not None and self.above.over:
            self.above = self.above.above
        return self.above

    @property
    def deliveries(self) -> int:
        """How many event handlers' calls are in the chain."""
        return sum(frame.is_delivery for frame in self.chain())

    @property
    def commands(self) -> list[Message]:
        """The commands whose handlers are in the chain."""
        return [frame.message for frame in self.chain() if not frame.is_delivery]

    def serves(self, session_id: str) -> bool:
        """Whether this call, or one above it, is made for that session."""
        return any(frame.message.session_id == session_id for frame in self.chain())


_frame: contextvars.ContextVar[Frame | None] = contextvars.ContextVar("llmgine_frame", default=None)


def current_frame(owner: Dispatcher) -> Frame | None:
    """The handler call of that dispatcher in which the caller stands."""
    frame = _frame.get()
    while frame is not None and (frame.owner is not owner or frame.over):
        frame = frame.caller()
    return frame


def leave_frames() -> None:
    """Stand in no handler's call any more: for tasks that outlive the handler which starts them."""
    _frame.set(None)


class in_frame:  # noqa: N801 - reads as a function: `with in_frame(...)`
    """Run a block as part of a handler's call."""

    def __init__(self, owner: Dispatcher, message: Message, *, delivery: bool) -> None:
        self._frame = Frame(owner, message, delivery, _frame.get())
        frame: Frame | None = self._frame
        while frame is not None:
            frame = frame.caller()
        self._handling = handling(message)

    def __enter__(self) -> None:
        self._token = _frame.set(self._frame)
        self._handling.__enter__()

    def __exit__(self, *error: Any) -> None:
        self._frame.over = True
        self._handling.__exit__(*error)
        _frame.reset(self._token)


# ── lanes ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@attrs.define(eq=False)
class Delivery:
    """One event owed to one subscription."""

    subscription: Subscription[Any]
    event: Event
    context: contextvars.Context
    expires: float | None


@attrs.define(eq=False)
class Lane:
    """What waits for one handler in one session, or for all handlers of a session that cannot suspend."""

    queue: deque[Delivery] = attrs.field(factory=deque[Delivery])
    scope: anyio.CancelScope | None = None


class Threads:
    """Runs functions in worker threads, and counts those that nobody waits for any more."""

    def __init__(self) -> None:
        self._abandoned: set[object] = set()

    @property
    def abandoned(self) -> int:
        """How many still run although their handler's time was up or its session has ended."""
        return len(self._abandoned)

    async def run(self, function: Callable[[], object]) -> None:
        """Run the function; cancelled, it is left to itself, since Python cannot stop a thread."""
        call, over = object(), threading.Event()

        def work() -> None:
            try:
                function()
            finally:
                over.set()
                self._abandoned.discard(call)

        try:
            await anyio.to_thread.run_sync(work, abandon_on_cancel=True)
        except anyio.get_cancelled_exc_class():
            self._abandoned.add(call)
            if over.is_set():  # it ended while it was being given up
                self._abandoned.discard(call)
            raise


def _plain(handler: Callable[[Any], Any], event: Event) -> None:
    """Call a plain function; what turns out to be a coroutine function would never run, so it is a fault."""
    if inspect.iscoroutine(answer := handler(event)):
        answer.close()
        raise TypeError(f"{handler_name(handler)} returns a coroutine; register the coroutine function itself")


LaneKey = tuple[Subscription[Any] | None, str | None]


def _matches(subscription: Subscription[Any], event: Event, faults: dict[Subscription[Any], Exception]) -> bool:
    """Whether the event passes the subscription's filter; a filter that raises is a failed delivery."""
    try:
        return subscription.where is None or bool(subscription.where(event))
    except Exception as error:
        faults[subscription] = error
        return True


class Dispatcher:
    """Owes, delivers and counts.

    Args:
        registry: who subscribes to what.
        emit: how failures are announced.
        listens: whether anybody would see an event of a type.
        on_start: called when a delivery leaves its queue, so that a waiting publisher may go on.
    """

    def __init__(
        self,
        registry: HandlerRegistry,
        emit: Callable[[Event], None],
        listens: Callable[[type[Event]], bool],
        on_start: Callable[[], None],
    ) -> None:
        self._registry, self._emit, self._listens, self._on_start = registry, emit, listens, on_start
        self._lanes: dict[LaneKey, Lane] = {}
        self._tasks: TaskGroup | None = None
        self._context = contextvars.Context()
        self._idle_waiters: list[tuple[Callable[[], bool], anyio.Event]] = []
        self._pending_by_scope: dict[str, int] = {}
        self.queued: int = 0
        self.pending: int = 0
        self.unmatched: int = 0
        self.threads: Threads = Threads()

    def open(self, tasks: TaskGroup) -> None:
        """Begin to deliver, in tasks of this group."""
        self._tasks, self._context = tasks, contextvars.copy_context()

    # owing

    def accept(self, event: Event, ttl: float | None, context: contextvars.Context) -> None:
        """Owe the event to every subscription that matches now."""
        expires = None if ttl is None else time.monotonic() + ttl
        for subscription in self._owed(event):
            self._enqueue(Delivery(subscription, event, context, expires))

    def drop(self, event: Event) -> None:
        """Count an event, for which there is no room, as dropped by every subscription that matches."""
        for subscription in self._owed(event):
            subscription.dropped += 1
            subscription.untold_drops += 1
            self._tell_drops(subscription, event)

    def _owed(self, event: Event) -> list[Subscription[Any]]:
        """The subscriptions that match, each with one delivery more in its books."""
        candidates = self._registry.matching(event.session_id, type(event))
        faults: dict[Subscription[Any], Exception] = {}
        matching = [s for s in candidates if _matches(s, event, faults)]
        self.unmatched += not matching
        for subscription in matching:
            subscription.deliveries += 1
        for subscription, error in faults.items():
            subscription.failed += 1
            self._announce_failure(subscription, event, 1, error)
        return [s for s in matching if s not in faults]

    def _enqueue(self, delivery: Delivery) -> None:
        subscription = delivery.subscription
        key = (None if subscription.inline else subscription, delivery.event.session_id)
        lane = self._lanes.get(key)
        self._count(subscription, +1)
        self.queued += 1
        if lane is not None:
            lane.queue.append(delivery)
            return
        lane = self._lanes[key] = Lane()
        lane.queue.append(delivery)
        assert self._tasks is not None
        # in the bus's own context: a worker that outlives the publisher must not hold on to its context
        self._context.run(self._tasks.start_soon, self._work, key, lane)

    def _count(self, subscription: Subscription[Any], change: int) -> None:
        self.pending += change
        if (scope := subscription.scope) is not None:
            self._pending_by_scope[scope] = self._pending_by_scope.get(scope, 0) + change
            if not self._pending_by_scope[scope]:
                del self._pending_by_scope[scope]

    # delivering

    async def _work(self, key: LaneKey, lane: Lane) -> None:
        try:
            with anyio.CancelScope() as lane.scope:
                served = 0
                while lane.queue:
                    if served == _TURN:  # between deliveries: a cancellation that comes here is nobody's handler's
                        served = 0
                        await anyio.lowlevel.checkpoint()
                        continue
                    served += 1
                    delivery = lane.queue.popleft()
                    self.queued -= 1
                    self._on_start()
                    await self._deliver(delivery)
        finally:  # cancelled: what is left is nobody's any more
            while lane.queue:
                self._discarded(lane.queue.popleft())
            if self._lanes.get(key) is lane:
                del self._lanes[key]

    async def _deliver(self, delivery: Delivery) -> None:
        subscription, event = delivery.subscription, delivery.event
        if not subscription.alive:
            return self._finish(subscription, "discarded")
        if delivery.expires is not None and time.monotonic() >= delivery.expires:
            return self._finish(subscription, "expired")
        began = time.perf_counter()
        outcome, error = "discarded", None
        self._tell(events.EventHandlerStartEvent, subscription, event)
        try:
            outcome, attempts, error = await self._attempts(delivery)
            if outcome == "failed" and error is not None:
                self._announce_failure(subscription, event, attempts, error)
        finally:
            self._tell_result(subscription, event, outcome, error, time.perf_counter() - began)
            self._finish(subscription, outcome)

    async def _attempts(self, delivery: Delivery) -> tuple[str, int, BaseException | None]:
        """Call the handler until it succeeds, its attempts are used up, or it is unregistered."""
        subscription = delivery.subscription
        retry, attempt = subscription.retry, 1
        delay = retry.delay
        while (error := await self._attempt(delivery)) is not None:
            if attempt == retry.attempts or not isinstance(error, Exception):
                return "failed", attempt, error
            await anyio.sleep(min(delay, retry.max_delay) * (1 - retry.jitter * random.random()))
            if not subscription.alive:
                return "discarded", attempt, error
            delay *= retry.factor
            attempt += 1
        return "delivered", attempt, None

    async def _attempt(self, delivery: Delivery) -> BaseException | None:
        """One call of the handler; returns what it raised, unless it is this worker that is being cancelled."""
        subscription = delivery.subscription
        context = delivery.context.copy()
        try:
            if subscription.inline:
                context.run(self._call, delivery)
            else:
                with anyio.fail_after(subscription.timeout):
                    await run_in_context(context, self._call_async(delivery))
        except BaseException as error:
            if is_cancellation(error) or isinstance(error, KeyboardInterrupt):
                raise
            return error
        return None

    def _call(self, delivery: Delivery) -> None:
        with in_frame(self, delivery.event, delivery=True):
            _plain(delivery.subscription.handler, delivery.event)

    async def _call_async(self, delivery: Delivery) -> None:
        subscription, event = delivery.subscription, delivery.event
        with in_frame(self, event, delivery=True):
            if subscription.is_async:
                await subscription.handler(event)
            elif subscription.in_thread:
                await self.threads.run(functools.partial(_plain, subscription.handler, event))
            else:
                _plain(subscription.handler, event)

    def _finish(self, subscription: Subscription[Any], outcome: str) -> None:
        setattr(subscription, outcome, getattr(subscription, outcome) + 1)
        self._count(subscription, -1)
        self._retire_if_gone(subscription)
        self.check_idle()

    # giving up

    def discard(self, subscription: Subscription[Any]) -> None:
        """Unregister a subscription and discard what waits for it."""
        self._registry.remove_subscription(subscription)
        for lane in self._lanes_of(subscription):
            kept = [d for d in lane.queue if d.subscription is not subscription]
            gone = [d for d in lane.queue if d.subscription is subscription]
            lane.queue = deque(kept)
            for delivery in gone:
                self._discarded(delivery)
        self._retire_if_gone(subscription)

    def cancel_scope(self, scope: str) -> None:
        """Discard what waits for the handlers of a session, and cancel those that are running."""
        for (subscription, _), lane in list(self._lanes.items()):
            for delivery in [d for d in lane.queue if d.subscription.scope == scope]:
                lane.queue.remove(delivery)
                self._discarded(delivery)
            if subscription is not None and subscription.scope == scope and lane.scope is not None:
                lane.scope.cancel()

    def discard_queues(self) -> None:
        """Discard all that waits."""
        for lane in list(self._lanes.values()):
            while lane.queue:
                self._discarded(lane.queue.popleft())

    def forget_lanes(self) -> None:
        """Close the books of lanes whose worker was cancelled before it ever ran."""
        self.discard_queues()
        self._lanes.clear()

    def _lanes_of(self, subscription: Subscription[Any]) -> list[Lane]:
        mine = None if subscription.inline else subscription
        return [lane for (s, _), lane in self._lanes.items() if s is mine]

    def _discarded(self, delivery: Delivery) -> None:
        self.queued -= 1
        self._finish(delivery.subscription, "discarded")
        self._on_start()

    def _retire_if_gone(self, subscription: Subscription[Any]) -> None:
        if not subscription.alive and subscription.stats().pending == 0:
            self._registry.retire(subscription)
            subscription.deliveries = subscription.delivered = subscription.failed = 0
            subscription.dropped = subscription.expired = subscription.discarded = 0

    # idleness

    def pending_of(self, scope: str) -> int:
        """Deliveries that the handlers of a session are still owed."""
        return self._pending_by_scope.get(scope, 0)

    async def wait_until(self, condition: Callable[[], bool]) -> None:
        """Wait until the condition holds; it is looked at whenever a delivery or a command ends."""
        if condition():
            return
        event = anyio.Event()
        entry = (condition, event)
        self._idle_waiters.append(entry)
        try:
            await event.wait()
        finally:
            self._idle_waiters = [e for e in self._idle_waiters if e is not entry]

    def check_idle(self) -> None:
        """Wake those whose condition holds now."""
        for condition, event in self._idle_waiters:
            if condition():
                event.set()

    # telling

    def _announce_failure(
        self, subscription: Subscription[Any], event: Event, attempts: int, error: BaseException
    ) -> None:
        _logger.error(
            "event handler %s failed on %s after %d attempt(s)",
            subscription.name,
            event.type_name,
            attempts,
            exc_info=error,
        )
        if not isinstance(event, _NEVER_ANNOUNCED):
            told = events.EventHandlerFailedEvent(
                event.id, event.type_name, subscription.name, attempts, ErrorInfo.from_exception(error)
            )
            self._emit(told.with_header(lifecycle_header(event)))

    def _tell_drops(self, subscription: Subscription[Any], event: Event) -> None:
        """Say what a subscription has lost since the last time, at most once a second."""
        now, count = time.monotonic(), subscription.untold_drops
        if now < subscription.told_drops_at + 1:
            return
        subscription.untold_drops, subscription.told_drops_at = 0, now
        _logger.warning("no room: %s lost %d event(s), lastly %s", subscription.name, count, event.type_name)
        if not isinstance(event, _NEVER_ANNOUNCED):  # the announcement may find no room either: taps still see it
            told = events.EventDroppedEvent(event.type_name, subscription.name, "no room", count)
            self._emit(told.with_header(lifecycle_header(event)))

    def _tell(self, kind: Any, subscription: Subscription[Any], event: Event, *details: Any) -> None:
        if type(event) not in _RUNTIME_EVENTS and self._listens(kind):
            told = kind(event.id, event.type_name, subscription.name, *details)
            self._emit(told.with_header(lifecycle_header(event)))

    def _tell_result(
        self, subscription: Subscription[Any], event: Event, outcome: str, error: BaseException | None, seconds: float
    ) -> None:
        how = {"delivered": Outcome.OK, "failed": Outcome.ERROR}.get(outcome, Outcome.CANCELLED)
        info = None if error is None else ErrorInfo.from_exception(error)
        self._tell(events.EventHandlerResultEvent, subscription, event, how, seconds, info)
