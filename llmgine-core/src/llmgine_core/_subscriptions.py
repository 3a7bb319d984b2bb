"""Registrations of handlers, with the books of each, and plans of who gets an event."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, get_args

import attrs

from llmgine_core._handlers import handler_name
from llmgine_core._scopes import Scope
from llmgine_core.contracts import DeliveryStats, Event, Message, Overflow, Retry

if TYPE_CHECKING:
    from llmgine_core._registry import HandlerRegistry

__all__ = [
    "COUNTS",
    "DEFAULTS",
    "CommandHandler",
    "Member",
    "Options",
    "Plan",
    "Rotation",
    "Subscription",
    "check_overflow",
    "total",
]

COUNTS = tuple(a.name for a in attrs.fields(DeliveryStats))
_OVERFLOWS = get_args(Overflow)
_NO_LANES: Final[Mapping[str | None, Any]] = MappingProxyType({})  # most handlers never suspend


def check_overflow(overflow: str) -> None:
    """Refuse what is no overflow policy.

    Raises:
        ValueError: it is none.
    """
    if overflow not in _OVERFLOWS:
        raise ValueError(f"overflow is one of {', '.join(_OVERFLOWS)}, not {overflow!r}")


@attrs.define(eq=False)
class CommandHandler:
    """A command handler's registration.

    Attributes:
        command_type: what it answers.
        handler: what was registered.
        timeout: seconds that it may take.
        scope: where it is registered.
        is_plain: whether it takes no more than to await the handler.
        name: how messages name it.
    """

    command_type: type[Message]
    handler: Callable[[Any], Any]
    timeout: float | None
    scope: Scope
    is_plain: bool
    name: str
    _registry: HandlerRegistry = attrs.field(repr=False)

    def unregister(self) -> None:
        """Take the handler out; commands that it runs already are finished."""
        self._registry.remove_command(self)


@attrs.frozen
class Options:
    """What `register_event_handler` may be told besides type and handler."""

    where: Callable[[Any], bool] | None = None
    group: str | None = None
    timeout: float | None = None
    retry: Retry = attrs.field(factory=Retry)
    overflow: Overflow | None = None
    capacity: int | None = None
    in_thread: bool = False

    @classmethod
    def of(cls, **given: Any) -> Options:
        """The options, checked; what is left out or None is the default.

        Raises:
            ValueError: a value that no handler can have.
        """
        options = cls(**{name: value for name, value in given.items() if value is not None})
        if options.overflow is not None:
            check_overflow(options.overflow)
        if options.capacity is not None and options.capacity < 1:
            raise ValueError(f"capacity must be at least 1, not {options.capacity}")
        return options


DEFAULTS = Options()
"""Of a handler of which nothing else is said."""


class Subscription:
    """An event handler's registration, or that of a group of them, with its books.

    Attributes:
        event_type: what it sees, subclasses included.
        handler: what was registered; of a group, what calls its members in turn.
        call: what is called with an event.
        suspends: whether `call` gives a coroutine.
        scope: where it is registered.
        session: the same, if that is a session.
        options: what else was asked.
        alive: whether it is still called.
        is_plain: whether there is no more to do about a delivery than to call the handler and to count: it is
            registered, has one attempt and lanes without bounds, and nobody wants a receipt.
        receipts: of a group that is shared with other buses: by event id, what is told how the delivery ended.
        lanes: where its handler is busy, by session: what waits behind it.
        waiting: how many of its deliveries have not started, by session; counted only where `capacity` bounds them.
        members: of a group, its members.
        plans: the bus's plans that it is in; what is owed by them is counted there, once for all of them.
        booked: deliveries beside those.
        returned: deliveries beside those whose handler returned.
    """

    __slots__ = (
        "__weakref__",
        "_name",
        "_registry",
        "_serial",
        "alive",
        "booked",
        "call",
        "discarded",
        "dropped",
        "event_type",
        "expired",
        "failed",
        "handler",
        "is_plain",
        "lanes",
        "members",
        "options",
        "plans",
        "receipts",
        "returned",
        "scope",
        "session",
        "suspends",
        "waiting",
    )

    def __init__(
        self,
        registry: HandlerRegistry,
        event_type: type[Event],
        handler: Callable[[Any], Any],
        call: Callable[[Any], Any],
        suspends: bool,
        scope: Scope,
        options: Options,
        serial: int,
    ) -> None:
        self._registry = registry
        self._serial = serial
        self._name: str | None = None
        self.event_type: type[Event] = event_type
        self.handler: Callable[[Any], Any] = handler
        self.call: Callable[[Any], Any] = call
        self.suspends: bool = suspends
        self.scope: Scope = scope
        self.session: Scope | None = None if scope.id is None else scope
        self.options: Options = options
        self.alive: bool = True
        self.is_plain: bool = options is DEFAULTS or (options.capacity is None and options.retry.attempts == 1)
        self.receipts: dict[str, Callable[[str], None]] | None = None
        self.lanes: Mapping[str | None, Any] = _NO_LANES
        self.waiting: dict[str | None, int] | None = None if options.capacity is None else {}
        self.members: deque[Member] | None = None
        self.plans: list[Plan] | tuple[()] = ()
        self.booked: int = 0
        self.returned: int = 0
        self.failed: int = 0
        self.dropped: int = 0
        self.expired: int = 0
        self.discarded: int = 0

    @property
    def name(self) -> str:
        """How stats and messages name it: a group by its name, else the handler by its own and a number."""
        if self._name is None:
            self._name = f"{self.handler_name}#{self._serial}"
        return self._name

    @property
    def handler_name(self) -> str:
        """The name under which the books of subscriptions that are gone are added up."""
        if self.options.group is not None:
            return f"group {self.options.group}"
        return handler_name(self.handler)

    @property
    def serial(self) -> int:
        """Its place in the order of registration."""
        return self._serial

    @property
    def deliveries(self) -> int:
        """Accepted events that were owed to it."""
        return self.booked + sum([plan.puts for plan in self.plans]) if self.plans else self.booked

    @property
    def delivered(self) -> int:
        """Deliveries whose handler returned."""
        return self.returned + sum([plan.delivered_to(self) for plan in self.plans])

    @property
    def pending(self) -> int:
        """Deliveries that wait or run."""
        settled = self.delivered + self.failed + self.dropped + self.expired + self.discarded
        return self.deliveries - settled

    def open_lane(self, session_id: str | None, lane: object) -> None:
        """Note that what comes for the session waits in a lane."""
        if not isinstance(self.lanes, dict):
            self.lanes = {}
        self.lanes[session_id] = lane
        for plan in self.plans:
            plan.note_lanes(1)

    def close_lane(self, session_id: str | None, lane: object) -> None:
        """Note that it does no more."""
        if isinstance(self.lanes, dict) and self.lanes.get(session_id) is lane:
            del self.lanes[session_id]
            for plan in self.plans:
                plan.note_lanes(-1)

    def unregister(self) -> None:
        """Call the handler no more; what waits for it is discarded, the one running is finished."""
        if self.alive:
            self._registry.withdraw(self)

    def stats(self) -> DeliveryStats:
        """The books, as they stand."""
        return DeliveryStats(**{name: getattr(self, name) for name in COUNTS})


class Member:
    """A group member's registration."""

    __slots__ = ("_subscription", "call")

    def __init__(self, subscription: Subscription, call: Callable[[Any], Any]) -> None:
        self._subscription = subscription
        self.call: Callable[[Any], Any] = call

    @property
    def name(self) -> str:
        """The group's name in `stats()`."""
        return self._subscription.name

    def unregister(self) -> None:
        """Call this member no more; what waits for the group stays, unless it was the last."""
        members = self._subscription.members
        if members is None or self not in members:
            return
        if len(members) == 1:
            self._subscription.unregister()
        members.remove(self)


class Rotation:
    """Calls the members of a group in turn."""

    def __init__(self, members: deque[Member]) -> None:
        self._members = members

    def __call__(self, event: Any) -> Any:
        member = self._members[0]
        self._members.rotate(-1)
        return member.call(event)


class Plan:
    """Who gets an event: fixed when the event is accepted.

    Attributes:
        subscriptions: in the order of registration.
        count: how many they are.
        session: the session, if some of them are its own.
        session_count: how many of them are.
        is_filtered: whether some take only what passes their filter.
        is_bounded: whether some have a capacity of their own.
        is_special: whether it takes more than a look at the bus's capacity to accept an event for them.
        is_shared: whether a group here matches, too, that is shared with other buses: the transport brings it its own.
        expires: when deliveries that have not begun expire, on the monotonic clock.
        generation: the state of the bus's own registrations that it was made for.
        is_kept: whether the registry keeps it for all events of a type. Its books are then kept here, once for all who
            get them.
        steps: of a kept plan, in their order: place, what is called, whether that gives a coroutine, whether it is the
            last.
        puts: how many of them were accepted.
        done: how many of them all have handled.
        at: whose turn it is, by place, while one of them is being delivered; all before it have handled that one.
        is_plain: whether it is kept, and all its subscriptions, of which there are some, are plain.
        lanes: how many lanes are open behind its subscriptions.
        is_quick: whether an event can be delivered, as long as no handler suspends or fails, without asking more.
    """

    __slots__ = (
        "at",
        "count",
        "done",
        "expires",
        "generation",
        "is_bounded",
        "is_filtered",
        "is_kept",
        "is_plain",
        "is_quick",
        "is_shared",
        "is_special",
        "lanes",
        "puts",
        "session",
        "session_count",
        "steps",
        "subscriptions",
    )

    def __init__(
        self,
        subscriptions: tuple[Subscription, ...],
        generation: int = -1,
        *,
        expires: float | None = None,
        is_shared: bool = False,
    ) -> None:
        own = [s.session for s in subscriptions if s.session is not None]
        self.subscriptions: tuple[Subscription, ...] = subscriptions
        self.count: int = len(subscriptions)
        self.session: Scope | None = own[0] if own else None
        self.session_count: int = len(own)
        self.is_filtered: bool = any(s.options.where is not None for s in subscriptions)
        self.is_bounded: bool = any(s.options.capacity is not None for s in subscriptions)
        self.is_special: bool = self.is_filtered or self.is_bounded
        self.is_shared: bool = is_shared
        self.expires: float | None = expires
        self.generation: int = generation
        self.steps: tuple[tuple[int, Callable[[Any], Any], bool, bool], ...] = ()
        self.puts: int = 0
        self.done: int = 0
        self.at: int = 0
        self.lanes: int = 0
        self.is_kept: bool = False
        self.is_plain: bool = False
        self.is_quick: bool = False

    def keep(self) -> None:
        """Count here, from now on, what is owed by this plan, and delivered."""
        self.is_kept = True
        for subscription in self.subscriptions:
            subscription.plans = [*subscription.plans, self]
        self.is_plain = bool(self.count) and all(s.is_plain for s in self.subscriptions)
        last = self.count - 1
        self.steps = tuple((at, s.call, s.suspends, at == last) for at, s in enumerate(self.subscriptions))
        self.note_lanes(sum(len(s.lanes) for s in self.subscriptions))

    def note_lanes(self, more: int) -> None:
        """Note that lanes have opened behind its subscriptions, or closed."""
        self.lanes += more
        self.is_quick = self.is_plain and not self.lanes

    def delivered_to(self, subscription: Subscription) -> int:
        """How many deliveries to one of its subscriptions are counted here as delivered."""
        return self.done + (self.subscriptions.index(subscription) < self.at)

    def hand_over(self) -> None:
        """Count the event that is being delivered with the subscriptions themselves, as far as it has been."""
        if self.is_kept:
            place, self.at = self.at, 0
            self.puts -= 1
            for subscription in self.subscriptions:
                subscription.booked += 1
            for subscription in self.subscriptions[:place]:
                subscription.returned += 1

    def let_go(self) -> None:
        """Give what was counted here to the subscriptions."""
        for subscription in self.subscriptions:
            subscription.booked += self.puts
            subscription.returned += self.delivered_to(subscription)
            subscription.plans = [plan for plan in subscription.plans if plan is not self]
        self.is_kept = self.is_plain = self.is_quick = False


def total(stats: Iterable[DeliveryStats]) -> DeliveryStats:
    """The sum of several books."""
    rows = [attrs.astuple(s) for s in stats]
    return (
        DeliveryStats(**dict(zip(COUNTS, map(sum, zip(*rows, strict=True)), strict=True))) if rows else DeliveryStats()
    )
