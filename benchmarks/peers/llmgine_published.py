"""llmgine 0.0.1, as PyPI has it: the bus that this one replaces."""

from __future__ import annotations

import importlib
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

from benchmarks.adapter import Adapter, Calls, Channel, Handler, Visit
from benchmarks.handlers import Answerer

__all__ = ["PEER"]

published_bus: Any = importlib.import_module("llmgine.bus.bus")
published_session: Any = importlib.import_module("llmgine.bus.session")
commands: Any = importlib.import_module("llmgine.messages.commands")
events: Any = importlib.import_module("llmgine.messages.events")


@dataclass
class Ask(commands.Command):
    """A command of one field."""

    number: int = 0


@dataclass
class Said(events.Event):
    """An event of one field."""

    number: int = 0


async def ignore(_event: Said) -> None:
    """A handler that does nothing."""


class Published(Adapter):
    """Its one bus of the process."""

    name = "llmgine 0.0.1"
    distribution = "llmgine"
    module = "llmgine.bus.bus"

    @asynccontextmanager
    async def calls(self) -> AsyncGenerator[Calls]:
        """A bus with a handler that answers."""
        answerer = Answerer()

        async def handle(command: Ask) -> Any:
            return commands.CommandResult(success=True, result=await answerer.answer(command))

        async with started() as bus:
            bus.register_command_handler(Ask, handle)
            yield Calls(bus.execute, lambda number: Ask(number=number))

    @asynccontextmanager
    async def channel(self, handlers: Sequence[Handler]) -> AsyncGenerator[Channel]:
        """A bus with these handlers."""
        async with started() as bus:
            for handler in handlers:
                bus.register_event_handler(Said, handler)

            async def publish(event: Said) -> None:
                await bus.publish(event, await_processing=False)

            yield Channel(publish, lambda number: Said(number=number))

    @asynccontextmanager
    async def churn(self, live: int) -> AsyncGenerator[Visit]:
        """Sessions that open, register one event handler and close."""
        async with started(), AsyncExitStack() as open_sessions:
            for _ in range(live):
                session = await open_sessions.enter_async_context(published_session.BusSession())
                session.register_event_handler(Said, ignore)

            async def visit(_number: int) -> None:
                async with published_session.BusSession() as session:
                    session.register_event_handler(Said, ignore)

            yield visit


@asynccontextmanager
async def started() -> AsyncGenerator[Any]:
    """The process's bus, made anew."""
    published_bus.MessageBus._instance = None
    bus = published_bus.MessageBus()
    await bus.start()
    try:
        yield bus
    finally:
        await bus.stop()


PEER = Published()
