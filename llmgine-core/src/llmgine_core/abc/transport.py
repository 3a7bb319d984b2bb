"""What carries messages between buses, and what a bus offers to it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

from llmgine_core.contracts import Event, Message, TransportCapabilities

__all__ = ["Endpoint", "Transport"]


class Transport(Protocol):
    """Carries messages between buses. It serves one bus, which opens it at its start and closes it when it has stopped.

    An event goes to every other bus once, and once to each group, whichever bus has the members, that of the publisher
    included. A command for which a bus has no handler of its own goes to one that has. A message's header travels with
    it; its publisher's context variables do not. `llmgine_core.serialization` writes and reads messages, answers and
    errors.

    `open` and `close` are awaited in one task, so that a transport may enter a task group in one and leave it in the
    other. What it calls of its `Endpoint` must be called on the bus's event loop.
    """

    @property
    def capabilities(self) -> TransportCapabilities:
        """What it can do."""
        ...

    async def open(self, endpoint: Endpoint) -> None:
        """Begin to carry for this bus; `serve` and `join` are called for what it has registered.

        A stop that has waited too long for it cancels it.

        Raises:
            Exception: it cannot; the bus does not start, and whoever starts it gets the error.
        """
        ...

    async def close(self) -> None:
        """End. Deliveries to groups that are not acknowledged are another member's."""
        ...

    async def publish(self, event: Event, *, ttl: float | None, wait: bool) -> None:
        """Carry an event to the other buses and to the groups; returns when it is as safe as the durability says.

        Cancelled by a stop of the bus, and by the end of the session through which the event is published.

        Args:
            event: the event.
            ttl: seconds after which a delivery that has not begun expires.
            wait: whether to wait where there is no room.

        Raises:
            QueueFullError: there is no room, and it must not wait.
            SerializationError: the event holds what cannot be written.
        """
        ...

    async def request(self, command: Message) -> Any:
        """Have a bus that serves the command's type answer it; cancelling the call cancels the handler.

        Raises:
            HandlerNotFoundError: no bus does.
            BusClosedError: the bus that was asked went away.
            RemoteHandlerError: the handler raised what has no type here.
            Exception: whatever else the handler raised.
        """
        ...

    def request_stream(self, command: Message) -> AbstractAsyncContextManager[AsyncIterator[Any]]:
        """Have a bus that serves the command's type answer it with a stream; leaving early ends the handler.

        Raises:
            The same as `request`, on entry or while iterating.
        """
        ...

    def serve(self, command_type: type[Message]) -> None:
        """Bring commands of this type here, too."""
        ...

    def unserve(self, command_type: type[Message]) -> None:
        """Bring them here no more."""
        ...

    def join(self, group: str, event_type: type[Event], where: str | None) -> None:
        """Offer the events of this group here, too.

        Args:
            group: its name.
            event_type: what its members see, subclasses included.
            where: the name of their filter, which the bus applies itself; None if they have none.

        Raises:
            DuplicateHandlerError: members elsewhere see another type, or have another filter; where it is known later
                only, the transport says so in the log.
        """
        ...

    def leave(self, group: str) -> None:
        """Offer them here no more."""
        ...


class Endpoint(Protocol):
    """What a bus offers to its transport."""

    def spawn(self, function: Callable[..., Coroutine[Any, Any, None]], *args: Any) -> None:
        """Run a coroutine function, which must not raise, as a task of the bus, in no publisher's context."""
        ...

    async def receive(self, event: Event, *, ttl: float | None = None) -> None:
        """Owe an event of another bus to everybody here who subscribed, but not to groups.

        Returns when there was room for it, also where a subscription's policy is `raise`: there is no publisher here to
        be refused. One that has come before, within the last 10,000, is let go.

        Args:
            event: the event.
            ttl: seconds after which a delivery that has not begun expires.

        Raises:
            BusClosedError: the bus does not run, or stops.
        """
        ...

    async def take(self, event: Event, group: str, *, ttl: float | None = None) -> bool:
        """Have a member of the group that is registered here handle the event; returns when that is over.

        One that comes again, while it is handled or within the next 10,000, is not handled again.

        Args:
            event: the event, of whichever bus.
            group: the group's name.
            ttl: seconds after which a delivery that has not begun expires.

        Returns:
            Whether the event is done with: handled, failed for good, expired, dropped, or not meant for the group. If
            not, it is another member's.

        Raises:
            BusClosedError: the bus does not run, or stops.
        """
        ...

    async def answer(self, command: Message) -> Any:
        """Have the handler here answer another bus's command; cancelling the call cancels the handler.

        Raises:
            HandlerNotFoundError: there is none.
            BusClosedError: the bus does not run, or was stopped meanwhile.
            TimeoutError: the command's deadline, or the handler's timeout, is over.
            Exception: whatever the handler raises.
        """
        ...

    def answer_stream(self, command: Message) -> AbstractAsyncContextManager[AsyncIterator[Any]]:
        """Have the handler here answer another bus's `StreamCommand`.

        Raises:
            The same as `answer`, on entry or while iterating.
        """
        ...
