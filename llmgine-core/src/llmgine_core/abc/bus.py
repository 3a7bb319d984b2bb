"""What a message bus and its sessions are."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import Any, Protocol, Self, TypeVar

from llmgine_core.contracts import (
    BusStats,
    Command,
    DeadLetter,
    Event,
    Message,
    Overflow,
    Retry,
    StopReport,
    StreamCommand,
)

__all__ = [
    "BusSession",
    "BusVerbs",
    "CommandType",
    "EventTap",
    "MessageBus",
    "Middleware",
    "Registration",
    "ScheduledEvent",
]

R = TypeVar("R")
T = TypeVar("T")
E = TypeVar("E", bound=Event)
C = TypeVar("C")
A = TypeVar("A")
C_co = TypeVar("C_co", covariant=True)
A_contra = TypeVar("A_contra", contravariant=True)
E_contra = TypeVar("E_contra", bound=Event, contravariant=True)

Middleware = Callable[[Message, Callable[[Message], Awaitable[Any]]], Awaitable[Any]]
"""`async def middleware(message, call_next)`: wraps `execute` and the acceptance of `publish`."""

EventTap = Callable[[Event], None]
"""Called once with each accepted event, before delivery; must neither block nor raise."""


class Registration(Protocol):
    """A handler's registration."""

    @property
    def name(self) -> str:
        """The name under which `stats()` counts it."""
        ...

    def unregister(self) -> None:
        """End it: the handler is not called again, what waits for it is discarded, the one running finishes."""
        ...


class ScheduledEvent(Protocol):
    """An event that will be published later."""

    def cancel(self) -> None:
        """Do not publish it; without effect once it is published."""
        ...


class CommandType(Protocol[C_co, A_contra]):
    """A command's class, as type checkers see it: with what its handler takes and what it returns.

    Every subclass of `Command` and `StreamCommand` is one. A helper that passes a class and its handler on is written
    `def helper(kind: CommandType[C, A], handler: Callable[[C], A])`; with `type[C]`, any answer would do.
    """

    def _llmgine_handled(self) -> C_co: ...

    # contravariant: what a handler returns may be narrower than what the command promises, never something else
    def _llmgine_answered(self, answer: A_contra, /) -> None: ...

    # a class can be called, a message cannot
    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Make a command."""
        ...


class BusVerbs(Protocol):
    """What can be asked of a bus and of a session alike."""

    def register_command_handler(
        self,
        command_type: CommandType[C, A],
        handler: Callable[[C], A],
        *,
        timeout: float | None = None,
    ) -> Registration:
        """Let `handler` answer commands of exactly this type.

        Args:
            command_type: a subclass of `Command` or `StreamCommand`.
            handler: a coroutine function of the command; for a `StreamCommand` an async generator function.
            timeout: seconds that one command may take.

        Raises:
            DuplicateHandlerError: this scope has a handler for the type.
            TypeError: `handler` is not of that kind.
        """
        ...

    def register_event_handler(
        self,
        event_type: type[E],
        handler: Callable[[E], Any],
        *,
        where: Callable[[E], bool] | None = None,
        group: str | None = None,
        timeout: float | None = None,
        retry: Retry | None = None,
        overflow: Overflow | None = None,
        capacity: int | None = None,
        in_thread: bool = False,
    ) -> Registration:
        """Let `handler` see every event of this type and of its subclasses.

        Args:
            event_type: `Event` for all.
            handler: a function or coroutine function of the event.
            where: only events for which this is true.
            group: share the events with the other members of the group of this name: each goes to one of them.
            timeout: seconds that one attempt may take, from its first suspension on.
            retry: how often to try again; by default not at all.
            overflow: what becomes of an event for which there is no room; by default what the bus was told.
            capacity: most deliveries that may wait in each of the handler's lanes (one handler in one session).
            in_thread: run a plain function in a worker thread, since it would block the loop.

        Raises:
            DuplicateHandlerError: the group's members handle another event type, or with other options.
            ValueError: an option is not what it may be.
            TypeError: `event_type` is no event class, or `in_thread` is asked of a coroutine function.
        """
        ...

    async def execute(self, command: Command[R], *, timeout: float | None = None) -> R:
        """Have the command's handler answer.

        Args:
            command: the command.
            timeout: seconds to wait at most.

        Returns:
            The handler's answer.

        Raises:
            HandlerNotFoundError: no handler is registered.
            BusClosedError: the bus does not run, or was stopped meanwhile.
            SessionClosedError: the session has ended.
            TimeoutError: the time is up.
            Exception: whatever the handler raises, unchanged.
        """
        ...

    def stream(
        self, command: StreamCommand[T], *, timeout: float | None = None
    ) -> AbstractAsyncContextManager[AsyncIterator[T]]:
        """Have the command's handler answer with a stream: `async with bus.stream(command) as items`.

        Leaving the block early ends the handler's generator, its `finally` included.

        Raises:
            The same as `execute`, on entry or while iterating.
        """
        ...

    async def publish(self, event: Event, *, ttl: float | None = None) -> None:
        """Give the event to the bus. Returns when it is accepted, not when it is handled.

        Args:
            event: the event.
            ttl: seconds after which a delivery that has not begun expires.

        Raises:
            BusClosedError: the bus does not run.
            SessionClosedError: the session has ended.
            QueueFullError: inside an event handler, when its reserve is used up too.
            ValueError: the event bears another session's id than the session it is published through.
        """
        ...

    def expect(
        self, event_type: type[E], *, where: Callable[[E], bool] | None = None, timeout: float | None = None
    ) -> Awaitable[E]:
        """The next event of this type accepted after this call; await the result to wait for it.

        Raises:
            TimeoutError: when awaited: the time is up.
            BusClosedError: when awaited: the bus stops.
        """
        ...

    def schedule(self, event: Event, *, delay: float) -> ScheduledEvent:
        """Publish the event after `delay` seconds, unless its session or the bus ends before."""
        ...


class BusSession(BusVerbs, Protocol):
    """A conversation's place on the bus; everything registered or started through it ends with it."""

    @property
    def id(self) -> str:
        """The session's id."""
        ...

    @property
    def closed(self) -> bool:
        """Whether the session has ended."""
        ...

    def start_soon(self, function: Callable[..., Coroutine[Any, Any, Any]], *args: Any) -> None:
        """Run a coroutine function in the background until the session ends; its errors are raised there.

        Raises:
            SessionClosedError: the session has ended.
        """
        ...

    async def aclose(self) -> None:
        """End the session, as leaving its `async with` does."""
        ...

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None, /
    ) -> bool | None: ...


class MessageBus(BusVerbs, Protocol):
    """Carries commands to their one handler and events to all that subscribed."""

    async def start(self) -> None:
        """Begin to take work; without effect on a running bus."""
        ...

    async def stop(self, *, drain: float = 10.0) -> StopReport:
        """Take no more work, finish what was accepted within `drain` seconds, cancel the rest; idempotent."""
        ...

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None, /
    ) -> bool | None: ...

    def session(self, id: str | None = None, *, join: bool = False, drain: float = 5.0) -> BusSession:
        """A session, opened by `async with`.

        Args:
            id: its id; by default a new one.
            join: share the session of this id if it is open; the last to leave ends it.
            drain: seconds that its queued events have at its end.

        Raises:
            SessionExistsError: on entry: the id is open and `join` is false.
        """
        ...

    def emit(self, event: Event) -> None:
        """Publish without waiting or failing, from any thread: for telemetry. What finds no room is counted."""
        ...

    def publish_from_thread(self, event: Event, *, ttl: float | None = None) -> None:
        """`publish` for a thread outside the event loop; returns when the event is accepted.

        Raises:
            The same as `publish`; RuntimeError on the loop's own thread.
        """
        ...

    def add_middleware(self, middleware: Middleware) -> None:
        """Wrap every `execute` and every acceptance of an event; the first added is the outermost."""
        ...

    def add_tap(self, tap: EventTap) -> Registration:
        """Show every accepted event to `tap`, before its delivery."""
        ...

    def listens(self, event_type: type[Event], *, exactly: bool = False) -> bool:
        """Whether anybody would see an event of this type.

        Args:
            event_type: the type.
            exactly: count only who subscribed to this very type, for events too many to show to everybody.
        """
        ...

    async def wait_idle(self, *, timeout: float | None = None) -> None:
        """Wait until nothing is pending.

        Raises:
            TimeoutError: the time is up.
        """
        ...

    def stats(self) -> BusStats:
        """The books, as they stand."""
        ...

    def dead_letters(self) -> tuple[DeadLetter, ...]:
        """Deliveries on which a handler failed for good, oldest first: the newest 1,000."""
        ...

    async def redeliver(self, id: str) -> None:
        """Owe the event of a dead letter once more to the subscription that failed on it, and take the letter out.

        Raises:
            LookupError: there is no such letter, or its subscription is gone; then the letter stays.
            BusClosedError: the bus does not run.
        """
        ...
