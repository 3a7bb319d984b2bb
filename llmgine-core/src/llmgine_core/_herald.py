"""What the bus says of deliveries: that a handler starts and ends, that it failed, that events were dropped.

Of events that tell of the runtime itself, failures and drops are counted and logged, never announced: the announcement
would come back here.
"""

from __future__ import annotations

import logging
import time
import weakref
from collections.abc import Callable
from typing import Any

import anyio

from llmgine_core import events
from llmgine_core._letters import DeadLetters
from llmgine_core._subscriptions import Subscription
from llmgine_core.contracts import ErrorInfo, Event, Header, Outcome, lifecycle_header

__all__ = ["Herald", "tells_of_runtime"]

_logger = logging.getLogger("llmgine.bus")

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
_INTERVAL = 1.0
_RUNTIME = f"{events.__name__}."


def tells_of_runtime(event_type: type[Event]) -> bool:
    """Whether it is one of the runtime's own; their handlers get no start and result events, which would beget more."""
    return event_type.__module__.startswith(_RUNTIME)


class Herald:
    """Tells what becomes of deliveries.

    Args:
        tell: publishes an event with a header that is complete, without waiting.
        listens: whether anybody would see an event of a type.
        spawn: runs a coroutine function as a task of the bus.
        letters: where failed deliveries are kept.
    """

    def __init__(
        self,
        tell: Callable[[Event, Header], None],
        listens: Callable[[type[Event]], bool],
        spawn: Callable[..., None],
        letters: DeadLetters,
    ) -> None:
        self._tell, self._listens, self._spawn, self._letters = tell, listens, spawn, letters
        self._told_at: weakref.WeakKeyDictionary[Subscription, float] = weakref.WeakKeyDictionary()
        self._untold: dict[Subscription, tuple[Event, str, int]] = {}

    def failed(self, subscription: Subscription, event: Event, attempts: int, error: BaseException) -> None:
        """A handler has failed on an event for good."""
        name, kind = subscription.name, event.type_name
        _logger.error("event handler %s failed on %s after %d attempt(s)", name, kind, attempts, exc_info=error)
        info = ErrorInfo.from_exception(error)
        self._letters.add(event, name, attempts, info)
        if not isinstance(event, _NEVER_ANNOUNCED) and self._listens(events.EventHandlerFailedEvent):
            told = events.EventHandlerFailedEvent(event.id, kind, name, attempts, info)
            self._tell(told, lifecycle_header(event))

    def started(self, subscription: Subscription, event: Event) -> None:
        """A handler is about to run."""
        if self._listens(events.EventHandlerStartEvent):
            told = events.EventHandlerStartEvent(event.id, event.type_name, subscription.name)
            self._tell(told, lifecycle_header(event))

    def ended(
        self, subscription: Subscription, event: Event, how: str, error: BaseException | None, seconds: float
    ) -> None:
        """A handler has ended."""
        if self._listens(events.EventHandlerResultEvent):
            outcome = {"delivered": Outcome.OK, "failed": Outcome.ERROR}.get(how, Outcome.CANCELLED)
            info = None if error is None else ErrorInfo.from_exception(error)
            told = events.EventHandlerResultEvent(event.id, event.type_name, subscription.name, outcome, seconds, info)
            self._tell(told, lifecycle_header(event))

    def dropped(self, subscription: Subscription, event: Event, reason: str) -> None:
        """A subscription has lost an event; said at once, or with others a second after the last time."""
        count = self._untold.get(subscription, (None, "", 0))[2] + 1
        waits = subscription in self._untold
        self._untold[subscription] = event, reason, count
        if waits:
            return
        if not self._too_early(subscription):
            self._tell_drops(subscription)
        else:
            self._spawn(self._tell_later, subscription)

    async def _tell_later(self, subscription: Subscription) -> None:
        await anyio.sleep(self._too_early(subscription))
        if subscription in self._untold:
            self._tell_drops(subscription)

    def _too_early(self, subscription: Subscription) -> float:
        """Seconds until drops of this subscription may be told again."""
        told_at = self._told_at.get(subscription, float("-inf"))
        return max(0.0, told_at + _INTERVAL - time.monotonic())

    def tell_all(self) -> None:
        """Say now what waits to be said."""
        for subscription in list(self._untold):
            self._tell_drops(subscription)
        self._told_at.clear()

    def _tell_drops(self, subscription: Subscription) -> None:
        event, reason, count = self._untold.pop(subscription)
        self._told_at[subscription] = time.monotonic()
        _logger.warning("%s: %s lost %d event(s), lastly %s", reason, subscription.name, count, event.type_name)
        if not isinstance(event, _NEVER_ANNOUNCED) and self._listens(events.EventDroppedEvent):
            # the announcement may find no room either: taps still see it
            told: Any = events.EventDroppedEvent(event.type_name, subscription.name, reason, count)
            self._tell(told, lifecycle_header(event))
