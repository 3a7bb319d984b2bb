"""llmgine's bus for the loops: as a user would set it up, with every guarantee on."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

import attrs

from benchmarks.adapter import Adapter, Calls, Channel, Handler, Visit
from benchmarks.handlers import Answerer
from llmgine_core import Command, Event, MessageBus

__all__ = ["OURS", "Ask", "InSession", "Llmgine", "Said", "crowded", "ignore"]


@attrs.frozen
class Ask(Command[int]):
    """A command of one field."""

    number: int


@attrs.frozen
class Said(Event):
    """An event of one field."""

    number: int


async def ignore(_event: Event) -> None:
    """An event handler that does nothing."""


@asynccontextmanager
async def crowded(live: int) -> AsyncGenerator[MessageBus]:
    """A started bus on which so many sessions are open, with one event handler each."""
    async with MessageBus() as bus, AsyncExitStack() as open_sessions:
        for _ in range(live):
            session = await open_sessions.enter_async_context(bus.session())
            session.register_event_handler(Said, ignore)
        yield bus


class Llmgine(Adapter):
    """`llmgine_core.MessageBus`.

    Args:
        live: sessions that are open, with one handler each, on every bus that is opened.
    """

    name = "llmgine"
    distribution = "llmgine-core"
    module = "llmgine_core"
    lazy_names = ("Command", "Event", "MessageBus")

    def __init__(self, live: int = 0) -> None:
        self._live = live

    @asynccontextmanager
    async def calls(self) -> AsyncGenerator[Calls]:
        """A bus with a handler for `Ask`."""
        async with crowded(self._live) as bus:
            bus.register_command_handler(Ask, Answerer().answer)
            yield Calls(bus.execute, Ask)

    @asynccontextmanager
    async def channel(self, handlers: Sequence[Handler]) -> AsyncGenerator[Channel]:
        """A bus with these handlers for `Said`."""
        async with crowded(self._live) as bus:
            for handler in handlers:
                bus.register_event_handler(Said, handler)
            yield Channel(bus.publish, Said)

    @asynccontextmanager
    async def churn(self, live: int) -> AsyncGenerator[Visit]:
        """Sessions that open, register one event handler and close."""
        async with crowded(live) as bus:

            async def visit(_number: int) -> None:
                async with bus.session() as session:
                    session.register_event_handler(Said, ignore)

            yield visit


class InSession(Llmgine):
    """The same, with handlers and publisher in one session."""

    @asynccontextmanager
    async def channel(self, handlers: Sequence[Handler]) -> AsyncGenerator[Channel]:
        """A session with these handlers for `Said`."""
        async with crowded(self._live) as bus, bus.session() as session:
            for handler in handlers:
                session.register_event_handler(Said, handler)
            yield Channel(session.publish, Said)


OURS = Llmgine()
