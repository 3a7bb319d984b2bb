"""Accepting events: when there is room for them, here and at the transport; and owing them to whom they match."""

from __future__ import annotations

import contextvars
import functools
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import attrs

from llmgine_core._calls import Call
from llmgine_core._frames import is_below_delivery
from llmgine_core._scopes import Scope, refuse_foreign
from llmgine_core._subscriptions import Plan, Subscription
from llmgine_core.contracts import Event, Header, current_handling
from llmgine_core.contracts.header import NOTHING_SAID, set_header
from llmgine_core.errors import BusClosedError, QueueFullError

if TYPE_CHECKING:
    from llmgine_core._engine import Engine

__all__ = ["Acceptance"]

_copy_context, _current = contextvars.copy_context, current_handling.get


class Acceptance:
    """What a bus does with events, until they are owed.

    Args:
        engine: the bus.

    Attributes:
        accepted: events published here and taken.
        refused: those turned away.
        emitted: what the bus itself and telemetry told.
        carried: publications that are at the transport.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.accepted: int = 0
        self.refused: int = 0
        self.emitted: int = 0
        self.carried: set[Call] = set()

    def accept_at_once(self, event: Event, scope: Scope) -> bool:
        """Accept an event, if that takes neither waiting nor asking; else nothing has been done but its header."""
        engine, kind = self._engine, type(event)
        plan = scope.plans.get(kind)
        if not (engine.takes_events and scope.is_open):
            return False
        if plan is not None and event.header is NOTHING_SAID and _current() is None:
            # of all but the first event of its type: the rest is for others
            set_header(event, scope.known_header or scope.header)
            if plan.generation != engine.registry.generation:
                plan = engine.registry.plan(kind, scope.id)
        elif _is_event(event) and engine.address(event, scope):
            plan = engine.registry.plan(kind, event.header.session_id)
        else:
            return False
        room, dispatcher = engine.room, engine.dispatcher
        gate, queued = room.gate, room.queued + plan.count
        if plan.is_special or gate.waiting or gate.promised or queued > room.capacity:
            return False
        self.accepted += 1
        if plan.is_plain:  # what `put` does then, without the call
            plan.puts += 1
            room.queued = queued
            dispatcher.backlog.queue.extend((event, plan, _copy_context()))
            if not dispatcher.is_led:
                dispatcher.appoint()
        else:
            dispatcher.put(event, plan, _copy_context())
        if engine.is_watched:  # once it is owed: a tap may take handlers out
            engine.show(event)
        return True

    async def accept_in_turn(self, event: Any, ttl: float | None, scope: Scope) -> None:
        """Accept an event through middleware, when there is room for it, here and elsewhere."""
        taken: list[Event] = []
        try:
            if not isinstance(event, Event):
                raise TypeError(f"publish() takes an Event, not {event!r}; commands are executed")
            self._engine.admit(scope)
            self._engine.complete(event, scope)
            last = functools.partial(self._take, scope, event.session_id, ttl, taken)
            await self._engine.through_middleware(event, last)
        finally:
            self.refused += not taken  # by an error, or by a middleware that kept it

    async def _take(
        self, scope: Scope, session_id: str | None, ttl: float | None, taken: list[Event], event: Any
    ) -> None:
        if session_id is not None and event.header.session_id != session_id:
            # what a middleware passes on in the event's place belongs to the same session
            refuse_foreign(event, session_id)
            set_header(event, attrs.evolve(event.header, session_id=session_id))
        self._engine.complete(event, scope)
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
        frame, turn = self._engine.frame(), None
        urgent = is_below_delivery(frame)
        if not is_own:
            self._engine.complete(event, scope)
        try:
            while True:
                self._engine.admit(scope)  # the bus or the session may have ended meanwhile
                plan, faults = self._sieve(self._plan(event, group), event)
                verdict = self._engine.room.judge(plan, event.session_id, turn=turn, urgent=urgent, refuses=is_own)
                if verdict.gate is None:
                    break
                if turn is not None:
                    self._engine.room.left_gate(turn)  # the place that this one does not take yet is the next one's
                turn = verdict.gate
                if not await turn.enter(frame, verdict.count):
                    raise BusClosedError(self._engine.state)
            if is_own and not self._engine.link.is_direct:
                with self._engine.room.held(plan, event.session_id):
                    await self._carry(event, ttl, scope, wait=self._engine.room.may_wait(urgent=urgent))
                    if self._engine.state not in ("running", "stopping"):
                        raise BusClosedError(self._engine.state)  # whether others get the event is not known
                    oldest = self._engine.room.still_short(verdict.oldest, event.session_id, plan.count)
                    self.accepted += 1
                    return self._put(event, ttl, plan, faults, verdict.newest, oldest)
            self.accepted += is_own
            return self._put(event, ttl, plan, faults, verdict.newest, verdict.oldest, is_own=is_own)
        finally:
            self._engine.room.let_in()  # refused, or matched by nobody: its room is the next one's
            if turn is not None:
                self._engine.room.left_gate(turn)

    async def _carry(self, event: Event, ttl: float | None, scope: Scope, *, wait: bool) -> None:
        """Have the transport take an event; a stop, or the end of the session that publishes it, does not wait for it.

        Raises:
            BusClosedError: the bus stops; whether others get the event is not known.
            SessionClosedError: the session ends; nor is it then.
        """
        call = Call.of(self._engine, event)
        with self._engine.answering.working(call, self.carried, scope.id):
            with call.bounded(None):
                return await self._engine.link.transport.publish(event, ttl=ttl, wait=wait)
            raise call.reply

    def _plan(self, event: Event, group: Subscription | None) -> Plan:
        if group is None:
            return self._engine.registry.plan(type(event), event.session_id)
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
        if self._engine.is_watched and is_own:
            self._engine.show(event)
        elif self._engine.is_watched:  # the taps of the bus that published it have seen it
            self._engine.offer(event)
        # a tap, a filter, or whoever ran while the transport took the event, may have taken handlers out
        plan = _still_there(plan)
        faults = {subscription: error for subscription, error in faults.items() if subscription.alive}
        for subscription, error in faults.items():
            self._engine.dispatcher.fail(subscription, event, error)
        losers = [s for s in newest if s.alive]
        for subscription, own_lane in [(s, own_lane) for s, own_lane in oldest if s.alive]:
            if not self._engine.dispatcher.drop_oldest(subscription, event.session_id, own_lane=own_lane):
                losers.append(subscription)
        for subscription in losers:
            self._engine.dispatcher.drop(subscription, event)
        if losers or ttl is not None:
            kept = tuple(s for s in plan.subscriptions if s not in losers)
            expires = None if ttl is None else time.monotonic() + ttl
            plan = Plan(kept, expires=expires, is_shared=plan.is_shared)
        if plan.count or not (faults or losers):
            self._engine.dispatcher.put(event, plan, _copy_context())
        return bool(plan.count or faults or losers)

    def publish_from_thread(self, event: Event, ttl: float | None, scope: Scope) -> None:
        """Publish from a thread outside the event loop; returns when the event is accepted."""
        self._engine.admit(scope)
        if self._engine.loop.is_here:
            raise RuntimeError("publish_from_thread() is for other threads; here, await publish()")
        self._engine.loop.run(functools.partial(self.accept_in_turn, event, ttl, scope))

    def emit(self, event: Event) -> None:
        """Publish on this bus without waiting or failing, from any thread. What finds no room is counted."""
        self._engine.complete(event, self._engine.registry.bus)
        if self._engine.state not in ("running", "stopping"):
            self._engine.show(event)  # how something ended that a stop cut short is still worth seeing
        elif self._engine.loop.is_here:
            self._emit_here(event)
        else:
            context = _copy_context()
            try:
                self._engine.loop.call_soon(lambda: context.run(self.emit, event))
            except RuntimeError:  # the loop ended without a stop of the bus; nobody is left to hear of it
                self.emitted += 1
                self._engine.dispatcher.unmatched += 1

    def tell(self, event: Event, header: Header) -> None:
        """`emit` on the loop, for an event that was just made, with a header that is complete."""
        set_header(event, header)
        engine = self._engine
        room = engine.room
        plan = engine.registry.plan(type(event), header.session_id)
        is_special = plan.is_special or room.gate.waiting or room.queued + plan.count > room.capacity
        if is_special or not engine.takes_events:
            self.emit(event)
            return
        self.emitted += 1
        engine.dispatcher.put(event, plan, _copy_context())
        if engine.is_watched:
            engine.show(event)

    def _emit_here(self, event: Event) -> None:
        plan, faults = self._sieve(self._engine.registry.plan(type(event), event.session_id), event)
        self.emitted += 1
        try:
            verdict = self._engine.room.judge(plan, event.session_id, turn=None, urgent=True)
        except QueueFullError:
            self._put(event, None, plan, faults, newest=plan.subscriptions)
        else:
            self._put(event, None, plan, faults, verdict.newest, verdict.oldest)


def _is_event(given: object) -> bool:
    return isinstance(given, Event)


def _still_there(plan: Plan) -> Plan:
    """Who of the plan is still registered."""
    kept = tuple(s for s in plan.subscriptions if s.alive)
    return plan if len(kept) == plan.count else Plan(kept, is_shared=plan.is_shared)
