"""`MessageBus`: commands to their one handler, events to all that subscribed."""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Generator
from contextlib import contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Any, ClassVar, Self, cast

from llmgine_core._engine import Engine
from llmgine_core._session import BusSession
from llmgine_core._transport import InMemoryTransport
from llmgine_core._verbs import Verbs
from llmgine_core.contracts import BusStats, DeadLetter, Event, Overflow, StopReport

if TYPE_CHECKING:
    from llmgine_core.abc import EventTap, Middleware, Registration, Transport

__all__ = ["MessageBus"]


_buses: contextvars.ContextVar[tuple[Any, ...]] = contextvars.ContextVar("llmgine_buses", default=())


@contextmanager
def as_current(bus: Any) -> Generator[None]:
    """Make `MessageBus.current()` return this bus, in the caller's context and those copied from it.

    Several may be nested and left in any order: the one entered last that is not left yet is the current one.
    """
    _buses.set((*_buses.get(), bus))
    try:
        yield
    finally:
        # without a token, which only the context in which it was made would take back
        _buses.set(tuple(each for each in _buses.get() if each is not bus))


class MessageBus(Verbs):
    """Carries commands to their one handler and events to all that subscribed.

    Args:
        capacity: most deliveries that may wait. What comes on top is dealt with as `overflow` says; publications below
            an event handler, which must not wait, use a reserve of twice as many.
        overflow: what becomes of an event for which there is no room, where its subscription does not say otherwise:
            `wait` (the publisher does, in turn), `drop_oldest` (from the longest lane), `drop_newest`, `raise`.
        transport: what carries messages to and from other buses; by default there are none. A transport serves one bus.
        stall_after: seconds that the event loop may be blocked before the log names the handler that blocks it, from a
            thread that watches; None does without.

    Raises:
        ValueError: `capacity` is less than 1, or `overflow` none of these.
    """

    _shared: ClassVar[MessageBus | None] = None
    _shared_lock: ClassVar[threading.Lock] = threading.Lock()

    def __init__(
        self,
        *,
        capacity: int = 10_000,
        overflow: Overflow = "wait",
        transport: Transport | None = None,
        stall_after: float | None = 1.0,
    ) -> None:
        transport = InMemoryTransport() if transport is None else transport
        engine = Engine(capacity=capacity, overflow=overflow, transport=transport, stall_after=stall_after)
        super().__init__(engine, engine.registry.bus)

    @classmethod
    def shared(cls) -> MessageBus:
        """The one bus of this process, made at the first call and not started."""
        with MessageBus._shared_lock:
            if MessageBus._shared is None:
                MessageBus._shared = MessageBus()
            return MessageBus._shared

    @classmethod
    def current(cls) -> MessageBus:
        """The bus of the application that runs here.

        Raises:
            LookupError: no application runs in this context.
        """
        if not (buses := _buses.get()):
            raise LookupError("no application runs here; enter an ApplicationBootstrap first")
        return cast("MessageBus", buses[-1])

    @property
    def transport(self) -> Transport:
        """What carries its messages; its `capabilities` say what an accepted event survives."""
        return self._engine.link.transport

    # starting and stopping

    async def start(self) -> None:
        """Begin to take work; without effect on a running bus. After a stop, the bus opens anew on the running loop.

        Raises:
            BusClosedError: the bus is stopping.
            RuntimeError: the transport does not run on this event loop.
            DuplicateHandlerError: a group's members on other buses handle another event type, or with another filter.
            Exception: whatever the transport raised when it was opened.
        """
        await self._engine.start()

    async def stop(self, *, drain: float = 10.0) -> StopReport:
        """Take no more work, finish what was accepted, cancel the rest. Idempotent.

        From inside a handler, or a session's background task, it asks for the stop and returns, since the stop waits
        for that one.

        Args:
            drain: seconds for what was accepted.

        Returns:
            What had to be left.
        """
        return await self._engine.stop(drain)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.stop()

    # sessions

    def session(self, id: str | None = None, *, join: bool = False, drain: float = 5.0) -> BusSession:
        """A session, opened by `async with`.

        Args:
            id: its id; by default a new one.
            join: share the session of this id if it is open; the last to leave ends it.
            drain: seconds that its queued events have at its end.

        Raises:
            SessionExistsError: on entry: the id is open and `join` is false.
            SessionClosedError: on entry: the session to join is ending.
            BusClosedError: on entry: the bus does not run.
        """
        return BusSession(self._engine, id, join=join, drain=drain)

    # between publishers and handlers

    def add_middleware(self, middleware: Middleware) -> None:
        """Wrap every `execute` and every acceptance of an event in `async def middleware(message, call_next)`.

        The first added is the outermost. An event that it does not pass on is not accepted.
        """
        self._engine.add_middleware(middleware)

    def add_tap(self, tap: EventTap) -> Registration:
        """Show every accepted event to `tap`, before its delivery; it must neither block nor raise."""
        return self._engine.add_tap(tap)

    def listens(self, event_type: type[Event], *, exactly: bool = False) -> bool:
        """Whether anybody would see an event of this type.

        Args:
            event_type: the type.
            exactly: count only who subscribed to this very type, for events too many to show to everybody.
        """
        return self._engine.listens(event_type, exactly=exactly)

    def emit(self, event: Event) -> None:
        """Publish without waiting or failing, from any thread: for telemetry. What finds no room is counted."""
        self._engine.acceptance.emit(event)

    def publish_from_thread(self, event: Event, *, ttl: float | None = None) -> None:
        """`publish` for a thread outside the event loop; returns when the event is accepted.

        Args:
            event: the event.
            ttl: seconds after which a delivery that has not begun expires.

        Raises:
            RuntimeError: on the loop's own thread, which would wait for itself.
            BusClosedError: the bus does not run.
            TypeError: `event` is no `Event`.
            QueueFullError: there is no room, and the policy of a subscription is `raise`.
        """
        self._engine.acceptance.publish_from_thread(event, ttl, self._scope)

    # looking

    async def wait_idle(self, *, timeout: float | None = None) -> None:
        """Wait until nothing is pending but what the caller itself is part of.

        A stream whose handler waits for its reader counts as idle, and so does, seen from inside a handler, every
        handler that waits for idleness itself.

        Args:
            timeout: seconds to wait at most.

        Raises:
            TimeoutError: the time is up.
        """
        await self._engine.wait_idle(timeout)

    def stats(self) -> BusStats:
        """The books, as they stand."""
        return self._engine.stats()

    def dead_letters(self) -> tuple[DeadLetter, ...]:
        """Deliveries on which a handler failed for good, oldest first: the newest 1,000."""
        return self._engine.letters.all()

    async def redeliver(self, id: str) -> None:
        """Owe the event of a dead letter once more to the subscription that failed on it, and take the letter out.

        Args:
            id: the letter's.

        Raises:
            LookupError: there is no such letter, or its subscription is gone; then the letter stays.
            BusClosedError: the bus does not run.
        """
        await self._engine.redeliver(id)
