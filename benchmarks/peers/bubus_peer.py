"""bubus: pydantic events, a queue, one event after the other."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

from benchmarks.adapter import Adapter, Calls, Channel, Handler, Visit
from benchmarks.handlers import Answerer

__all__ = ["PEER"]

bubus: Any = importlib.import_module("bubus")


class Ask(bubus.BaseEvent):
    """What is asked: an event whose handler answers."""

    number: int


class Said(bubus.BaseEvent):
    """An event of one field."""

    number: int


class Bubus(Adapter):
    """`bubus.EventBus`; executing is to dispatch an event and to await its handler's result."""

    name = "bubus"
    distribution = "bubus"
    module = "bubus"

    @asynccontextmanager
    async def calls(self) -> AsyncGenerator[Calls]:
        """A bus with a handler that answers."""
        async with opened() as bus:
            bus.on(Ask, named(Answerer().answer))

            async def execute(event: Ask) -> object:
                return await bus.dispatch(event).event_result()

            yield Calls(execute, lambda number: Ask(number=number))

    @asynccontextmanager
    async def channel(self, handlers: Sequence[Handler]) -> AsyncGenerator[Channel]:
        """A bus with these handlers."""
        async with opened() as bus:
            for handler in handlers:
                bus.on(Said, named(handler))

            async def publish(event: Said) -> None:
                bus.dispatch(event)

            yield Channel(publish, lambda number: Said(number=number))

    @asynccontextmanager
    async def churn(self, live: int) -> AsyncGenerator[Visit]:
        """Handlers that come and go beside others that stay; bubus has no call to take one away."""
        async with opened() as bus:
            for _ in range(live):
                bus.on(Said, named(ignore))

            async def visit(_number: int) -> None:
                bus.on(Said, passing)
                bus.handlers["Said"].remove(passing)

            yield visit


@asynccontextmanager
async def opened() -> AsyncGenerator[Any]:
    """A bus without the limit of 100 events, which a burst exceeds."""
    bus = bubus.EventBus(max_history_size=None)
    try:
        yield bus
    finally:
        await bus.stop(timeout=0, clear=True)


async def ignore(_event: Said) -> None:
    """A handler that does nothing."""


async def passing(_event: Said) -> None:
    """A handler that does not stay."""


def named(handler: Handler) -> Handler:
    """The handler under a name of its own: bubus warns of two handlers of one name."""

    async def handle(event: Any) -> object:
        return await handler(event)

    def handle_inline(event: Any) -> object:
        return handler(event)

    given = handle if inspect.iscoroutinefunction(handler) else handle_inline
    given.__name__ = given.__qualname__ = f"handle_{uuid4().hex}"
    return given


PEER = Bubus()
