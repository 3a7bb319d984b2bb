"""A handler that takes another message or returns another answer is refused where it is registered."""

import functools
from collections.abc import AsyncIterator, Callable
from typing import Generic, TypeVar

import attrs
from llmgine_core import ApplicationSession, Command, Event, Message, MessageBus, StreamCommand, abc

C = TypeVar("C")
A = TypeVar("A")
T = TypeVar("T")


@attrs.frozen
class Ask(Command[str]):
    """Asks for one word."""

    question: str


@attrs.frozen
class AskTwice(Ask):
    """Asks for it again."""


@attrs.frozen
class Look(Command[str]):
    """Asks for one word too."""


@attrs.frozen
class Forget(Command[None]):
    """Asks for no answer."""


@attrs.frozen
class Make(Command[T], Generic[T]):
    """Asks for one of a kind."""

    kind: type[T]


@attrs.frozen
class Count(StreamCommand[int]):
    """Asks for numbers."""


@attrs.frozen
class Answered(Event):
    """Says one word."""

    answer: str


@attrs.frozen
class Asked(Event):
    """Says what was asked."""


async def ask(command: Ask) -> str:
    """Right for Ask."""
    return command.question


async def ask_twice(command: AskTwice) -> str:
    """Takes a narrower class."""
    return command.question


async def look(command: Look) -> str:
    """Takes another class."""
    return command.id


async def ask_number(command: Ask) -> int:
    """Returns another answer."""
    return len(command.question)


async def ask_perhaps(command: Ask) -> str | None:
    """Returns a wider answer."""
    return command.question or None


def ask_at_once(command: Ask) -> str:
    """Is no coroutine function."""
    return command.question


async def ask_nothing() -> str:
    """Takes nothing."""
    return ""


async def ask_of(model: str, command: Ask) -> str:
    """Takes too much."""
    return model + command.question


async def ask_number_of(model: str, command: Ask) -> int:
    """Returns another answer."""
    return len(model + command.question)


async def ask_with(command: Ask, *, model: str) -> str:
    """Demands an option."""
    return model + command.question


async def forget(command: Forget) -> int:
    """Returns what nobody asked for."""
    return len(command.id)


async def make_text(command: Make[int]) -> str:
    """Returns another kind."""
    return str(command.kind())


async def count(command: Count) -> AsyncIterator[int]:
    """Right for Count."""
    yield 1


async def count_texts(command: Count) -> AsyncIterator[str]:
    """Yields something else."""
    yield "1"


async def count_once(command: Count) -> int:
    """Is no generator."""
    return 1


class Asker:
    """Handlers that are no functions."""

    async def __call__(self, command: Ask) -> int:
        """Returns another answer."""
        return len(command.question)

    async def look(self, command: Look) -> str:
        """Takes another class."""
        return command.id


def note(event: Answered) -> None:
    """Right for Answered."""


def note_asked(event: Asked) -> None:
    """Takes another class."""


def was_asked(event: Asked) -> bool:
    """A filter of another class."""
    return event.id != ""


def register_commands(bus: MessageBus) -> None:
    """Each marked line is a mistake."""
    bus.register_command_handler(Ask, look)  # E: another command
    bus.register_command_handler(Ask, ask_twice)  # E: a narrower command
    bus.register_command_handler(Ask, ask_number)  # E: another answer
    bus.register_command_handler(Ask, ask_perhaps)  # E: a wider answer
    bus.register_command_handler(Ask, ask_at_once)  # E: not awaitable
    bus.register_command_handler(Ask, ask_nothing)  # E: takes nothing
    bus.register_command_handler(Ask, ask_of)  # E: takes too much
    bus.register_command_handler(Ask, ask_with)  # E: demands an option
    bus.register_command_handler(Ask, functools.partial(ask_number_of, "model"))  # E: another answer
    bus.register_command_handler(Ask, Asker())  # E: another answer
    bus.register_command_handler(Ask, Asker().look)  # E: another command
    bus.register_command_handler(Ask, lambda command: command.answer)  # E: there is no such field
    bus.register_command_handler(Ask, None)  # E: no handler
    bus.register_command_handler(Forget, forget)  # E: an answer where there is none
    bus.register_command_handler(Make[int], make_text)  # E: another kind
    bus.register_command_handler(Ask, count)  # E: a stream's handler
    bus.register_command_handler(Count, count_texts)  # E: other items
    bus.register_command_handler(Count, count_once)  # E: no stream
    bus.register_command_handler(Count, ask)  # E: a command's handler
    bus.register_command_handler(Ask("…"), ask)  # E: no class
    bus.register_command_handler(Answered, note)  # E: an event
    bus.register_command_handler(Message, ask)  # E: neither command nor stream
    bus.register_command_handler(str, ask)  # E: no message


def register_events(bus: MessageBus) -> None:
    """Each marked line is a mistake."""
    bus.register_event_handler(Answered, note_asked)  # E: another event
    bus.register_event_handler(Event, note)  # E: a narrower event
    bus.register_event_handler(Answered, note, where=was_asked)  # E: the filter of another event
    bus.register_event_handler(Answered, note, where=lambda event: event.question != "")  # E: there is no such field
    bus.register_event_handler(Ask, ask)  # E: a command


def register_elsewhere(bus: abc.MessageBus, session: abc.BusSession, own: ApplicationSession) -> None:
    """A replaced bus and sessions refuse the same."""
    bus.register_command_handler(Ask, ask_number)  # E: another answer
    session.register_command_handler(Ask, ask_number)  # E: another answer
    own.register_command_handler(Ask, ask_number)  # E: another answer
    own.register_command_handler(Ask, look)  # E: another command
    own.register_event_handler(Answered, note_asked)  # E: another event


def pass_on(bus: MessageBus, kind: abc.CommandType[C, A], handler: Callable[[C], A]) -> None:
    """A helper that passes a class and its handler on."""
    bus.register_command_handler(kind, handler)


def register_through_helpers(bus: MessageBus) -> None:
    """A helper's own annotations hold the two together as well."""
    pass_on(bus, Ask, ask_number)  # E: another answer
    pass_on(bus, Ask, look)  # E: another command
