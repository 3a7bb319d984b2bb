"""Who handles what: one handler per command type and scope, any number of subscriptions per event type."""

from __future__ import annotations

import difflib
import functools
import inspect
import itertools
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from types import CoroutineType
from typing import Any, NoReturn, Protocol, cast, get_args

import attrs

from llmgine_core._scopes import Scope, SessionState
from llmgine_core._threads import Threads
from llmgine_core.contracts import Command, DeliveryStats, Event, Message, Overflow, Retry, StreamCommand
from llmgine_core.errors import DuplicateHandlerError, HandlerNotFoundError

__all__ = [
    "DEFAULTS",
    "CommandHandler",
    "HandlerRegistry",
    "Interest",
    "Options",
    "Plan",
    "Subscription",
    "call_plainly",
    "check_overflow",
    "handler_name",
    "refuse_coroutine",
    "total",
    "unwrapped",
]

_COROUTINE: type[Any] = CoroutineType
_COUNTS = tuple(a.name for a in attrs.fields(DeliveryStats))
_OVERFLOWS = get_args(Overflow)


# ── handlers, as they are given ──────────────────────────────────────────────────────────────────────────────────────


def unwrapped(handler: Any) -> Any:
    """What a partial wraps."""
    while isinstance(handler, functools.partial):
        handler = cast("Any", handler).func
    return handler


def handler_name(handler: Callable[..., Any]) -> str:
    """How messages and stats name a handler: `module.qualname`, of what a partial wraps, of an object's class."""
    target = unwrapped(handler)
    named: Any = target if hasattr(target, "__qualname__") else type(target)  # pyright: ignore[reportUnknownVariableType]
    return f"{named.__module__}.{named.__qualname__}"


def _is(handler: Any, flag: int, test: Callable[[Any], bool]) -> bool:
    """Whether the handler is a function of that kind, or an object that is called like one."""
    code = getattr(handler, "__code__", None)  # functions and methods have it; inspect takes ten times as long
    if code is not None and code.co_flags & flag:
        return True
    target = unwrapped(handler)
    return test(target) or test(getattr(target, "__call__", None))  # noqa: B004 - the method itself is inspected


def _is_coroutine_function(handler: Any) -> bool:
    return _is(handler, inspect.CO_COROUTINE, inspect.iscoroutinefunction)


def _is_async_generator_function(handler: Any) -> bool:
    return _is(handler, inspect.CO_ASYNC_GENERATOR, inspect.isasyncgenfunction)


def call_plainly(handler: Callable[[Any], Any], event: Event) -> None:
    """Call a plain function; what turns out to be a coroutine function would never run, so it is a fault."""
    answer: Any = handler(event)
    if type(answer) is _COROUTINE:
        refuse_coroutine(handler, answer)


def refuse_coroutine(handler: Callable[..., Any], coroutine: CoroutineType[Any, Any, Any]) -> NoReturn:
    """Say that a handler, taken for a plain function, is a coroutine function.

    Raises:
        TypeError: always.
    """
    coroutine.close()
    raise TypeError(f"{handler_name(handler)} returns a coroutine; register the coroutine function itself")


def check_overflow(overflow: str) -> None:
    """Refuse what is no overflow policy.

    Raises:
        ValueError: it is none.
    """
    if overflow not in _OVERFLOWS:
        raise ValueError(f"overflow is one of {', '.join(_OVERFLOWS)}, not {overflow!r}")


# ── registrations ────────────────────────────────────────────────────────────────────────────────────────────────────


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
    """

    __slots__ = (
        "__weakref__",
        "_name",
        "_registry",
        "_serial",
        "alive",
        "booked",
        "call",
        "delivered",
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
        self.is_plain: bool = options.capacity is None and options.retry.attempts == 1
        self.receipts: dict[str, Callable[[str], None]] | None = None
        self.lanes: dict[str | None, Any] = {}
        self.waiting: dict[str | None, int] | None = None if options.capacity is None else {}
        self.members: deque[Member] | None = None
        self.plans: list[Plan] | tuple[()] = ()
        self.booked: int = 0
        self.delivered: int = 0
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
    def pending(self) -> int:
        """Deliveries that wait or run."""
        settled = self.delivered + self.failed + self.dropped + self.expired + self.discarded
        return self.deliveries - settled

    def unregister(self) -> None:
        """Call the handler no more; what waits for it is discarded, the one running is finished."""
        if self.alive:
            self._registry.withdraw(self)

    def stats(self) -> DeliveryStats:
        """The books, as they stand."""
        return DeliveryStats(**{name: getattr(self, name) for name in _COUNTS})


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


class _Rotation:
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
        puts: how often it was used, while the registry keeps it for all events of a type.
        is_kept: whether it does.
    """

    __slots__ = (
        "count",
        "expires",
        "generation",
        "is_bounded",
        "is_filtered",
        "is_kept",
        "is_shared",
        "is_special",
        "puts",
        "session",
        "session_count",
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
        self.puts: int = 0
        self.is_kept: bool = False

    def keep(self) -> None:
        """Count here, from now on, what is owed by this plan."""
        self.is_kept = True
        for subscription in self.subscriptions:
            subscription.plans = [*subscription.plans, self]

    def let_go(self) -> None:
        """Give what was counted here to the subscriptions."""
        self.is_kept = False
        for subscription in self.subscriptions:
            subscription.booked += self.puts
            subscription.plans = [plan for plan in subscription.plans if plan is not self]


class Interest(Protocol):
    """Who must know which commands and groups the bus has handlers for."""

    def serve(self, command_type: type[Message], /) -> None:
        """There is a handler of the bus for commands of this type."""
        ...

    def unserve(self, command_type: type[Message], /) -> None:
        """There is none any more."""
        ...

    def join(self, group: Subscription, /) -> None:
        """The bus has members in this group.

        Raises:
            DuplicateHandlerError: other buses' members see another type, or have another filter.
        """
        ...

    def leave(self, group: Subscription, /) -> None:
        """It has none any more."""
        ...


class HandlerRegistry:
    """All handlers of a bus, by scope.

    Args:
        threads: where handlers run that would block the loop.
        discard: gives up what waits for a subscription that has been withdrawn.
        noticed: called when the first subscription to a type comes or the last one goes.

    Attributes:
        generation: how often the bus's own event handlers have changed; a plan of another generation is made anew.
        interest: who must know of the bus's own command handlers and groups, since they are shared with other buses.
    """

    def __init__(
        self,
        threads: Threads,
        discard: Callable[[Subscription], None],
        noticed: Callable[[type[Event]], None],
    ) -> None:
        self._threads, self._discard, self._noticed = threads, discard, noticed
        self.interest: Interest | None = None
        self.bus: Scope = Scope(None)
        self.listening: dict[str | None, Scope] = {}  # open sessions that have event handlers of their own
        self.answering: dict[str | None, Scope] = {}  # open sessions that have command handlers of their own
        self._sealed: dict[str | None, Scope] = {}  # ending sessions, whose handlers still get what they are owed
        self.generation: int = 0
        self._groups: dict[tuple[str | None, str], Subscription] = {}
        self._subscribers: dict[type[Event], int] = {}
        self._serial = itertools.count(1)
        self._leaving: set[Subscription] = set()  # withdrawn, and still owed or running something
        self._gone: dict[str, list[int]] = {}

    # commands

    def add_command(
        self, command_type: Any, handler: Callable[..., Any], scope: Scope, timeout: float | None
    ) -> CommandHandler:
        """Register a command handler.

        Raises:
            DuplicateHandlerError: the scope has one for that type.
            TypeError: the type is no command, or the handler is not of the kind that it needs.
        """
        origin = getattr(command_type, "__origin__", command_type)
        streams = _check_command_handler(origin, handler)
        if (known := scope.commands.get(origin)) is not None:
            raise DuplicateHandlerError(origin.__qualname__, _where(scope), known.name)
        is_plain = timeout is None and not streams
        name = handler_name(handler)
        registration = scope.commands[origin] = CommandHandler(origin, handler, timeout, scope, is_plain, name, self)
        if scope.id is not None:
            self.answering[scope.id] = scope
        elif self.interest is not None:
            self.interest.serve(origin)
        return registration

    def remove_command(self, registration: CommandHandler) -> None:
        """Take out a command handler; without effect if it is out."""
        scope, kind = registration.scope, registration.command_type
        if scope.commands.get(kind) is registration:
            del scope.commands[kind]
            if scope.id is None and self.interest is not None:
                self.interest.unserve(kind)

    def find_command(self, kind: type[Message], session_id: str | None) -> CommandHandler | None:
        """The handler of the command's session, else the bus's."""
        if session_id is not None and (scope := self.answering.get(session_id)) is not None:
            found = scope.commands.get(kind)
            if found is not None:
                return found
        return self.bus.commands.get(kind)

    def not_found(self, kind: type[Message], session_id: str | None) -> HandlerNotFoundError:
        """What to say where there is no handler."""
        scopes = [self.bus, *filter(None, [self.answering.get(session_id)])]
        known = {command.__qualname__ for scope in scopes for command in scope.commands}
        near = tuple(difflib.get_close_matches(kind.__qualname__, known, n=3))
        return HandlerNotFoundError(kind.__qualname__, near)

    # events

    def subscribe(
        self, event_type: Any, handler: Callable[..., Any], scope: Scope, options: Options
    ) -> Subscription | Member:
        """Register an event handler.

        Raises:
            DuplicateHandlerError: the group that it would join has another type, filter or options.
            TypeError: the type is no event, or the handler is not of the kind that it needs.
        """
        origin = event_type if type(event_type) is type(Event) else getattr(event_type, "__origin__", event_type)
        suspends = _check_event_handler(origin, handler, options, is_known=origin in self._subscribers)
        call = handler
        if options.in_thread:
            call = functools.partial(self._threads.run, functools.partial(call_plainly, handler))
        if options.group is not None:
            return self._join(origin, call, suspends, scope, options, options.group)
        return self._add(Subscription(self, origin, handler, call, suspends, scope, options, next(self._serial)))

    def _join(
        self,
        event_type: type[Event],
        call: Callable[[Any], Any],
        suspends: bool,
        scope: Scope,
        options: Options,
        name: str,
    ) -> Member:
        group = self._groups.get((scope.id, name))
        if group is None:
            members: deque[Member] = deque()
            rotation = _Rotation(members)
            group = Subscription(self, event_type, rotation, rotation, suspends, scope, options, next(self._serial))
            group.members = members
            if self._shares(group):
                assert self.interest is not None
                self.interest.join(group)
                group.receipts, group.is_plain = {}, False
            self._groups[scope.id, name] = group
            members.append(Member(group, call))
            self._add(group)
            return members[0]
        if (group.event_type, group.options, group.suspends) != (event_type, options, suspends):
            wanted = f"{group.event_type.__qualname__} with {group.options}"
            raise DuplicateHandlerError(event_type.__qualname__, _where(scope), wanted, group=name)
        assert group.members is not None
        member = Member(group, call)
        group.members.append(member)
        return member

    def _shares(self, subscription: Subscription) -> bool:
        """Whether it is a group whose members may be on other buses, too."""
        is_group = subscription.options.group is not None
        return is_group and subscription.session is None and self.interest is not None

    def shared_groups(self) -> list[Subscription]:
        """The groups whose members may be on other buses, too."""
        return [group for group in self._groups.values() if self._shares(group)]

    def shared_group(self, name: str) -> Subscription | None:
        """The group of that name, if it has members here."""
        group = self._groups.get((None, name))
        return group if group is not None and self._shares(group) else None

    def _add(self, subscription: Subscription) -> Subscription:
        scope, kind = subscription.scope, subscription.event_type
        scope.subscriptions.append(subscription)
        if scope.plans or scope is self.bus:
            self._forget_plans(scope)
        if scope.id is not None:
            self.listening[scope.id] = scope
        count = self._subscribers.get(kind, 0)
        self._subscribers[kind] = count + 1
        if not count:
            self._noticed(kind)
        return subscription

    def withdraw(self, subscription: Subscription) -> None:
        """Take out a subscription, give up what waits for it, and keep its books."""
        subscription.scope.subscriptions.remove(subscription)
        self._let_go(subscription)
        self._discard(subscription)
        self.retire(subscription)

    def _let_go(self, subscription: Subscription) -> None:
        scope, kind, group = subscription.scope, subscription.event_type, subscription.options.group
        subscription.alive = subscription.is_plain = False
        if scope.plans or scope is self.bus:
            self._forget_plans(scope)
        if group is not None:
            del self._groups[scope.id, group]
            if self._shares(subscription):
                assert self.interest is not None
                self.interest.leave(subscription)
        count = self._subscribers[kind] - 1
        if count:
            self._subscribers[kind] = count
        else:
            del self._subscribers[kind]
            self._noticed(kind)
        if subscription.deliveries:
            self._leaving.add(subscription)

    def _forget_plans(self, scope: Scope) -> None:
        if scope is self.bus:
            self.generation += 1
            for plan in scope.plans.values():
                plan.let_go()
        scope.plans.clear()

    def retire(self, subscription: Subscription) -> None:
        """Once a withdrawn subscription is owed nothing more, add its books to those of its handler."""
        if subscription not in self._leaving or subscription.pending:
            return
        self._leaving.discard(subscription)
        counts = [getattr(subscription, name) for name in _COUNTS]
        known = self._gone.get(subscription.handler_name)
        self._gone[subscription.handler_name] = (
            counts if known is None else [sum(pair) for pair in zip(known, counts, strict=True)]
        )

    def plan(self, kind: type[Event], session_id: str | None) -> Plan:
        """Subscriptions of the bus and of that session to the type or one of its bases."""
        scope = self.listening.get(session_id, self.bus)
        plan = scope.plans.get(kind)
        if plan is None or plan.generation != self.generation:
            plan = scope.plans[kind] = self._make_plan(kind, scope)
        return plan

    def _make_plan(self, kind: type[Event], scope: Scope) -> Plan:
        scopes = (self.bus,) if scope is self.bus else (self.bus, scope)
        found = [s for each in scopes for s in each.subscriptions if issubclass(kind, s.event_type)]
        found.sort(key=_by_serial)
        kept = [s for s in found if not self._shares(s)]
        plan = Plan(tuple(kept), self.generation, is_shared=len(kept) < len(found))
        if scope is self.bus:
            plan.keep()
        return plan

    def named(self, name: str) -> Subscription | None:
        """The living subscription of that name in `stats()`."""
        return next((s for s in self.living() if s.name == name), None)

    def subscribed(self, event_type: type[Event]) -> bool:
        """Whether any scope subscribes to the type or one of its bases."""
        subscribers = self._subscribers
        return any(base in subscribers for base in event_type.__mro__)

    def subscribed_exactly(self, event_type: type[Event]) -> bool:
        """Whether any scope subscribes to this very type."""
        return event_type in self._subscribers

    # scopes and books

    def seal(self, scope: Scope) -> None:
        """Find the handlers of a session no more; what they are owed already they still get."""
        self.answering.pop(scope.id, None)
        if self.listening.pop(scope.id, None) is not None:
            self._sealed[scope.id] = scope

    def end_scope(self, scope: Scope) -> None:
        """Unregister everything of a session."""
        if scope.commands:
            self.answering.pop(scope.id, None)
            scope.commands.clear()
        if not scope.subscriptions:
            return
        if self.listening.pop(scope.id, None) is None:
            self._sealed.pop(scope.id, None)
        leaving, scope.subscriptions = scope.subscriptions, []
        for subscription in leaving:
            self._let_go(subscription)
            if subscription in self._leaving:
                if subscription.pending:
                    self._discard(subscription)
                self.retire(subscription)

    def living(self) -> Iterator[Subscription]:
        """All subscriptions that are registered."""
        scopes = (self.bus, *self.listening.values(), *self._sealed.values())
        return itertools.chain.from_iterable(scope.subscriptions for scope in scopes)

    def stats(self) -> dict[str, DeliveryStats]:
        """The books by subscription name; those that are gone are added up by handler."""
        gone = {name: DeliveryStats(**dict(zip(_COUNTS, counts, strict=True))) for name, counts in self._gone.items()}
        known = itertools.chain(self.living(), self._leaving)
        return {**gone, **{s.name: s.stats() for s in known}}


def _by_serial(subscription: Subscription) -> int:
    return subscription.serial


def _where(scope: Scope) -> str:
    return f"session {scope.id!r}" if isinstance(scope, SessionState) else "bus"


def _check_command_handler(command_type: Any, handler: Callable[..., Any]) -> bool:
    """Whether the handler streams its answers; refuses what cannot answer such commands."""
    if not (isinstance(command_type, type) and issubclass(command_type, (Command, StreamCommand))):
        raise TypeError(f"{command_type!r} is no command class; subclass llmgine_core.Command or StreamCommand")
    streams = issubclass(command_type, StreamCommand)
    if not (_is_async_generator_function if streams else _is_coroutine_function)(handler):
        wanted = "an async generator function (`async def` with `yield`)" if streams else "a coroutine function"
        raise TypeError(f"the handler of {command_type.__qualname__} must be {wanted}, not {handler!r}")
    return streams


def _check_event_handler(event_type: Any, handler: Any, options: Options, *, is_known: bool) -> bool:
    """Whether the handler suspends; refuses what cannot handle events."""
    if not is_known and not (isinstance(event_type, type) and issubclass(event_type, Event)):
        raise TypeError(f"{event_type!r} is no event class; subclass llmgine_core.Event")
    if not callable(handler):
        raise TypeError(f"an event handler must be callable, not {handler!r}")
    if _is_coroutine_function(handler):
        if options.in_thread:
            raise TypeError(f"{handler_name(handler)} is a coroutine function and runs on the loop; drop in_thread")
        return True
    if _is_async_generator_function(handler):
        raise TypeError(f"{handler_name(handler)} has a `yield`, so nothing would run; an event handler only returns")
    return options.in_thread


def total(stats: Iterable[DeliveryStats]) -> DeliveryStats:
    """The sum of several books."""
    rows = [attrs.astuple(s) for s in stats]
    return (
        DeliveryStats(**dict(zip(_COUNTS, map(sum, zip(*rows, strict=True)), strict=True))) if rows else DeliveryStats()
    )
