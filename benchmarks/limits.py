"""The limits: what asyncio alone needs for the same work, without one of a bus's guarantees.

This code is frozen. Ratios move by half with the harness (whether the message is fresh, whether the handler counts, how
many events share one wake-up), so a figure is comparable with an older one only as long as nothing here or in
`loops.py` changes. These forms were chosen because they come nearest to the figures that the goals were set with, on
CPython 3.11 with two quiet cores: 0.31 µs for the bare await, 4.49 for a thousand in flight, 0.62 for one handler
behind a deque, 1.71 for ten async ones, 1.05 for ten sync ones. All include making the message, a fresh plain slotted
object, as what is measured against them includes making its own.
"""

from __future__ import annotations

import asyncio
import inspect
from collections import deque
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from benchmarks.adapter import Adapter, Calls, Channel, Handler
from benchmarks.handlers import Answerer

__all__ = ["LIMIT", "DequeAndWakeUp", "Limit", "Plain"]


class Plain:
    """The cheapest message: one field in a slot."""

    __slots__ = ("number",)

    def __init__(self, number: int) -> None:
        self.number = number


class DequeAndWakeUp:
    """A deque, a consumer that empties it, and an event that wakes the consumer when it has begun to wait."""

    def __init__(self) -> None:
        self._waiting: deque[Any] = deque()
        self._wake = asyncio.Event()

    async def publish(self, event: Any) -> None:
        """Append the event, and wake the consumer if nobody has."""
        self._waiting.append(event)
        if not self._wake.is_set():
            self._wake.set()

    async def consume(self, handlers: Sequence[Handler]) -> None:
        """Await each handler with each event, for ever."""
        waiting, wake = self._waiting, self._wake
        while True:
            await wake.wait()
            wake.clear()
            while waiting:
                event = waiting.popleft()
                for handler in handlers:
                    await handler(event)

    async def consume_inline(self, handlers: Sequence[Handler]) -> None:
        """Call each handler with each event, for ever."""
        waiting, wake = self._waiting, self._wake
        while True:
            await wake.wait()
            wake.clear()
            while waiting:
                event = waiting.popleft()
                for handler in handlers:
                    handler(event)


class Limit(Adapter):
    """The limits in the shape of a bus, so that the loops that time them are the same."""

    name = "limit"

    @asynccontextmanager
    async def calls(self) -> AsyncGenerator[Calls]:
        """A handler to await, and nothing around it."""
        yield Calls(Answerer().answer, Plain)

    @asynccontextmanager
    async def channel(self, handlers: Sequence[Handler]) -> AsyncGenerator[Channel]:
        """A deque and one wake-up in front of the handlers."""
        queue = DequeAndWakeUp()
        consume = queue.consume if inspect.iscoroutinefunction(handlers[0]) else queue.consume_inline
        consumer = asyncio.create_task(consume(handlers))
        await asyncio.sleep(0)
        try:
            yield Channel(queue.publish, Plain)
        finally:
            consumer.cancel()
            await asyncio.gather(consumer, return_exceptions=True)


LIMIT = Limit()
