"""An answer is not taken for what it is not, and events are not executed."""

import attrs
from llmgine_core import Command, Event, MessageBus


@attrs.frozen
class Ask(Command[str]):
    """Asks for one word."""

    question: str


@attrs.frozen
class Answered(Event):
    """Says one word."""

    answer: str


async def ask(bus: MessageBus) -> None:
    """Each marked line is a mistake."""
    number: int = await bus.execute(Ask("…"))  # E: the answer is a str
    print(number)
    await bus.execute(Answered("…"))  # E: an event is published
    await bus.publish(Ask("…"))  # E: a command is executed
    await bus.execute(Ask(3))  # E: the question is a str
    await bus.execute(Ask("…"), 5)  # E: options are keyword-only
