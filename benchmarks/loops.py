"""The loops that are timed, one for each kind of work; limits, our bus and the peers all go through them.

Frozen as `limits.py` is. Each opens a bus and yields a round: a function that does the work once and returns one
figure, CPU seconds of the whole process per operation unless it says otherwise. Garbage collection stays on: what a bus
leaves behind is part of its cost.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from time import perf_counter, process_time
from typing import Any

import attrs

from benchmarks.adapter import Adapter, Calls, Channel, Visit
from benchmarks.handlers import Clocked, Tally

__all__ = ["BURST", "FAN", "IN_FLIGHT", "Opening", "Round", "Size", "Subject", "bursts", "visits"]

BURST = 100
"""Events published before the publisher waits for their delivery; they share one wake-up."""
IN_FLIGHT = 1_000
"""Commands under way at once."""
FAN = 10
"""Handlers of a fan-out."""

Round = Callable[[], Awaitable[float]]
"""Does the work once; returns its figure."""

Opening = AbstractAsyncContextManager[Round]
"""Opens what a round needs."""


@attrs.frozen(kw_only=True)
class Size:
    """How much work a round is.

    Attributes:
        operations: commands, events or sessions in a round; rounds of dearer operations do a part of it.
        live: sessions that stay open where a measure asks what they cost.
    """

    operations: int = 10_000
    live: int = 100_000

    def part(self, divisor: int) -> int:
        """The operations of a round whose operation costs so many times as much."""
        return max(1, self.operations // divisor)


Subject = Callable[[Adapter, Size], Opening]
"""What is measured, for whichever bus."""


@asynccontextmanager
async def execute(adapter: Adapter, size: Size) -> AsyncGenerator[Round]:
    """One command after the other."""
    async with adapter.calls() as calls:
        yield executions(calls, size.operations)


def executions(calls: Calls, operations: int) -> Round:
    """A round of commands, each awaited before the next is made."""
    run, command = calls.execute, calls.command

    async def once() -> float:
        start = process_time()
        for number in range(operations):
            await run(command(number))
        return (process_time() - start) / operations

    return once


@asynccontextmanager
async def in_flight(adapter: Adapter, size: Size) -> AsyncGenerator[Round]:
    """A thousand commands at once."""
    groups = size.part(IN_FLIGHT)
    async with adapter.calls() as calls:
        run: Callable[[Any], Any] = calls.execute
        command = calls.command

        async def once() -> float:
            start = process_time()
            for _ in range(groups):
                await asyncio.gather(*[run(command(number)) for number in range(IN_FLIGHT)])
            return (process_time() - start) / (groups * IN_FLIGHT)

        yield once


@asynccontextmanager
async def publish(adapter: Adapter, size: Size) -> AsyncGenerator[Round]:
    """Events to one async handler."""
    tally = Tally()
    async with adapter.channel([tally.accept]) as channel:
        yield bursts(channel, [tally], size.part(BURST))


@asynccontextmanager
async def fan_out(adapter: Adapter, size: Size) -> AsyncGenerator[Round]:
    """Events to ten async handlers."""
    tallies = [Tally() for _ in range(FAN)]
    async with adapter.channel([tally.accept for tally in tallies]) as channel:
        yield bursts(channel, tallies, size.part(BURST * 4))


@asynccontextmanager
async def fan_out_sync(adapter: Adapter, size: Size) -> AsyncGenerator[Round]:
    """Events to ten sync handlers."""
    tallies = [Tally() for _ in range(FAN)]
    async with adapter.channel([tally.note for tally in tallies]) as channel:
        yield bursts(channel, tallies, size.part(BURST * 2))


def bursts(channel: Channel, tallies: Sequence[Tally], number_of_bursts: int) -> Round:
    """A round of bursts of events, each waited for until every handler has seen all of it."""
    publish, event = channel.publish, channel.event

    async def once() -> float:
        start = process_time()
        for _ in range(number_of_bursts):
            for tally in tallies:
                tally.expect(BURST)
            for number in range(BURST):
                await publish(event(number))
            for tally in tallies:
                await tally.reached.wait()
        return (process_time() - start) / (number_of_bursts * BURST)

    return once


def latency(quantile: float) -> Subject:
    """Wall-clock seconds from before an event is made until its handler looks at the clock, one event at a time.

    Args:
        quantile: of the events of a round, 0.5 for the median.
    """

    @asynccontextmanager
    async def opening(adapter: Adapter, size: Size) -> AsyncGenerator[Round]:
        handler = Clocked()
        async with adapter.channel([handler.accept]) as channel:
            yield single_events(channel, handler, size.part(4), quantile)

    return opening


def single_events(channel: Channel, handler: Clocked, events: int, quantile: float) -> Round:
    """A round of events, each published when the handler has seen the one before."""
    publish, event = channel.publish, channel.event

    async def once() -> float:
        lags: list[float] = []
        for number in range(events):
            handler.reached.clear()
            start = perf_counter()
            await publish(event(number))
            await handler.reached.wait()
            lags.append(handler.seen_at - start)
        return sorted(lags)[min(int(quantile * events), events - 1)]

    return once


def visits(visit: Visit, operations: int) -> Round:
    """A round of visits, one after the other."""

    async def once() -> float:
        start = process_time()
        for number in range(operations):
            await visit(number)
        return (process_time() - start) / operations

    return once
