"""How many bytes a queued event takes, the event included."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager

from benchmarks.adapter import Adapter, Channel, NotOfferedError
from benchmarks.handlers import Gate
from benchmarks.loops import Round, Size

__all__ = ["bytes_before_delivery", "bytes_behind_handler"]

QUEUED = 5_000
"""Most events queued in a round; half of what a bus of ours takes by default."""


async def bytes_each(channel: Channel, numbers: Sequence[int]) -> float:
    """Publish an event for each number; returns the bytes that are held afterwards, by event.

    The numbers exist already: what an event carries is no cost of the queue.
    """
    publish, event = channel.publish, channel.event
    gc.collect()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        for number in numbers:
            await publish(event(number))
        gc.collect()
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    return (after - before) / len(numbers)


def refuse_inline(adapter: Adapter) -> None:
    """Refuse a bus that has no queue.

    Raises:
        NotOfferedError: publishing would wait for the very handler that is held up.
    """
    if adapter.delivers_inline:
        raise NotOfferedError(f"{adapter.name} queues nothing")


def unless_delivered(figure: float, delivered: int) -> float:
    """The figure, if all of its events were still queued.

    Raises:
        NotOfferedError: some had been delivered.
    """
    if delivered:
        raise NotOfferedError(f"{delivered} events were delivered instead of queued")
    return figure


@asynccontextmanager
async def bytes_before_delivery(adapter: Adapter, size: Size) -> AsyncGenerator[Round]:
    """Events that nothing has looked at yet, since publishing never gave way to another task."""
    refuse_inline(adapter)

    async def once() -> float:
        gate = Gate()
        async with adapter.channel([gate.accept]) as channel:
            figure = await bytes_each(channel, list(range(min(size.operations, QUEUED))))
            seen = gate.seen
            gate.open.set()
        return unless_delivered(figure, seen)

    yield once


@asynccontextmanager
async def bytes_behind_handler(adapter: Adapter, size: Size) -> AsyncGenerator[Round]:
    """Events behind a handler that has not come back from the first."""
    refuse_inline(adapter)

    async def once() -> float:
        gate = Gate()
        async with adapter.channel([gate.accept]) as channel:
            await channel.publish(channel.event(0))
            await gate.entered.wait()
            figure = await bytes_each(channel, list(range(min(size.operations, QUEUED))))
            seen = gate.seen - 1
            gate.open.set()
        return unless_delivered(figure, seen)

    yield once
