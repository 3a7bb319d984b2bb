"""diator: a new handler object, made by a container, for every message; delivery inline."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from benchmarks.adapter import Adapter, Calls, Channel, Handler, NotOfferedError
from benchmarks.handlers import Answerer

__all__ = ["PEER"]

diator_events: Any = importlib.import_module("diator.events")
diator_mediator: Any = importlib.import_module("diator.mediator")
diator_requests: Any = importlib.import_module("diator.requests")


@dataclass(frozen=True, kw_only=True)
class Ask(diator_requests.Request):
    """A request of one field."""

    number: int


@dataclass(frozen=True, kw_only=True)
class Said(diator_events.DomainEvent):
    """An event of one field."""

    number: int


class Container:
    """The cheapest container: it calls the class."""

    async def resolve(self, kind: type[Any]) -> Any:
        """A new object of the class."""
        return kind()


class Diator(Adapter):
    """Its mediator for requests and its emitter for events."""

    name = "diator"
    distribution = "diator"
    module = "diator.mediator"
    delivers_inline = True

    @asynccontextmanager
    async def calls(self) -> AsyncGenerator[Calls]:
        """A mediator."""
        answerer, requests = Answerer(), diator_requests.RequestMap()

        class AskHandler:
            def __init__(self) -> None:
                self.events: list[Any] = []

            async def handle(self, request: Ask) -> int:
                return await answerer.answer(request)

        requests.bind(Ask, AskHandler)
        mediator = diator_mediator.Mediator(requests, Container())
        yield Calls(mediator.send, lambda number: Ask(number=number))

    @asynccontextmanager
    async def channel(self, handlers: Sequence[Handler]) -> AsyncGenerator[Channel]:
        """An emitter."""
        if not inspect.iscoroutinefunction(handlers[0]):
            raise NotOfferedError("diator takes async handlers only")
        events = diator_events.EventMap()
        for handler in handlers:
            events.bind(Said, handler_class(handler))
        emitter = diator_events.EventEmitter(events, Container())
        yield Channel(emitter.emit, lambda number: Said(number=number))


def handler_class(handler: Handler) -> type[Any]:
    """A class whose objects handle events by a function."""
    return type("SaidHandler", (), {"handle": staticmethod(handler)})


PEER = Diator()
