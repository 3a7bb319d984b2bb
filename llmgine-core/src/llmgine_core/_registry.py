"""Who handles what: one handler per command type and scope, any number of subscriptions per event type."""

from __future__ import annotations

import difflib
import functools
import inspect
import itertools
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Generic, TypeVar, cast

import attrs

from llmgine_core.contracts import Command, DeliveryStats, Event, Message, Retry, StreamCommand
from llmgine_core.errors import DuplicateHandlerError, HandlerNotFoundError

__all__ = ["CommandHandler", "HandlerRegistry", "Subscription", "handler_name", "total"]

M = TypeVar("M", bound=Message)


def _unwrapped(handler: Any) -> Any:
    """What a partial wraps."""
    while isinstance(handler, functools.partial):
        handler = cast("Any", handler).func
    return handler


def handler_name(handler: Callable[..., Any]) -> str:
    """How messages and stats name a handler: `module.qualname`, of what a partial wraps, of an object's class."""
    target = _unwrapped(handler)
    named: Any = target if hasattr(target, "__qualname__") else type(target)  # pyright: ignore[reportUnknownVariableType]
    return f"{named.__module__}.{named.__qualname__}"


def _is_async(handler: Callable[..., Any], test: Callable[[Any], bool]) -> bool:
    target = _unwrapped(handler)
    return test(target) or test(getattr(target, "__call__", None))  # noqa: B004 - the method itself is inspected


@attrs.define(eq=False)
class CommandHandler:
    """A command handler's registration."""

    command_type: type[Message]
    handler: Callable[[Any], Any]
    timeout: float | None
    scope: str | None
    name: str
    _registry: HandlerRegistry = attrs.field(repr=False)

    def unregister(self) -> None:
        """Take the handler out; commands that it runs already are finished."""
        self._registry.remove_command(self)


@attrs.define(eq=False)
class Subscription(Generic[M]):
    """An event handler's registration, with its books."""

    event_type: type[Event]
    handler: Callable[[Any], Any]
    scope: str | None
    name: str
    where: Callable[[Any], bool] | None
    timeout: float | None
    retry: Retry
    in_thread: bool
    is_async: bool
    _discard: Callable[[Subscription[Any]], None] = attrs.field(repr=False)
    alive: bool = True
    deliveries: int = 0
    delivered: int = 0
    failed: int = 0
    dropped: int = 0
    expired: int = 0
    discarded: int = 0
    untold_drops: int = 0
    told_drops_at: float = float("-inf")

    @property
    def inline(self) -> bool:
        """Whether the handler returns at once, so that it can run beside others without a task of its own."""
        return not (self.is_async or self.in_thread or self.retry.attempts > 1)

    def unregister(self) -> None:
        """Call the handler no more; what waits for it is discarded, the one running is finished."""
        if self.alive:
            self.alive = False
            self._discard(self)

    def stats(self) -> DeliveryStats:
        """The books, as they stand."""
        counts = [getattr(self, a.name) for a in attrs.fields(DeliveryStats)[:-1]]
        return DeliveryStats(**_by_name(counts), pending=counts[0] - sum(counts[1:]))


def _by_name(counts: Iterable[int]) -> dict[str, int]:
    return dict(zip((a.name for a in attrs.fields(DeliveryStats)), counts, strict=False))


class HandlerRegistry:
    """All handlers of a bus, by scope: None is the bus, a string the session of that id."""

    def __init__(self) -> None:
        self._commands: dict[str | None, dict[type[Message], CommandHandler]] = {}
        self._subscriptions: dict[str | None, list[Subscription[Any]]] = {}
        self._matching: dict[type[Event], tuple[Subscription[Any], ...]] = {}  # of the bus's own scope
        self._sealed: set[str] = set()
        self._serial = itertools.count(1)
        self._leaving: set[Subscription[Any]] = set()  # unregistered, and still owed or running something
        self._gone: dict[str, DeliveryStats] = {}

    # commands

    def add_command(
        self, command_type: Any, handler: Callable[..., Any], scope: str | None, timeout: float | None
    ) -> CommandHandler:
        """Register a command handler.

        Raises:
            DuplicateHandlerError: the scope has one for that type.
            TypeError: the type is no command, or the handler is not of the kind that it needs.
        """
        origin = getattr(command_type, "__origin__", command_type)
        _check_command_handler(origin, handler)
        handlers = self._commands.setdefault(scope, {})
        if origin in handlers:
            where = "bus" if scope is None else f"session {scope!r}"
            raise DuplicateHandlerError(origin.__qualname__, where, handlers[origin].name)
        handlers[origin] = CommandHandler(origin, handler, timeout, scope, handler_name(handler), self)
        return handlers[origin]

    def remove_command(self, registration: CommandHandler) -> None:
        """Take out a command handler; without effect if it is out."""
        handlers = self._commands.get(registration.scope, {})
        if handlers.get(registration.command_type) is registration:
            del handlers[registration.command_type]

    def find_command(self, command: Message) -> CommandHandler:
        """The handler of the command's session, else the bus's.

        Raises:
            HandlerNotFoundError: there is none.
        """
        kind = type(command)
        scopes = (None,) if command.session_id in self._sealed else (command.session_id, None)
        for scope in scopes:
            if found := self._commands.get(scope, {}).get(kind):
                return found
        known = {c.__qualname__: c for scope in scopes for c in self._commands.get(scope, {})}
        near = tuple(difflib.get_close_matches(kind.__qualname__, known, n=3))
        raise HandlerNotFoundError(kind.__qualname__, near)

    # events

    def add_subscription(
        self,
        event_type: Any,
        handler: Callable[..., Any],
        *,
        scope: str | None,
        where: Callable[[Any], bool] | None,
        timeout: float | None,
        retry: Retry | None,
        in_thread: bool,
        discard: Callable[[Subscription[Any]], None],
    ) -> Subscription[Any]:
        """Register an event handler.

        Raises:
            TypeError: the type is no event, or the handler is not of the kind that it needs.
        """
        origin = getattr(event_type, "__origin__", event_type)
        if not (isinstance(origin, type) and issubclass(origin, Event)):
            raise TypeError(f"{event_type!r} is no event class; subclass llmgine_core.Event")
        is_async = _is_async(handler, inspect.iscoroutinefunction)
        if is_async and in_thread:
            raise TypeError(f"{handler_name(handler)} is a coroutine function and runs on the loop; drop in_thread")
        if not callable(handler):
            raise TypeError(f"an event handler must be callable, not {handler!r}")
        name = f"{handler_name(handler)}#{next(self._serial)}"
        subscription = Subscription[Any](
            origin, handler, scope, name, where, timeout, retry or Retry(), in_thread, is_async, discard
        )
        self._subscriptions.setdefault(scope, []).append(subscription)
        self._matching.clear()
        return subscription

    def remove_subscription(self, subscription: Subscription[Any]) -> None:
        """Take out a subscription and keep its books."""
        self._subscriptions[subscription.scope].remove(subscription)
        self._leaving.add(subscription)
        if not self._subscriptions[subscription.scope]:
            del self._subscriptions[subscription.scope]
        self._matching.clear()

    def retire(self, subscription: Subscription[Any]) -> None:
        """Add the final books of a subscription that is gone to those of its handler."""
        name = subscription.name.partition("#")[0]
        self._leaving.discard(subscription)
        self._gone[name] = total([self._gone.get(name, DeliveryStats()), subscription.stats()])

    def matching(self, scope: str | None, event_type: type[Event]) -> tuple[Subscription[Any], ...]:
        """Subscriptions of the bus, then of that session, to the type or one of its bases."""
        if (found := self._matching.get(event_type)) is None:
            found = self._matching[event_type] = self._scan(None, event_type)
        if scope is None or scope in self._sealed or scope not in self._subscriptions:
            return found
        return found + self._scan(scope, event_type)

    def _scan(self, scope: str | None, event_type: type[Event]) -> tuple[Subscription[Any], ...]:
        return tuple(s for s in self._subscriptions.get(scope, ()) if issubclass(event_type, s.event_type))

    def subscribed(self, event_type: type[Event]) -> bool:
        """Whether any scope subscribes to the type or one of its bases."""
        return any(issubclass(event_type, s.event_type) for each in self._subscriptions.values() for s in each)

    # scopes and books

    def seal_scope(self, scope: str) -> None:
        """Find the handlers of a session no more; what they are owed already they still get."""
        self._sealed.add(scope)

    def end_scope(self, scope: str) -> None:
        """Unregister everything of a session."""
        self._sealed.discard(scope)
        self._commands.pop(scope, None)
        for subscription in list(self._subscriptions.get(scope, ())):
            subscription.unregister()

    def living(self) -> Iterator[Subscription[Any]]:
        """All subscriptions that are registered."""
        return itertools.chain.from_iterable(self._subscriptions.values())

    def stats(self) -> dict[str, DeliveryStats]:
        """The books by subscription name; those that are gone are added up by handler."""
        known = itertools.chain(self.living(), self._leaving)
        return {**self._gone, **{s.name: s.stats() for s in known}}


def _check_command_handler(command_type: Any, handler: Callable[..., Any]) -> None:
    if not (isinstance(command_type, type) and issubclass(command_type, (Command, StreamCommand))):
        raise TypeError(f"{command_type!r} is no command class; subclass llmgine_core.Command or StreamCommand")
    streams = issubclass(command_type, StreamCommand)
    test = inspect.isasyncgenfunction if streams else inspect.iscoroutinefunction
    if not _is_async(handler, test):
        wanted = "an async generator function (`async def` with `yield`)" if streams else "a coroutine function"
        raise TypeError(f"the handler of {command_type.__qualname__} must be {wanted}, not {handler!r}")


def total(stats: Iterable[DeliveryStats]) -> DeliveryStats:
    """The sum of several books."""
    rows = [attrs.astuple(s) for s in stats]
    return DeliveryStats(**_by_name(map(sum, zip(*rows, strict=True)))) if rows else DeliveryStats()
