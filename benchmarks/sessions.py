"""What sessions cost: to open and close them, and to have many open."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from time import process_time

from benchmarks import loops
from benchmarks.adapter import Adapter
from benchmarks.handlers import Tally
from benchmarks.loops import Opening, Round, Size, Subject, visits
from benchmarks.ours import InSession, Llmgine, Said, crowded, ignore
from llmgine_core import MessageBus, SessionEndEvent

__all__ = [
    "alone",
    "bare",
    "beside_many",
    "churn",
    "executing",
    "expecting",
    "publishing",
    "publishing_in_session",
    "stopping",
    "used",
]

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


@asynccontextmanager
async def expecting(_: Adapter, size: Size, live: int) -> AsyncGenerator[Round]:
    """Events that a session expects, while each of the others expects one, too."""
    async with MessageBus() as bus:
        others = [await bus.session().__aenter__() for _ in range(live)]
        kept = [session.expect(Said) for session in others]  # an expectation that nobody holds is forgotten
        async with bus.session() as session:

            async def visit(number: int) -> None:
                expected = session.expect(Said)
                await session.publish(Said(number))
                await expected

            yield visits(visit, size.part(10))
        if len(kept) != live or bus.listens(Said) != bool(live):
            raise RuntimeError("the others expect nothing any more")


def stopping(share: int) -> Subject:
    """The stop of a bus with open sessions, by session; each has a handler that hears of its end.

    Args:
        share: this part of `Size.live` is open.
    """

    @asynccontextmanager
    async def opening(_: Adapter, size: Size) -> AsyncGenerator[Round]:
        live = max(1, size.live // share)

        async def once() -> float:
            bus = MessageBus()
            await bus.start()
            for _ in range(live):
                session = await bus.session().__aenter__()
                session.register_event_handler(SessionEndEvent, ignore)
            start = process_time()
            report = await bus.stop(drain=600)
            figure = (process_time() - start) / live
            if report.discarded or report.left:
                raise RuntimeError("a session did not hear of its end")
            return figure

        yield once

    return opening
