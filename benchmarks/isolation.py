"""How long a handler waits for a slow one that it has nothing to do with, and whether it sees its events in order."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from itertools import pairwise
from time import perf_counter

from benchmarks.adapter import Adapter, Channel
from benchmarks.handlers import Gate, Witness
from benchmarks.loops import Round, Size
from benchmarks.ours import Said
from llmgine_core import MessageBus

__all__ = ["neighbours", "order", "sessions_apart"]

EVENTS = 50
"""Events of a round."""
PATIENCE = 2.0
"""Seconds after which the slow handler comes back all the same: what a bus without isolation is measured at."""


@contextmanager
def slow_handler() -> Generator[Gate]:
    """A handler that is busy inside the block, but no longer than `PATIENCE`."""
    gate = Gate()
    opener = asyncio.get_running_loop().call_later(PATIENCE, gate.open.set)
    try:
        yield gate
    finally:
        opener.cancel()
        gate.open.set()


async def lag(fast: Witness, channel: Channel, *, beside: Channel | None = None) -> float:
    """Publish the events of a round; returns the wall-clock seconds until the fast handler has seen them all.

    Counted from the first publication, so that a publisher who is held up by the slow handler counts as well.

    Args:
        fast: the fast handler.
        channel: where it listens.
        beside: where the same events are published first, if the slow handler listens elsewhere.
    """
    start = perf_counter()
    for number in range(EVENTS):
        if beside:
            await beside.publish(beside.event(number))
        await channel.publish(channel.event(number))
    await fast.reached.wait()
    return max(seen_at for _, seen_at in fast.seen) - start


async def beside_neighbour(adapter: Adapter) -> tuple[float, Witness]:
    """The lag of a fast handler next to a slow handler of the same events, and what it saw."""
    fast = Witness(EVENTS)
    with slow_handler() as slow:
        async with adapter.channel([slow.accept, fast.accept]) as channel:
            seconds = await lag(fast, channel)
            slow.open.set()
    return seconds, fast


@asynccontextmanager
async def neighbours(adapter: Adapter, _: Size) -> AsyncGenerator[Round]:
    """Both handlers get the same events; the figure is the fast one's lag."""

    async def once() -> float:
        seconds, _fast = await beside_neighbour(adapter)
        return seconds

    yield once


@asynccontextmanager
async def order(adapter: Adapter, _: Size) -> AsyncGenerator[Round]:
    """Both handlers get the same events; the figure counts those that the fast one sees after a later one."""

    async def once() -> float:
        _seconds, fast = await beside_neighbour(adapter)
        return float(sum(earlier > later for (earlier, _), (later, _) in pairwise(fast.seen)))

    yield once


@asynccontextmanager
async def sessions_apart(_: Adapter, __: Size) -> AsyncGenerator[Round]:
    """Each handler has a session of its own; the figure is the fast one's lag."""

    async def once() -> float:
        fast = Witness(EVENTS)
        async with MessageBus() as bus, bus.session() as here, bus.session() as elsewhere:
            with slow_handler() as slow:
                elsewhere.register_event_handler(Said, slow.accept)
                here.register_event_handler(Said, fast.accept)
                return await lag(fast, Channel(here.publish, Said), beside=Channel(elsewhere.publish, Said))

    yield once
