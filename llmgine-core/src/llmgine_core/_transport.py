"""`InMemoryTransport`: messages that stay in their process."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from typing import Any

from llmgine_core.abc import Endpoint
from llmgine_core.contracts import Event, Message, TransportCapabilities
from llmgine_core.errors import HandlerNotFoundError

__all__ = ["InMemoryTransport"]


class InMemoryTransport:
    """Carries nothing anywhere: what a bus publishes is at once where it belongs."""

    capabilities: TransportCapabilities = TransportCapabilities()

    async def open(self, endpoint: Endpoint) -> None:
        """Begin to carry for this bus."""
        self._endpoint = endpoint

    async def close(self) -> None:
        """End; there is nothing to let go of."""

    async def publish(self, event: Event, *, ttl: float | None, urgent: bool) -> None:
        """Give the event back to the bus that publishes it.

        Raises:
            QueueFullError: the bus has no room for what must not wait.
        """
        await self._endpoint.receive(event, own=True, ttl=ttl, urgent=urgent)

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
        """The bus answers commands of this type; nobody else needs to know."""

    def unserve(self, command_type: type[Message]) -> None:
        """It does no more."""

    def join(self, group: str, event_type: type[Event], where: str | None) -> None:
        """The bus has a member in this group; nobody else needs to know."""

    def leave(self, group: str) -> None:
        """It has none any more."""
