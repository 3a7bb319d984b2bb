"""What `execute` answers is inferred from the command."""

from typing import Generic, TypeVar, assert_type

import attrs

from llmgine_core import Command, MessageBus, StreamCommand

T = TypeVar("T")


@attrs.frozen
class Ask(Command[str]):
    """Asks for one word."""

    question: str


@attrs.frozen
class Make(Command[T], Generic[T]):
    """Asks for one of a kind."""

    kind: type[T]


@attrs.frozen
class Count(StreamCommand[int]):
    """Asks for numbers."""


async def ask(bus: MessageBus) -> None:
    """A bus and a session of it answer alike."""
    assert_type(await bus.execute(Ask("…"), timeout=5), str)
    async with bus.session() as session:
        assert_type(await session.execute(Ask("…")), str)


async def make(bus: MessageBus) -> None:
    """A generic command is answered with what it asks for."""
    assert_type(await bus.execute(Make(int)), int)


async def count(bus: MessageBus) -> None:
    """A stream's items are what the command says."""
    async with bus.stream(Count()) as numbers:
        assert_type([number async for number in numbers], list[int])
