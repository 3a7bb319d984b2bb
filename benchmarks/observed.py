"""What watching costs: the events about commands, and observability handlers that see every event."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import asynccontextmanager, contextmanager
from time import process_time

from benchmarks.adapter import Adapter, Channel
from benchmarks.handlers import Answerer, Tally
from benchmarks.loops import BURST, Round, Size, Subject, bursts
from benchmarks.ours import Ask, Said
from llmgine_core import CommandResultEvent, CommandStartedEvent, MessageBus
from llmgine_core.testing import RecordingEventHandler

__all__ = ["execute_observed", "publish_tapped"]


@asynccontextmanager
async def execute_observed(_: Adapter, size: Size) -> AsyncGenerator[Round]:
    """Commands whose started and result events go to one handler, their delivery included."""
    tally = Tally()
    async with MessageBus() as bus:
        bus.register_command_handler(Ask, Answerer().answer)
        for event_type in (CommandStartedEvent, CommandResultEvent):
            bus.register_event_handler(event_type, tally.accept)
        yield observed_bursts(bus.execute, tally, size.part(BURST * 2))


def observed_bursts(execute: Callable[[Ask], Awaitable[object]], tally: Tally, number_of_bursts: int) -> Round:
    """A round of bursts of commands, each waited for until both events of every command have been seen."""

    async def once() -> float:
        start = process_time()
        for _ in range(number_of_bursts):
            tally.expect(2 * BURST)
            for number in range(BURST):
                await execute(Ask(number))
            await tally.reached.wait()
        return (process_time() - start) / (number_of_bursts * BURST)

    return once


def publish_tapped(taps: int) -> Subject:
    """Events to one async handler and to so many observability handlers; their threads and exports included."""

    @asynccontextmanager
    async def opening(_: Adapter, size: Size) -> AsyncGenerator[Round]:
        tally = Tally()
        async with MessageBus() as bus:
            bus.register_event_handler(Said, tally.accept)
            with recorders(bus, taps) as recording:
                deliver = bursts(Channel(bus.publish, Said), [tally], size.part(BURST * 4))
                yield exporting(deliver, recording, size.part(BURST * 4) * BURST)

    return opening


@contextmanager
def recorders(bus: MessageBus, number: int) -> Generator[list[RecordingEventHandler]]:
    """Observability handlers that are shown every event of the bus."""
    handlers = [RecordingEventHandler(name=f"recorder-{each}") for each in range(number)]
    for handler in handlers:
        handler.start()
        bus.add_tap(handler.accept)
    try:
        yield handlers
    finally:
        for handler in handlers:
            handler.close()


def exporting(deliver: Round, handlers: list[RecordingEventHandler], events: int) -> Round:
    """The round, and what is left to export after it; both per event published.

    The handlers are shown more than those: the events about the delivery of each, too.
    """

    async def once() -> float:
        figure = await deliver()
        start = process_time()
        exported = all(handler.flush() for handler in handlers)
        figure += (process_time() - start) / events
        lost = any(handler.stats().dropped or handler.stats().failed for handler in handlers)
        if lost or not exported or any(len(handler.records) < events for handler in handlers):
            raise RuntimeError("an observability handler did not export what was published")
        for handler in handlers:
            handler.records.clear()
        return figure

    return once
