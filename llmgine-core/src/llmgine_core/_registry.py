"""Who handles what: one handler per command type and scope, any number of subscriptions per event type."""

from __future__ import annotations

import functools
import itertools
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, Protocol

from llmgine_core._handlers import call_plainly, check_command_handler, check_event_handler, handler_name
from llmgine_core._scopes import Scope, SessionState
from llmgine_core._subscriptions import COUNTS, CommandHandler, Member, Options, Plan, Rotation, Subscription
from llmgine_core._threads import Threads
from llmgine_core.contracts import DeliveryStats, Event, Message
from llmgine_core.errors import DuplicateHandlerError, HandlerNotFoundError

__all__ = ["HandlerRegistry", "Interest"]


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
        streams = check_command_handler(origin, handler)
        if (known := scope.commands.get(origin)) is not None:
            raise DuplicateHandlerError(origin.__qualname__, _where(scope), known.name)
        is_plain = timeout is None and not streams
        name = handler_name(handler)
        registration = CommandHandler(origin, handler, timeout, scope, is_plain, name, self)
        scope.add_command(registration)
        if scope.id is not None:
            self.answering[scope.id] = scope
        elif self.interest is not None:
            self.interest.serve(origin)
        return registration

    def remove_command(self, registration: CommandHandler) -> None:
        """Take out a command handler; without effect if it is out."""
        scope = registration.scope
        if scope.remove_command(registration) and scope.id is None and self.interest is not None:
            self.interest.unserve(registration.command_type)

    def find_command(self, kind: type[Message], session_id: str | None) -> CommandHandler | None:
        """The handler of the command's session, else the bus's."""
        if session_id is not None and (scope := self.answering.get(session_id)) is not None:
            found = scope.commands.get(kind)
            if found is not None:
                return found
        return self.bus.commands.get(kind)

    def not_found(self, kind: type[Message], session_id: str | None) -> HandlerNotFoundError:
        """What to say where there is no handler."""
        from difflib import get_close_matches  # only who has made a mistake waits for it

        scopes = [self.bus, *filter(None, [self.answering.get(session_id)])]
        known = {command.__qualname__ for scope in scopes for command in scope.commands}
        near = tuple(get_close_matches(kind.__qualname__, known, n=3))
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
        suspends = check_event_handler(
            origin, handler, in_thread=options.in_thread, is_known=origin in self._subscribers
        )
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
            rotation = Rotation(members)
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
        scope.plans = {}

    def retire(self, subscription: Subscription) -> None:
        """Once a withdrawn subscription is owed nothing more, add its books to those of its handler."""
        if subscription not in self._leaving or subscription.pending:
            return
        self._leaving.discard(subscription)
        counts = [getattr(subscription, name) for name in COUNTS]
        known = self._gone.get(subscription.handler_name)
        self._gone[subscription.handler_name] = (
            counts if known is None else [sum(pair) for pair in zip(known, counts, strict=True)]
        )

    def plan(self, kind: type[Event], session_id: str | None) -> Plan:
        """Subscriptions of the bus and of that session to the type or one of its bases."""
        scope = self.listening.get(session_id, self.bus)
        plan = scope.plans.get(kind)
        if plan is None or plan.generation != self.generation:
            plan = self._make_plan(kind, scope)
            scope.keep_plan(kind, plan)
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
            scope.commands = {}
        if not scope.subscriptions:
            return
        if self.listening.pop(scope.id, None) is None:
            self._sealed.pop(scope.id, None)
        leaving, scope.subscriptions = scope.subscriptions, []
        for subscription in leaving:
            self._let_go(subscription)
            if self._leaving:
                self.retire(subscription)

    def living(self) -> Iterator[Subscription]:
        """All subscriptions that are registered."""
        scopes = (self.bus, *self.listening.values(), *self._sealed.values())
        return itertools.chain.from_iterable(scope.subscriptions for scope in scopes)

    def stats(self) -> dict[str, DeliveryStats]:
        """The books by subscription name; those that are gone are added up by handler."""
        gone = {name: DeliveryStats(**dict(zip(COUNTS, counts, strict=True))) for name, counts in self._gone.items()}
        known = itertools.chain(self.living(), self._leaving)
        return {**gone, **{s.name: s.stats() for s in known}}


def _by_serial(subscription: Subscription) -> int:
    return subscription.serial


def _where(scope: Scope) -> str:
    return f"session {scope.id!r}" if isinstance(scope, SessionState) else "bus"
