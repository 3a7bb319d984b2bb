"""python-cqrs: handlers made by a container, delivery inline."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from benchmarks.adapter import Adapter, Calls, Channel, Handler, NotOfferedError
from benchmarks.handlers import Answerer

__all__ = ["PEER"]

cqrs: Any = importlib.import_module("cqrs")


class Ask(cqrs.Request[int]):
    """A request of one field."""

    number: int


class Said(cqrs.DomainEvent):
    """An event of one field."""

    number: int


class Container:
    """The cheapest container: it calls the class."""

    async def resolve(self, kind: type[Any]) -> Any:
        """A new object of the class."""
        return kind()


class Cqrs(Adapter):
    """Its mediators, without the middleware that writes a log line for every message."""

    name = "python-cqrs"
    distribution = "python-cqrs"
    module = "cqrs"
    delivers_inline = True

    @asynccontextmanager
    async def calls(self) -> AsyncGenerator[Calls]:
        """A request mediator."""
        answerer, requests = Answerer(), cqrs.RequestMap()

        async def handle(_self: object, request: Ask) -> int:
            return await answerer.answer(request)

        requests.bind(Ask, type("AskHandler", (cqrs.RequestHandler,), {"handle": handle}))
        yield Calls(cqrs.RequestMediator(requests, Container()).send, lambda number: Ask(number=number))

    @asynccontextmanager
    async def channel(self, handlers: Sequence[Handler]) -> AsyncGenerator[Channel]:
        """An event mediator."""
        if not inspect.iscoroutinefunction(handlers[0]):
            raise NotOfferedError("python-cqrs takes async handlers only")
        events = cqrs.EventMap()
        for handler in handlers:
            events.bind(Said, type("SaidHandler", (cqrs.EventHandler,), {"handle": staticmethod(handler)}))
        yield Channel(cqrs.EventMediator(events, Container()).send, lambda number: Said(number=number))


PEER = Cqrs()
