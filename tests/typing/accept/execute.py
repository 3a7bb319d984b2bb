"""What `execute` answers is inferred from the command."""

from typing import assert_type

import attrs

from llmgine_core import Command, MessageBus


@attrs.frozen
class Ask(Command[str]):
    """Asks for one word."""

    question: str


async def ask(bus: MessageBus) -> None:
    """A bus and a session of it answer alike."""
    assert_type(await bus.execute(Ask("…"), timeout=5), str)
    async with bus.session() as session:
        assert_type(await session.execute(Ask("…")), str)
