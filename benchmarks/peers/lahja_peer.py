"""lahja: an endpoint with an IPC socket, used within its process; delivery inline there."""

from __future__ import annotations

import importlib
import tempfile
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.adapter import Adapter, Calls, Channel, Handler, Visit
from benchmarks.handlers import Answerer

__all__ = ["PEER"]

lahja: Any = importlib.import_module("lahja")
INTERNAL: Any = lahja.BroadcastConfig(internal=True)
"""Events stay in the endpoint: what a bus in memory does."""


class Said(lahja.BaseEvent):
    """An event of one field."""

    def __init__(self, number: int) -> None:
        self.number = number


class Answered(lahja.BaseEvent):
    """The answer to a request."""

    def __init__(self, number: int) -> None:
        self.number = number


class Ask(lahja.BaseRequestResponseEvent[Answered]):
    """A request of one field."""

    def __init__(self, number: int) -> None:
        self.number = number

    @staticmethod
    def expected_response_type() -> type[Answered]:
        """What it is answered with."""
        return Answered


class Lahja(Adapter):
    """`lahja.AsyncioEndpoint`."""

    name = "lahja"
    distribution = "lahja"
    module = "lahja"
    delivers_inline = True

    @asynccontextmanager
    async def calls(self) -> AsyncGenerator[Calls]:
        """An endpoint that answers its own requests."""
        answerer = Answerer()
        async with served() as endpoint:

            async def handle(request: Ask) -> None:
                answer = Answered(await answerer.answer(request))
                await endpoint.broadcast(answer, request.broadcast_config(internal=True))

            async def execute(request: Ask) -> object:
                return await endpoint.request(request, INTERNAL)

            await subscribed(endpoint, Ask, handle)
            yield Calls(execute, Ask)

    @asynccontextmanager
    async def channel(self, handlers: Sequence[Handler]) -> AsyncGenerator[Channel]:
        """An endpoint with these handlers."""
        async with served() as endpoint:

            async def publish(event: Said) -> None:
                await endpoint.broadcast(event, INTERNAL)

            for handler in handlers:
                await subscribed(endpoint, Said, handler)
            yield Channel(publish, Said)

    @asynccontextmanager
    async def churn(self, live: int) -> AsyncGenerator[Visit]:
        """Handlers that subscribe and unsubscribe, beside others that stay."""
        async with served() as endpoint:
            for _ in range(live):
                endpoint.subscribe(Said, partial(ignore))

            async def visit(_number: int) -> None:
                endpoint.subscribe(Said, ignore).unsubscribe()

            yield visit


@asynccontextmanager
async def served() -> AsyncGenerator[Any]:
    """An endpoint with a socket in a folder of its own."""
    with tempfile.TemporaryDirectory() as folder:
        config = lahja.ConnectionConfig.from_name("benchmark", base_path=Path(folder))
        async with lahja.AsyncioEndpoint.serve(config) as endpoint:
            yield endpoint


async def subscribed(endpoint: Any, event_type: type[Any], handler: Handler) -> None:
    """Subscribe, and wait until the endpoint knows."""
    endpoint.subscribe(event_type, handler)
    await endpoint.wait_until_any_endpoint_subscribed_to(event_type)


def ignore(_event: Said) -> None:
    """A handler that does nothing."""


PEER = Lahja()
