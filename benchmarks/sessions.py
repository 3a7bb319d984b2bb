"""What sessions cost: to open and close them, and to have many open."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

from benchmarks import loops
from benchmarks.adapter import Adapter
from benchmarks.handlers import Tally
from benchmarks.loops import Opening, Round, Size, Subject, visits
from benchmarks.ours import InSession, Llmgine, Said, crowded

__all__ = ["alone", "bare", "beside_many", "churn", "executing", "publishing", "publishing_in_session", "used"]

Crowdable = Callable[[Adapter, Size, int], Opening]
"""What is measured while so many sessions are open."""


def alone(crowdable: Crowdable) -> Subject:
    """With no other session open."""
    return lambda adapter, size: crowdable(adapter, size, 0)


def beside_many(crowdable: Crowdable) -> Subject:
    """With `Size.live` other sessions open, each with an event handler."""
    return lambda adapter, size: crowdable(adapter, size, size.live)


@asynccontextmanager
async def churn(adapter: Adapter, size: Size, live: int) -> AsyncGenerator[Round]:
    """Sessions that open, register one event handler and close."""
    async with adapter.churn(live) as visit:
        yield visits(visit, size.part(2))


@asynccontextmanager
async def bare(_: Adapter, size: Size, live: int) -> AsyncGenerator[Round]:
    """Sessions in which nothing happens, and to whose start and end nobody listens."""
    async with crowded(live) as bus:

        async def visit(_number: int) -> None:
            async with bus.session():
                pass

        yield visits(visit, size.part(2))


@asynccontextmanager
async def used(_: Adapter, size: Size, live: int) -> AsyncGenerator[Round]:
    """Sessions that register a handler, publish one event, see it delivered, and close."""
    tally = Tally()
    async with crowded(live) as bus:

        async def visit(number: int) -> None:
            before = tally.seen
            async with bus.session() as session:
                session.register_event_handler(Said, tally.accept)
                await session.publish(Said(number))
            if tally.seen != before + 1:
                raise RuntimeError("a session closed normally before its event was delivered")

        yield visits(visit, size.part(10))


def executing(_: Adapter, size: Size, live: int) -> Opening:
    """Commands on a bus."""
    return loops.execute(Llmgine(live), size)


def publishing(_: Adapter, size: Size, live: int) -> Opening:
    """Events on a bus, to one of its handlers."""
    return loops.publish(Llmgine(live), size)


def publishing_in_session(_: Adapter, size: Size, live: int) -> Opening:
    """Events in one session, to its handler."""
    return loops.publish(InSession(live), size)
