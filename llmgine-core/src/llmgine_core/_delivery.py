"""From an accepted event to its handlers: one queue, lanes behind handlers that suspend, and the books.

What is accepted waits in one queue. A worker, the leader, takes it from there and calls the handlers in its own task,
each in a copy of the publisher's context. A handler that never suspends costs no task. One that does keeps the worker
to its end, and a lane opens behind it: what comes for the same handler in the same session waits there, in order. The
worker goes on with the lane until it is empty; the part of the leader passes to another worker meanwhile, so that
nothing else waits.
"""

from __future__ import annotations

import contextvars
import time
import types
from typing import TYPE_CHECKING, Any

import anyio

from llmgine_core._backlog import Backlog
from llmgine_core._frames import DeliveryFrame, Frame, current_frame
from llmgine_core._handlers import refuse_coroutine
from llmgine_core._herald import Herald, tells_of_runtime
from llmgine_core._idle import Idle
from llmgine_core._loop import EventLoop, is_cancellation
from llmgine_core._registry import HandlerRegistry
from llmgine_core._room import Room
from llmgine_core._subscriptions import Plan, Subscription
from llmgine_core._workers import DONE, Failed, Lane, Late, Run, Worker, call_inline, see_through
from llmgine_core.contracts import Event, current_handling, still_handled

if TYPE_CHECKING:
    from anyio.abc import TaskGroup

__all__ = ["Dispatcher", "running_now"]

_TURN = 256  # so many handlers the leader calls before it lets other tasks run, since they may never suspend
_RESTING = 64  # so many workers are kept when there is nothing to do

_set_current = current_handling.set
_monotonic = time.monotonic
_COROUTINE: type[Any] = types.CoroutineType


def running_now(frame: Frame | None) -> Frame | None:
    """The delivery in whose handler the caller stands, if that handler has not suspended yet."""
    chain = () if frame is None else frame.chain()
    return next((each for each in chain if isinstance(each, DeliveryFrame) and not each.is_counted), None)


class Dispatcher:
    """Owes, delivers and counts.

    Args:
        owner: the bus, as handlers' calls name it.
        registry: who subscribes to what.
        room: the bound on what waits.
        herald: how failures and drops are told.
        idle: who waits until nothing is owed.

    Attributes:
        backlog: what waits.
        is_led: whether a worker leads.
        running: deliveries whose handler has suspended.
        unmatched: accepted events that nobody subscribed to.
        tells: whether anybody would hear of handlers that start and end.
    """

    def __init__(self, owner: object, registry: HandlerRegistry, room: Room, herald: Herald, idle: Idle) -> None:
        self._owner = owner
        self._registry, self._room, self._herald, self._idle = registry, room, herald, idle
        self._resting: list[Worker] = []
        self.backlog: Backlog = Backlog(self._give_up)
        self.is_led: bool = False
        self.running: int = 0
        self.unmatched: int = 0
        self.tells: bool = False

    def open(self, loop: EventLoop, tasks: TaskGroup) -> None:
        """Begin to deliver, in tasks of this group."""
        self._loop, self._tasks = loop, tasks
        self._context = contextvars.copy_context()
        self.is_led = False
        self._resting.clear()

    @property
    def pending(self) -> int:
        """Deliveries that are not over: those that wait, whose handler has suspended, or which run right now."""
        return self._room.waiting + self.running + (running_now(current_frame(self._owner)) is not None)

    # owing

    def put(self, event: Event, plan: Plan, context: contextvars.Context) -> None:
        """Owe the event to everybody in the plan; there must be room."""
        if not plan.count:
            self.unmatched += not plan.is_shared
            return
        if plan.is_kept:
            plan.puts += 1
        else:
            for subscription in plan.subscriptions:
                subscription.booked += 1
        if plan.session is not None:
            plan.session.pending += plan.session_count
        if plan.is_bounded:
            self._count_waiting(plan, event.header.session_id)
        self._room.queued += plan.count
        self.backlog.queue.extend((event, plan, context))
        if not self.is_led:
            self.appoint()

    def _count_waiting(self, plan: Plan, session_id: str | None) -> None:
        for subscription in plan.subscriptions:
            if subscription.waiting is not None:
                self._room.enter_lane(subscription, session_id)

    def drop(self, subscription: Subscription, event: Event) -> None:
        """Count an event for which there is no room."""
        subscription.booked += 1
        subscription.dropped += 1
        self._herald.dropped(subscription, event, "no room")
        if not subscription.is_plain:
            self._note_end(subscription, event, "dropped")

    def fail(self, subscription: Subscription, event: Event, error: BaseException) -> None:
        """Count an event on which a subscription's filter failed."""
        subscription.booked += 1
        subscription.failed += 1
        self._herald.failed(subscription, event, 1, error)
        if not subscription.is_plain:
            self._note_end(subscription, event, "failed")

    def drop_oldest(self, subscription: Subscription, session_id: str | None, *, own_lane: bool) -> bool:
        """Give up the delivery that has waited longest, to make room for one of `subscription` in that session.

        Args:
            subscription: for which there is no room.
            session_id: the session.
            own_lane: whether it is its own lane that is full; else the longest lane gives, or the head of the queue.

        Returns:
            Whether there was one; those whose subscriptions never lose an event are left alone.
        """
        if own_lane:
            return self.backlog.drop_oldest_in(subscription, session_id)
        return self.backlog.drop_oldest(self._room.drops_oldest)

    def _give_up(self, subscription: Subscription, event: Event, how: str) -> None:
        """Count a delivery that waited as dropped, discarded or expired."""
        self._start(subscription, event.header.session_id)
        self._settle(subscription, event, how)
        if how == "dropped":
            self._herald.dropped(subscription, event, "no room")

    def _start(self, subscription: Subscription, session_id: str | None) -> None:
        """Count a delivery that waits no more."""
        self._room.queued -= 1
        if self._room.gate.waiting:
            self._room.let_in()
        if subscription.waiting is not None:
            self._room.left_lane(subscription, session_id)

    def _settle(self, subscription: Subscription, event: Event, how: str) -> None:
        if how == "delivered":
            self._count(subscription, event)
            return
        setattr(subscription, how, getattr(subscription, how) + 1)
        if subscription.session is not None:
            subscription.session.settle()
        if not subscription.is_plain:
            self._note_end(subscription, event, how)

    def _note_end(self, subscription: Subscription, event: Event, how: str) -> None:
        """Tell who waits for the end of a delivery, and let a subscription go that is withdrawn and owed no more."""
        if subscription.receipts and (tell := subscription.receipts.pop(event.id, None)) is not None:
            tell(how)
        if not subscription.alive:
            self._registry.retire(subscription)

    # leading

    def appoint(self) -> None:
        """Have a worker lead."""
        self.is_led = True
        if self._resting:
            worker = self._resting.pop()
            assert worker.ticket is not None
            worker.ticket.wake()
        else:
            # in the bus's own context: a worker that outlives the publisher must not hold on to its context
            self._context.run(self._tasks.start_soon, self._work, Worker())

    async def _work(self, worker: Worker) -> None:
        try:
            serves = True
            while serves:
                worker.gives_up = False
                with anyio.CancelScope() as worker.scope:
                    serves = await self._serve(worker)
        finally:
            if worker.lane is not None:  # cancelled on the way, with all the bus's tasks
                self._close_lane(worker.lane)
            if worker in self._resting:
                self._resting.remove(worker)

    async def _serve(self, worker: Worker) -> bool:
        """Work until there is nothing to do for too many (False), or the worker's scope was cancelled (True)."""
        while True:
            if worker.lane is not None:
                if await self._follow(worker, worker.lane):
                    return True
            elif worker.leads:
                await self._lead_on(worker)
            elif len(self._resting) >= _RESTING:
                return False
            else:
                worker.ticket = self._loop.ticket()
                self._resting.append(worker)
                await worker.ticket.wait()
                worker.leads = True

    async def _lead_on(self, worker: Worker) -> None:
        if not self._lead(worker):
            self.is_led = worker.leads = False
        elif worker.lane is None:
            await self._loop.breathe()
        else:  # another leads while this one sees its handler through
            worker.leads = self.is_led = False
            if self.backlog.queue:
                self.appoint()

    def _lead(self, worker: Worker) -> bool:  # noqa: C901 - a call for each step would double what a delivery costs
        """Deliver what waits, until nothing does (False), a handler suspends, or others should run (True)."""
        queue, room, gate, owner, send = self.backlog.queue, self._room, self._room.gate, self._owner, worker.shell.send
        take, budget = queue.popleft, _TURN
        said: Any
        self.backlog.sweep()
        while queue:
            if budget <= 0:
                if self._idle.waiting:
                    self._idle.check()
                return True
            event, plan, context = take(), take(), take()
            budget -= plan.count
            frame = DeliveryFrame()
            above = context.get(current_handling)
            while above is not None and above.over:
                above = above.above
            frame.message, frame.owner, frame.above = event, owner, above
            frame.over, frame.is_counted, frame.known_derived = False, False, None
            context.run(_set_current, frame)
            if not plan.is_quick or self.tells:
                if self._deliver(worker, event, plan, context, frame):
                    return True
            else:
                room.served = plan
                for plan.at, call, suspends, is_last in plan.steps:  # noqa: B020 - it is an attribute of the plan
                    own = context if is_last else context.copy()  # which only the last may spoil
                    if suspends:
                        said = own.run(send, (call, event))
                    else:
                        try:
                            answer = own.run(call, event)
                            if type(answer) is _COROUTINE:
                                refuse_coroutine(call, answer)
                            said = DONE
                        except BaseException as error:  # whatever a handler raises is its own failure
                            said = Failed(error)
                    if said is not DONE or not plan.is_quick:
                        run = Run(plan.subscriptions[plan.at], event, frame, own, context, said, 0.0)
                        if self._deliver_slowly(worker, run, plan, context):
                            return True
                        break
                else:
                    room.queued -= plan.count
                    room.served = None
                    plan.done += 1
                    plan.at = 0
            if gate.waiting:
                gate.let_in()
            frame.over = True
            if above is not None:
                frame.end()
        if self._idle.waiting:
            self._idle.check()
        return False

    def _deliver_slowly(self, worker: Worker, run: Run, plan: Plan, context: contextvars.Context) -> bool:
        """Go on with an event whose delivery turns out to take more, from the handler on that was called last.

        Returns:
            Whether the worker is to see that handler, or one after it, through.
        """
        begun = plan.at + 1
        plan.hand_over()
        self._room.served = None
        self._room.queued -= begun
        if run.said is DONE:
            self._count(run.subscription, run.event)
        elif self._leaves(worker, run, plan, context):
            return True
        return self._deliver(worker, run.event, plan, context, run.frame, begun)

    def _deliver(
        self,
        worker: Worker,
        event: Event,
        plan: Plan,
        context: contextvars.Context,
        frame: DeliveryFrame,
        first: int = 0,
    ) -> bool:
        """Call the handlers of an event, from the place `first` on; whether the worker is to see one through."""
        room, send = self._room, worker.shell.send
        tells = self.tells and not tells_of_runtime(event.__class__)
        expires, place, began = plan.expires is not None, first, 0.0
        for subscription in plan.subscriptions[first:]:
            place += 1
            if subscription.is_plain and not subscription.lanes and not expires:
                room.queued -= 1
                own = context if place == plan.count else context.copy()  # which only the last may spoil
            elif self._may_begin(subscription, event, plan, context):
                own = context.copy()  # it may be called in it again
            else:
                continue
            if tells:
                self._herald.started(subscription, event)
                began = time.perf_counter()
            if subscription.suspends:
                said = own.run(send, (subscription.call, event))
            else:
                said = call_inline(own, subscription.call, event)
            if said is DONE:
                self._count(subscription, event)
                if tells:
                    self._herald.ended(subscription, event, "delivered", None, time.perf_counter() - began)
            else:
                fresh = context if subscription.options.retry.attempts == 1 else context.copy()
                if self._leaves(worker, Run(subscription, event, frame, own, fresh, said, began), plan, context):
                    return True
        return False

    def _count(self, subscription: Subscription, event: Event) -> None:
        """Count a delivery whose handler has returned."""
        subscription.returned += 1
        if subscription.session is not None:
            subscription.session.settle()
        if not subscription.is_plain:
            self._note_end(subscription, event, "delivered")

    def _leaves(self, worker: Worker, run: Run, plan: Plan, context: contextvars.Context) -> bool:
        """Whether the worker leaves the lead, to see a handler through that has suspended or is to be called again.

        The next leader goes on with the others of the plan. If not, the handler has failed, which is counted.
        """
        error = run.said.error if type(run.said) is Failed else None
        interrupts = isinstance(error, KeyboardInterrupt)
        if error is not None and not interrupts and not self._tries_again(run, error):
            self._book(run, "failed", error)
            return False
        if interrupts:
            self._book(run, "discarded", error)
        others = plan.subscriptions[plan.subscriptions.index(run.subscription) + 1 :]
        if others:
            context.run(_set_current, run.frame.above)  # they do not stand below this one's call
            self.backlog.queue.extendleft((context, Plan(others, expires=plan.expires), run.event))
        if self._room.gate.waiting:
            self._room.let_in()
        if interrupts:
            run.frame.end()
            raise run.said.error
        self._open_lane(worker, run, run.event.header.session_id)
        return True

    def _may_begin(self, subscription: Subscription, event: Event, plan: Plan, context: contextvars.Context) -> bool:
        """Count a delivery as begun, unless it is too late for it or has to wait in its lane."""
        session_id = event.header.session_id
        if not subscription.alive:  # withdrawn by a handler of this very event
            self._give_up(subscription, event, "discarded")
            return False
        if (lane := subscription.lanes.get(session_id)) is not None:
            own = context if plan.count == 1 else context.copy()
            lane.queue.append(event)
            lane.queue.append(own if plan.expires is None else Late(own, plan.expires))
            return False
        self._start(subscription, session_id)
        if plan.expires is not None and _monotonic() >= plan.expires:
            self._settle(subscription, event, "expired")
            return False
        return True

    # following

    def _open_lane(self, worker: Worker, run: Run, session_id: str | None) -> None:
        worker.run = run
        worker.lane = Lane(run.subscription, session_id, worker)
        run.subscription.open_lane(session_id, worker.lane)
        self.backlog.lanes.add(worker.lane)
        run.frame.is_counted = True
        self.running += 1
        if self._idle.waiting:
            self._idle.check()

    def _close_lane(self, lane: Lane) -> None:
        self.backlog.discard_lane(lane)
        lane.worker.lane = None
        self.backlog.lanes.discard(lane)
        lane.subscription.close_lane(lane.session_id, lane)

    async def _follow(self, worker: Worker, lane: Lane) -> bool:
        """See the lane's handler through, delivery after delivery; returns whether the worker's scope was cancelled."""
        called = 0
        while True:
            if worker.run is not None:
                if await self._go_on(worker, worker.run):
                    return True
            elif not lane.queue:
                self._close_lane(lane)
                return worker.scope.cancel_called
            elif worker.scope.cancel_called:
                return True  # what waits is not called in a scope that is cancelled
            elif called >= _TURN:
                called = 0
                await self._loop.breathe()
            else:
                called += 1
                self._call_next(worker, lane)

    async def _go_on(self, worker: Worker, run: Run) -> bool:
        """Take a delivery one step further; returns whether the next needs a scope that is not cancelled."""
        try:
            if run.said is DONE:
                self._end_run(worker, run, "delivered", None)
            elif type(run.said) is not Failed:
                await self._await_handler(worker, run)
            elif (error := self._reason(worker, run.said.error)) is None:
                self._end_run(worker, run, "discarded", None)
            elif isinstance(error, KeyboardInterrupt) or is_cancellation(error):
                raise error
            elif worker.gives_up or not self._tries_again(run, error):
                self._end_run(worker, run, "failed", error)
            elif worker.scope.cancel_called:
                run.said = Failed(error)
                return True
            elif not await self._pause(run):
                self._end_run(worker, run, "discarded", error)
            else:
                run.attempt += 1
                run.context = run.fresh.copy()
                self._begin_attempt(worker, run)
        except BaseException as error:  # this worker is being cancelled, or all is
            if worker.run is not None:
                self._end_run(worker, run, "discarded", error)
            raise
        return False

    def _end_run(self, worker: Worker, run: Run, how: str, error: BaseException | None) -> None:
        worker.run = None
        self.running -= 1
        self._finish(run, how, error)

    def _call_next(self, worker: Worker, lane: Lane) -> None:
        subscription, event, context = lane.subscription, lane.queue.popleft(), lane.queue.popleft()
        self._start(subscription, lane.session_id)
        if type(context) is Late:
            if _monotonic() >= context.expires:
                self._settle(subscription, event, "expired")
                self._idle.check()
                return
            context = context.context
        passed = context[current_handling]  # by the leader, who may have called another handler of the event below it
        assert passed is not None
        frame = DeliveryFrame.below(still_handled(passed.above), event)
        frame.owner, frame.is_counted = self._owner, False
        context.run(_set_current, frame)
        tells = self.tells and not tells_of_runtime(event.__class__)
        if tells:
            self._herald.started(subscription, event)
        run = Run(subscription, event, frame, context.copy(), context, None, time.perf_counter() if tells else 0.0)
        self._begin_attempt(worker, run)
        if run.said is DONE:
            self._finish(run, "delivered", None)
        elif type(run.said) is Failed and isinstance(run.said.error, KeyboardInterrupt):
            self._finish(run, "discarded", run.said.error)
            raise run.said.error
        elif type(run.said) is Failed and not self._tries_again(run, run.said.error):
            self._finish(run, "failed", run.said.error)
        else:
            worker.run = run
            frame.is_counted = True
            self.running += 1

    def _begin_attempt(self, worker: Worker, run: Run) -> None:
        """Call the handler until it first suspends or ends."""
        if run.subscription.suspends:
            run.said = run.context.run(worker.shell.send, (run.subscription.call, run.event))
        else:
            run.said = call_inline(run.context, run.subscription.call, run.event)

    async def _await_handler(self, worker: Worker, run: Run) -> None:
        timeout = run.subscription.options.timeout
        if timeout is not None:
            worker.scope.deadline = anyio.current_time() + timeout
        run.said = await see_through(worker.shell, run.context, run.said)
        if timeout is not None:
            worker.scope.deadline = float("inf")

    def _reason(self, worker: Worker, error: BaseException) -> BaseException | None:
        """Why a handler ended that ended with this error; None if it was made to, and is discarded."""
        if not isinstance(error, anyio.get_cancelled_exc_class()):
            return error
        if worker.scope.cancel_called:
            return None if worker.gives_up else TimeoutError("the handler's time is up")
        return error

    async def _pause(self, run: Run) -> bool:
        """Wait before the next attempt; whether there is to be one."""
        retry = run.subscription.options.retry
        from random import random  # with hashlib and more behind it; few handlers are tried again

        delay = min(retry.delay * retry.factor ** (run.attempt - 1), retry.max_delay)
        await anyio.sleep(delay * (1 - retry.jitter * random()))
        return run.subscription.alive

    @staticmethod
    def _tries_again(run: Run, error: BaseException) -> bool:
        return run.attempt < run.subscription.options.retry.attempts and isinstance(error, Exception)

    def _finish(self, run: Run, how: str, error: BaseException | None) -> None:
        """Close the books of a delivery whose handler has been called, and its call."""
        run.frame.end()
        self._book(run, how, error)

    def _book(self, run: Run, how: str, error: BaseException | None) -> None:
        """Close the books of a delivery whose handler has been called."""
        subscription, event = run.subscription, run.event
        if how == "failed" and error is not None:
            self._herald.failed(subscription, event, run.attempt, error)
        self._settle(subscription, event, how)
        if run.began:
            self._herald.ended(subscription, event, how, error, time.perf_counter() - run.began)
        if self._idle.waiting:
            self._idle.check()

    # giving up

    def discard(self, subscription: Subscription) -> None:
        """Discard what waits for a subscription that has been withdrawn; what runs is finished."""
        self.backlog.discard(subscription)
        if subscription.waiting is not None:
            self._room.leave_lanes(subscription)
        self._idle.check()

    def cancel_scope(self, subscriptions: list[Subscription]) -> None:
        """Discard what waits for these subscriptions, at the latest when swept, and cancel their handlers that run."""
        for lane in [lane for s in subscriptions for lane in s.lanes.values()]:
            lane.worker.gives_up = True
            lane.worker.scope.cancel()
        self.backlog.discard_soon(subscriptions)
        self._idle.check()
