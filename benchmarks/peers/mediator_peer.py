"""python-mediator: a task for every delivery."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from benchmarks.adapter import Adapter, Calls, Channel, Handler, NotOfferedError
from benchmarks.handlers import Answerer
from benchmarks.limits import Plain

__all__ = ["PEER"]

event_bus: Any = importlib.import_module("mediator.event")
request_bus: Any = importlib.import_module("mediator.request")


class Mediator(Adapter):
    """Its local buses; messages are plain objects, and routed by the annotation of the handler's parameter."""

    name = "python-mediator"
    distribution = "python-mediator"
    module = "mediator.event, mediator.request"

    @asynccontextmanager
    async def calls(self) -> AsyncGenerator[Calls]:
        """A request bus."""
        bus, answerer = request_bus.LocalRequestBus(), Answerer()

        async def handle(command: Plain) -> int:
            return await answerer.answer(command)

        bus.register(handle)
        yield Calls(bus.execute, Plain)

    @asynccontextmanager
    async def channel(self, handlers: Sequence[Handler]) -> AsyncGenerator[Channel]:
        """An event bus."""
        if not inspect.iscoroutinefunction(handlers[0]):
            raise NotOfferedError("python-mediator takes async handlers only")
        bus = event_bus.LocalEventBus()
        for handler in handlers:
            bus.register(annotated(handler))
        yield Channel(bus.publish, Plain)


def annotated(handler: Handler) -> Handler:
    """The handler, behind a function that says which events it is for."""

    async def handle(event: Plain) -> None:
        await handler(event)

    return handle


PEER = Mediator()
