"""The table of the broken buses: which clause each of them fails."""

# Who breaks a bus reaches into it.
# pyright: reportPrivateUsage=false

from collections.abc import Callable
from typing import Any, TypeVar

from llmgine_core import BusSession, MessageBus

B = TypeVar("B", bound=type[MessageBus])

BROKEN: dict[str, type[MessageBus]] = {}
"""For each clause, by its id, a bus that breaks it."""


def breaks(*clauses: str) -> Callable[[B], B]:
    """Enter a bus into the table."""

    def enter(bus: B) -> B:
        for clause in clauses:
            assert clause not in BROKEN, clause
            BROKEN[clause] = bus
        return bus

    return enter


class WrapsHandlers(MessageBus):
    """Calls something else in the place of the bus's event handlers."""

    def register_event_handler(self, event_type: Any, handler: Any, **options: Any) -> Any:
        return super().register_event_handler(event_type, self.wrapped(handler), **options)

    def wrapped(self, handler: Any) -> Any:
        raise NotImplementedError


class OtherSessions(MessageBus):
    """Opens sessions of another kind."""

    kind: type[BusSession]

    def session(self, id: str | None = None, *, join: bool = False, drain: float = 5.0) -> BusSession:
        return self.kind(self._engine, id, join=join, drain=drain)


def spoil(part: Any, **methods: Any) -> None:
    """Put something else in the place of an object's methods."""
    for name, method in methods.items():
        setattr(part, name, method)


async def called(handler: Any, message: Any) -> Any:
    """The handler's answer, whether it is a coroutine function or not."""
    answer = handler(message)
    return await answer if hasattr(answer, "__await__") else answer
