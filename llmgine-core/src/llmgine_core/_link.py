"""What joins a bus to its transport: what it sends, and what it lets in."""

from __future__ import annotations

import contextvars
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import anyio

from llmgine_core._handlers import handler_name
from llmgine_core._subscriptions import Subscription
from llmgine_core._transport import InMemoryTransport
from llmgine_core.contracts import Event, Message, current_handling
from llmgine_core.errors import HandlerNotFoundError

if TYPE_CHECKING:
    from llmgine_core._engine import Engine
    from llmgine_core.abc import Transport

__all__ = ["Link"]

_logger = logging.getLogger("llmgine.bus")

V = TypeVar("V")
_WINDOW = 10_000  # so many messages are remembered, to let those go that come again
_CLOSING = 5.0  # seconds that a transport has to close


class _Window(Generic[V]):
    """What is known of the messages that came last, by id."""

    def __init__(self) -> None:
        self._known: dict[str, V] = {}

    def get(self, id: str) -> V | None:
        return self._known.get(id)

    def add(self, id: str, value: V) -> None:
        self._known[id] = value
        if len(self._known) > _WINDOW:
            del self._known[next(iter(self._known))]

    def forget(self, id: str) -> None:
        self._known.pop(id, None)


class _Receipt:
    """How the delivery of an event to a group ended, for the transport that waits for it, and for one that asks again.

    Args:
        taken: what is known of the group's last events; one that is not done with is forgotten again.
        id: the event's.
    """

    def __init__(self, taken: _Window[_Receipt], id: str) -> None:
        self._taken, self._id = taken, id
        self._ended = anyio.Event()
        self._how = ""
        taken.add(id, self)

    def settle(self, how: str) -> None:
        self._how = how
        if how == "discarded":
            self._taken.forget(self._id)
        self._ended.set()

    async def is_done(self) -> bool:
        await self._ended.wait()
        return self._how != "discarded"


class Link:
    """A bus's end of a transport: an `Interest` of its registry, an `Endpoint` for its transport.

    Args:
        engine: the bus.
        transport: what carries its messages.

    Attributes:
        transport: the same.
        is_direct: whether there is no other bus, so that nothing needs to be carried.
        received: events that came from other buses.
        deduplicated: events that came once more, and were let go.
    """

    def __init__(self, engine: Engine, transport: Transport) -> None:
        self._engine = engine
        self.transport: Transport = transport
        self.is_direct: bool = type(transport) is InMemoryTransport
        self.received: int = 0
        self.deduplicated: int = 0
        self._is_open = self._serves = False
        self._seen: _Window[bool] = _Window()
        self._taken: dict[str, _Window[_Receipt]] = {}  # by group

    # opening and closing

    def check_loop(self, backend: str) -> None:
        """Refuse an event loop that the transport does not run on.

        Raises:
            RuntimeError: it does not.
        """
        backends = self.transport.capabilities.backends
        if backend not in backends:
            kind, names = type(self.transport).__name__, " or ".join(sorted(backends))
            raise RuntimeError(f"{kind} runs on {names}, not on {backend}; run the application on {names}")

    async def open(self) -> None:
        """Open the transport, and tell it what the bus has handlers for."""
        registry = self._engine.registry
        self._context = contextvars.copy_context()
        self._context.run(current_handling.set, None)  # what comes has its cause elsewhere, whoever starts the bus
        await self.transport.open(self)
        self._is_open = self._serves = True
        for command_type in registry.bus.commands:
            self.serve(command_type)
        for group in registry.shared_groups():
            self.join(group)

    def serve_no_more(self) -> None:
        """The bus is about to stop: others may still answer what it would refuse."""
        try:
            for command_type in self._engine.registry.bus.commands:
                self.unserve(command_type)
        except Exception:
            _logger.exception("the transport %s failed to unserve", type(self.transport).__name__)
        self._serves = False

    async def close(self) -> None:
        """Close the transport, if it is open."""
        if not self._is_open:
            return
        self._is_open = self._serves = False
        with anyio.move_on_after(_CLOSING, shield=True) as patience:
            try:
                await self.transport.close()
            except Exception:
                _logger.exception("the transport %s failed to close", type(self.transport).__name__)
        if patience.cancelled_caught:
            _logger.error("the transport %s did not close in %g s", type(self.transport).__name__, _CLOSING)

    # what the bus has handlers for

    def serve(self, command_type: type[Message]) -> None:
        """The bus answers commands of this type."""
        if self._serves:
            self.transport.serve(command_type)

    def unserve(self, command_type: type[Message]) -> None:
        """It does no more."""
        if self._serves:
            self.transport.unserve(command_type)

    def join(self, group: Subscription) -> None:
        """The bus has members in this group."""
        if self._is_open:
            name, where = group.options.group, group.options.where
            assert name is not None
            self.transport.join(name, group.event_type, None if where is None else handler_name(where))

    def leave(self, group: Subscription) -> None:
        """It has none any more."""
        assert group.options.group is not None
        self._taken.pop(group.options.group, None)
        if self._is_open:
            self.transport.leave(group.options.group)

    # what goes out

    async def request(self, command: Message) -> Any:
        """Have another bus answer a command.

        Raises:
            HandlerNotFoundError: there is none that does.
        """
        if self.is_direct:
            raise self._nobody(command)
        try:
            return await self.transport.request(command)
        except HandlerNotFoundError as error:
            if _is_about(error, command):
                raise self._nobody(command) from error
            raise

    async def request_stream(self, command: Message) -> AsyncGenerator[Any, None]:
        """Have another bus answer a command with a stream; the first item is none, but says that the answer has begun.

        Raises:
            HandlerNotFoundError: there is none that does.
        """
        try:
            async with self.transport.request_stream(command) as items:
                yield None
                async for item in items:
                    yield item
        except HandlerNotFoundError as error:
            if _is_about(error, command):
                raise self._nobody(command) from error
            raise

    def _nobody(self, command: Message) -> HandlerNotFoundError:
        return self._engine.registry.not_found(type(command), command.session_id)

    # what comes in

    def spawn(self, function: Callable[..., Coroutine[Any, Any, None]], *args: Any) -> None:
        """Run a coroutine function as a task of the bus."""
        self._context.copy().run(self._engine.spawn, function, *args)

    async def receive(self, event: Event, *, ttl: float | None = None) -> None:
        """Owe an event of another bus to everybody here who subscribed, but not to groups."""
        await self._engine.opened()
        if self._seen.get(event.id):
            self.deduplicated += 1
            return
        self._seen.add(event.id, True)
        try:
            await self._engine.acceptance.place(event, ttl, self._engine.registry.bus, is_own=False)
        except BaseException:  # it is not taken, and may come again
            self._seen.forget(event.id)
            raise
        self.received += 1

    async def take(self, event: Event, group: str, *, ttl: float | None = None) -> bool:
        """Have a member of the group handle the event; whether it is done with."""
        await self._engine.opened()
        subscription = self._engine.registry.shared_group(group)
        if subscription is None:
            return False
        taken = self._taken.setdefault(group, _Window())
        receipt = taken.get(event.id)
        if receipt is not None:
            self.deduplicated += 1
        else:
            receipt = _Receipt(taken, event.id)
            await self._owe(event, ttl, subscription, receipt)
        return await receipt.is_done()

    async def _owe(self, event: Event, ttl: float | None, group: Subscription, receipt: _Receipt) -> None:
        assert group.receipts is not None
        group.receipts[event.id] = receipt.settle
        try:
            is_owed = await self._engine.acceptance.place(
                event, ttl, self._engine.registry.bus, is_own=False, group=group
            )
        except BaseException:
            group.receipts.pop(event.id, None)
            receipt.settle("discarded")
            raise
        if not is_owed:
            group.receipts.pop(event.id, None)
            receipt.settle("unmatched" if group.alive else "discarded")

    async def answer(self, command: Message) -> Any:
        """Have the handler here answer another bus's command."""
        await self._engine.opened()
        return await self._engine.answering.answer(command)

    def answer_stream(self, command: Message) -> AbstractAsyncContextManager[AsyncIterator[Any]]:
        """Have the handler here answer another bus's command with a stream."""
        return self._engine.answering.stream(command, None, self._engine.registry.bus, here_only=True)


def _is_about(error: HandlerNotFoundError, command: Message) -> bool:
    """Whether it is the command that nobody answers, rather than one that its handler has sent."""
    return error.command == type(command).__qualname__
