"""Room for deliveries that wait: who must wait for it, in which order, and what becomes of what finds none."""

from __future__ import annotations

import functools
from collections import deque
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager

import anyio
import attrs

from llmgine_core._frames import Frame
from llmgine_core._subscriptions import Plan, Subscription, check_overflow
from llmgine_core.contracts import Overflow
from llmgine_core.errors import QueueFullError

__all__ = ["Gate", "Room", "Verdict"]

_RESERVE = 2
_NO_ROOM_INSIDE = "an event handler's publications must not wait for room"


@attrs.define(eq=False)
class Turn:
    """A publisher's place in the queue for room."""

    frame: Frame | None
    count: int
    # named when it is made: anyio loads it then, and with it what takes as long to load as asyncio
    came: anyio.Event = attrs.field(factory=lambda: anyio.Event())  # noqa: PLW0108
    granted: bool = False


class Gate:
    """Where publishers wait for room, in the order in which they came.

    Args:
        capacity: how many places there are.
        taken: how many are taken.
        lane: whose places they are, if not the bus's: a subscription and a session.

    Attributes:
        lane: the same.
        waiting: who waits.
        promised: places of those whose turn has come and who have not taken them yet.
    """

    def __init__(
        self, capacity: int, taken: Callable[[], int], lane: tuple[Subscription, str | None] | None = None
    ) -> None:
        self._capacity, self._taken = capacity, taken
        self.lane: tuple[Subscription, str | None] | None = lane
        self.waiting: deque[Turn] = deque()
        self.promised: int = 0

    def has_room(self, count: int, *, held: int = 0) -> bool:
        """Whether so many places are free, or `held` already for whoever asks.

        What needs more than there are is let in when nothing else waits.
        """
        taken = self._taken() + self.promised - held
        return not taken or taken + count <= self._capacity

    async def enter(self, frame: Frame | None, count: int) -> bool:
        """Wait for `count` places; they are the caller's until it next suspends.

        Returns:
            False if the publisher was turned away.
        """
        turn = Turn(frame, count)
        self.waiting.append(turn)
        try:
            await turn.came.wait()
        except BaseException:
            if turn in self.waiting:
                self.waiting.remove(turn)
            self._take(turn)  # the turn came together with the cancellation: it is the next one's
            self.let_in()
            raise
        self._take(turn)
        return turn.granted

    def _take(self, turn: Turn) -> None:
        if turn.granted:
            self.promised -= turn.count

    def let_in(self) -> None:
        """Give their turn to those who wait, as far as there is room."""
        while self.waiting and self.has_room(self.waiting[0].count):
            turn = self.waiting.popleft()
            turn.granted = True
            self.promised += turn.count
            turn.came.set()

    def turn_away(self, *, outside_only: bool) -> None:
        """Send away those who wait; those inside a handler only if asked."""
        for turn in [t for t in self.waiting if t.frame is None or not outside_only]:
            self.waiting.remove(turn)
            turn.came.set()


@attrs.frozen
class Verdict:
    """What is to be done with an event.

    Attributes:
        gate: where to wait before asking again; None if it can be taken now.
        count: for how many places.
        newest: subscriptions that lose this event.
        oldest: subscriptions that lose an older one for it, and whether it is their own lane that is full.
    """

    gate: Gate | None = None
    count: int = 0
    newest: tuple[Subscription, ...] = ()
    oldest: tuple[tuple[Subscription, bool], ...] = ()


class Room:
    """The bound on deliveries that have not started, of the whole bus and of single lanes.

    Args:
        capacity: most of them, bus-wide.
        overflow: what becomes of an event for which there is no room, unless its subscription says otherwise.

    Attributes:
        capacity: the same.
        overflow: the same.
        queued: how many there are, with those of `served` that have.
        served: the plan of the event that is being delivered, if that is quick.
        gate: where publishers wait for room on the bus.
    """

    def __init__(self, capacity: int, overflow: Overflow) -> None:
        if capacity < 1:
            raise ValueError(f"capacity must be at least 1, not {capacity}")
        check_overflow(overflow)
        self.capacity: int = capacity
        self.overflow: Overflow = overflow
        self.queued: int = 0
        self.served: Plan | None = None
        self.gate: Gate = Gate(capacity, lambda: self.waiting)
        self._lane_gates: dict[tuple[Subscription, str | None], Gate] = {}

    @property
    def waiting(self) -> int:
        """How many deliveries have not started."""
        return self.queued if self.served is None else self.queued - self.served.at - 1

    def has_reserve(self, count: int) -> bool:
        """Whether there is room for what must not wait: a reserve of twice the capacity on top of it."""
        return self.waiting + count <= (1 + _RESERVE) * self.capacity

    def may_wait(self, *, urgent: bool) -> bool:
        """Whether a publisher may wait for room elsewhere, too.

        Args:
            urgent: whether it must not, publishing below an event handler.
        """
        return self.overflow == "wait" and not urgent

    def drops_oldest(self, subscription: Subscription) -> bool:
        """Whether deliveries of this subscription may be given up for newer ones."""
        return (subscription.options.overflow or self.overflow) == "drop_oldest"

    def judge(
        self, plan: Plan, session_id: str | None, *, turn: Gate | None, urgent: bool, refuses: bool = True
    ) -> Verdict:
        """What is to be done with an event.

        Args:
            plan: who is to get it.
            session_id: its session.
            turn: the gate at which it has waited, if its turn has just come there.
            urgent: whether it must not wait, being published below an event handler.
            refuses: whether there is a publisher to be refused; if not, an event waits where it would be.

        Raises:
            QueueFullError: a subscription's policy says so, or the reserve of what must not wait is used up.
        """
        if not plan.count:
            return Verdict()
        is_full = not self.gate.has_room(plan.count)
        full: dict[Overflow, list[tuple[Subscription, bool]]] = {}
        for subscription in plan.subscriptions:
            policy = subscription.options.overflow or self.overflow
            if policy == "raise" and not refuses:
                policy = "wait"
            lane_is_full = self._must_wait_for_lane(subscription, session_id, turn)
            must_queue = policy == "wait" and turn is not self.gate and bool(self.gate.waiting)
            if is_full or lane_is_full or must_queue:
                full.setdefault(policy, []).append((subscription, lane_is_full))
        if "raise" in full:
            raise QueueFullError(self.capacity, f"{full['raise'][0][0].name} takes no event for which there is no room")
        if "wait" in full:
            if not urgent:
                return self._wait(full["wait"], session_id, plan.count)
            self._check_reserve(full["wait"], session_id, plan.count)
        newest = tuple(subscription for subscription, _ in full.get("drop_newest", ()))
        return Verdict(newest=newest, oldest=tuple(full.get("drop_oldest", ())))

    def _must_wait_for_lane(self, subscription: Subscription, session_id: str | None, turn: Gate | None) -> bool:
        if subscription.waiting is None:
            return False
        gate = self._lane_gates.get((subscription, session_id))
        if gate is None:
            return _waiting(subscription, session_id) >= _capacity(subscription)
        return not gate.has_room(1) or (gate is not turn and bool(gate.waiting))

    def _wait(self, full: list[tuple[Subscription, bool]], session_id: str | None, count: int) -> Verdict:
        """Wait for a full lane first: a place on the bus that waits for a lane would be lost to others."""
        for subscription, lane_is_full in full:
            if lane_is_full:
                lane = subscription, session_id
                gate = self._lane_gates.get(lane)
                if gate is None:
                    gate = Gate(_capacity(subscription), functools.partial(_waiting, *lane), lane)
                    self._lane_gates[lane] = gate
                return Verdict(gate, 1)
        return Verdict(self.gate, count)

    def _check_reserve(self, full: list[tuple[Subscription, bool]], session_id: str | None, count: int) -> None:
        if not self.has_reserve(count):
            raise QueueFullError(self.capacity, _NO_ROOM_INSIDE)
        for subscription, lane_is_full in full:
            if not lane_is_full:
                continue
            capacity = _capacity(subscription)
            if _waiting(subscription, session_id) >= (1 + _RESERVE) * capacity:
                raise QueueFullError(capacity, _NO_ROOM_INSIDE)

    @contextmanager
    def held(self, plan: Plan, session_id: str | None) -> Generator[None]:
        """Keep the room of an event that is not put in its place at once."""
        bounded = [s for s in plan.subscriptions if s.waiting is not None]
        self.gate.promised += plan.count
        for subscription in bounded:
            self.enter_lane(subscription, session_id)
        try:
            yield
        finally:
            self.gate.promised -= plan.count
            for subscription in bounded:
                self.left_lane(subscription, session_id)

    def still_short(
        self, oldest: Sequence[tuple[Subscription, bool]], session_id: str | None, count: int
    ) -> list[tuple[Subscription, bool]]:
        """Of the subscriptions that were to lose an older event for one that is held, those that still have no room."""
        is_full = not self.gate.has_room(count, held=count)
        lanes = [(s, s.waiting is not None and _waiting(s, session_id) > _capacity(s)) for s, _ in oldest]
        return [(subscription, lane_is_full) for subscription, lane_is_full in lanes if lane_is_full or is_full]

    def let_in(self) -> None:
        """Give their turn to those who wait at the bus's gate, as far as there is room."""
        self.gate.let_in()

    @staticmethod
    def enter_lane(subscription: Subscription, session_id: str | None) -> None:
        """Note that a delivery waits of a subscription whose lanes are bounded."""
        assert subscription.waiting is not None
        subscription.waiting[session_id] = subscription.waiting.get(session_id, 0) + 1

    def left_lane(self, subscription: Subscription, session_id: str | None) -> None:
        """Note that a delivery of a subscription whose lanes are bounded waits no more."""
        waiting = subscription.waiting
        assert waiting is not None
        waiting[session_id] -= 1
        if not waiting[session_id]:
            del waiting[session_id]
        gate = self._lane_gates.get((subscription, session_id))
        if gate is not None:
            self.left_gate(gate)

    def left_gate(self, gate: Gate) -> None:
        """Let the next in at a gate, and forget the gate of a lane at which nobody waits any more."""
        gate.let_in()
        is_used = gate.waiting or gate.promised
        if gate.lane is not None and not is_used and self._lane_gates.get(gate.lane) is gate:
            del self._lane_gates[gate.lane]

    def leave_lanes(self, subscription: Subscription) -> None:
        """Let on who waits for room in the lanes of a subscription that is gone: they need none there any more."""
        for key in [key for key in self._lane_gates if key[0] is subscription]:
            gate = self._lane_gates.pop(key)
            for turn in gate.waiting:
                turn.granted = True
                gate.promised += turn.count
                turn.came.set()
            gate.waiting.clear()

    def turn_away(self, *, outside_only: bool) -> None:
        """Send away those who wait; those inside a handler only if asked."""
        for gate in (self.gate, *self._lane_gates.values()):
            gate.turn_away(outside_only=outside_only)


def _capacity(subscription: Subscription) -> int:
    assert subscription.options.capacity is not None
    return subscription.options.capacity


def _waiting(subscription: Subscription, session_id: str | None) -> int:
    """How many deliveries wait in one lane of a subscription whose lanes are bounded."""
    return 0 if subscription.waiting is None else subscription.waiting.get(session_id, 0)
