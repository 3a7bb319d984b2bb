"""`InMemoryTransport`: messages stay on their bus."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any

from llmgine_core.contracts import Event, Message, TransportCapabilities
from llmgine_core.errors import HandlerNotFoundError

if TYPE_CHECKING:
    from llmgine_core.abc import Endpoint

__all__ = ["InMemoryTransport"]


class InMemoryTransport:
    """Carries nothing anywhere: there is no other bus.

    What a bus publishes and executes never gets here, since the bus does by itself whatever there is to do.
    """

    capabilities: TransportCapabilities = TransportCapabilities()

    async def open(self, endpoint: Endpoint) -> None:
        """Begin; nothing will come from elsewhere."""

    async def close(self) -> None:
        """End; nothing was kept."""

    async def publish(self, event: Event, *, ttl: float | None, wait: bool) -> None:
        """Take an event that nobody else wants."""

    async def request(self, command: Message) -> Any:
        """Nobody else could answer.

        Raises:
            HandlerNotFoundError: always.
        """
        raise HandlerNotFoundError(type(command).__qualname__)

    def request_stream(self, command: Message) -> AbstractAsyncContextManager[AsyncIterator[Any]]:
        """Nobody else could answer.

        Raises:
            HandlerNotFoundError: always.
        """
        raise HandlerNotFoundError(type(command).__qualname__)

    def serve(self, command_type: type[Message]) -> None:
        """Nobody else needs to know."""

    def unserve(self, command_type: type[Message]) -> None:
        """Nobody else needs to know."""

    def join(self, group: str, event_type: type[Event], where: str | None) -> None:
        """Nobody else has members."""

    def leave(self, group: str) -> None:
        """Nobody else has members."""
