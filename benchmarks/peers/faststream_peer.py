"""faststream: its test broker, which carries messages in memory; delivery inline. Needs `faststream[nats]`."""

from __future__ import annotations

import importlib
import inspect
import logging
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from benchmarks.adapter import Adapter, Calls, Channel, Handler
from benchmarks.handlers import Answerer

__all__ = ["PEER"]

nats: Any = importlib.import_module("faststream.nats")


@dataclass
class Ask:
    """A request of one field."""

    number: int


@dataclass
class Said:
    """A message of one field."""

    number: int


class Faststream(Adapter):
    """`TestNatsBroker`: what faststream offers for one process."""

    name = "faststream"
    distribution = "faststream"
    module = "faststream.nats"
    delivers_inline = True

    @asynccontextmanager
    async def calls(self) -> AsyncGenerator[Calls]:
        """A broker with a subscriber that replies."""
        answerer, broker = Answerer(), nats.NatsBroker(log_level=logging.CRITICAL)

        async def handle(command: Ask) -> int:
            return await answerer.answer(command)

        broker.subscriber("ask")(handle)
        async with nats.TestNatsBroker(broker):

            async def execute(command: Ask) -> object:
                reply = await broker.request(command, "ask")
                return await reply.decode()

            yield Calls(execute, Ask)

    @asynccontextmanager
    async def channel(self, handlers: Sequence[Handler]) -> AsyncGenerator[Channel]:
        """A broker with these subscribers."""
        broker = nats.NatsBroker(log_level=logging.CRITICAL)
        for handler in handlers:
            broker.subscriber("said")(annotated(handler))
        async with nats.TestNatsBroker(broker):

            async def publish(event: Said) -> None:
                await broker.publish(event, "said")

            yield Channel(publish, Said)


def annotated(handler: Handler) -> Handler:
    """The handler, behind a function that says what it takes."""

    async def handle(event: Said) -> None:
        await handler(event)

    def handle_inline(event: Said) -> None:
        handler(event)

    return handle if inspect.iscoroutinefunction(handler) else handle_inline


PEER = Faststream()
