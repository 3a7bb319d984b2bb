"""What waits for its delivery: one queue, the lanes behind busy handlers, and how it is taken out before its turn."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

from llmgine_core._subscriptions import Plan, Subscription
from llmgine_core._workers import Lane
from llmgine_core.contracts import Event

__all__ = ["Backlog"]


class Backlog:
    """Deliveries that have not begun.

    Args:
        give_up: counts one that never will: whose it is, the event, and whether it is `dropped` or `discarded`.

    Attributes:
        queue: what waits for no other: event, plan, context, end to end, since a tuple of them costs 64 bytes more.
        lanes: what waits behind handlers that are busy in the same session.
    """

    def __init__(self, give_up: Callable[[Subscription, Event, str], None]) -> None:
        self._give_up = give_up
        self._leaving: set[Subscription] = set()
        self.queue: deque[Any] = deque()
        self.lanes: set[Lane] = set()

    # dropping

    def drop_oldest(self, yields: Callable[[Subscription], bool]) -> bool:
        """Drop the oldest delivery of the longest lane, else of the queue; false if there is none.

        Args:
            yields: whether a subscription loses events to newer ones.
        """
        longest = max((lane for lane in self.lanes if yields(lane.subscription)), key=len, default=None)
        return self._drop_head(longest) if longest else self._drop_queued(lambda s, _: yields(s))

    def drop_oldest_in(self, subscription: Subscription, session_id: str | None) -> bool:
        """Drop the oldest delivery to a subscription in a session; false if there is none."""
        lane = subscription.lanes.get(session_id)
        if lane:
            return self._drop_head(lane)
        return self._drop_queued(lambda s, session: s is subscription and session == session_id)

    def _drop_head(self, lane: Lane) -> bool:
        event = lane.queue.popleft()
        lane.queue.popleft()
        self._give_up(lane.subscription, event, "dropped")
        return True

    def _drop_queued(self, yields: Callable[[Subscription, str | None], bool]) -> bool:
        for index in range(0, len(self.queue), 3):
            event, plan = self.queue[index], self.queue[index + 1]
            for subscription in plan.subscriptions:
                if yields(subscription, event.header.session_id):
                    kept = tuple(s for s in plan.subscriptions if s is not subscription)
                    self.queue[index + 1] = Plan(kept, expires=plan.expires)
                    self._give_up(subscription, event, "dropped")
                    return True
        return False

    # discarding

    def discard(self, subscription: Subscription) -> None:
        """Discard all that waits for a subscription."""
        for lane in list(subscription.lanes.values()):
            self.discard_lane(lane)
        if subscription.pending > len(subscription.lanes):
            self._discard_queued({subscription})

    def discard_lane(self, lane: Lane) -> None:
        """Discard all that waits in a lane."""
        while lane.queue:
            event = lane.queue.popleft()
            lane.queue.popleft()
            self._give_up(lane.subscription, event, "discarded")

    def discard_soon(self, subscriptions: Iterable[Subscription]) -> None:
        """Discard what waits for these subscriptions: in lanes now, in the queue at the next sweep.

        Many sessions may end at once, and to look through the queue for each of them would take minutes.
        """
        for subscription in subscriptions:
            for lane in subscription.lanes.values():
                self.discard_lane(lane)
            if subscription.pending > len(subscription.lanes):
                self._leaving.add(subscription)

    def sweep(self) -> None:
        """Discard what waits in the queue for those of whom `discard_soon` was told."""
        if self._leaving:
            leaving, self._leaving = self._leaving, set()
            self._discard_queued(leaving)

    def discard_all(self) -> None:
        """Discard all that waits."""
        for lane in list(self.lanes):
            self.discard_lane(lane)
        plans = (self.queue[index] for index in range(1, len(self.queue), 3))
        self._leaving.clear()
        self._discard_queued({s for plan in plans for s in plan.subscriptions})
        self.queue.clear()

    def _discard_queued(self, leaving: set[Subscription]) -> None:
        shorter: dict[Plan, Plan] = {}  # most events have the same plan
        for index in range(0, len(self.queue), 3):
            event, plan = self.queue[index], self.queue[index + 1]
            gone = [s for s in plan.subscriptions if s in leaving]
            for subscription in gone:
                self._give_up(subscription, event, "discarded")
            if gone:
                if plan not in shorter:
                    kept = tuple(s for s in plan.subscriptions if s not in leaving)
                    shorter[plan] = Plan(kept, expires=plan.expires)
                self.queue[index + 1] = shorter[plan]
