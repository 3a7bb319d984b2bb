"""A handler takes its command, or anything wider, and returns the command's answer, or anything narrower."""

import functools
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from typing import Any, Generic, TypeVar

import attrs

from llmgine_core import ApplicationSession, Command, Event, Message, MessageBus, StreamCommand, abc

C = TypeVar("C")
A = TypeVar("A")
R = TypeVar("R")
T = TypeVar("T")


@attrs.frozen
class Ask(Command[str]):
    """Asks for one word."""

    question: str


@attrs.frozen
class AskTwice(Ask):
    """Asks for it again."""


@attrs.frozen
class Measure(Command[float]):
    """Asks for a number."""


@attrs.frozen
class Forget(Command[None]):
    """Asks for no answer."""


@attrs.frozen
class Make(Command[T], Generic[T]):
    """Asks for one of a kind."""

    kind: type[T]


@attrs.frozen
class Count(StreamCommand[float]):
    """Asks for numbers."""


@attrs.frozen
class Answered(Event):
    """Says one word."""

    answer: str


async def ask(command: Ask) -> str:
    """A command's handler."""
    return command.question


async def ask_of(model: str, command: Ask) -> str:
    """One that is told more beforehand."""
    return model + command.question


async def ask_politely(command: Ask, please: bool = True) -> str:
    """One that can be told more."""
    return f"{command.question} {please}"


async def answer_any(command: Message) -> str:
    """Takes more than it is given."""
    return command.id


async def answer_untyped(*args: Any) -> Any:
    """Takes and returns anything."""
    return args


async def measure(command: Measure) -> int:
    """Returns something narrower."""
    return len(command.id)


async def forget(command: Forget) -> None:
    """Returns nothing."""


async def make(command: Make[T]) -> T:
    """Returns what it is asked for."""
    return command.kind()


async def make_number(command: Make[int]) -> int:
    """Returns a number."""
    return command.kind()


async def count(command: Count) -> AsyncIterator[float]:
    """A stream's handler."""
    yield 0.5


async def count_whole(command: Count) -> AsyncGenerator[int, None]:
    """Yields something narrower."""
    yield 1


class Asker:
    """Handlers that are no functions."""

    async def __call__(self, command: Ask) -> str:
        """An object that can be called."""
        return command.question

    async def ask(self, command: Ask) -> str:
        """A bound method."""
        return command.question

    @classmethod
    async def ask_class(cls, command: Ask) -> str:
        """A method of the class."""
        return command.question

    @staticmethod
    async def ask_nobody(command: Ask) -> str:
        """A function in the class."""
        return command.question


def note(event: Answered) -> None:
    """An event's handler."""


async def note_any(event: Event) -> int:
    """Takes more than it is given; nobody looks at what it returns."""
    return len(event.id)


def is_long(event: Answered) -> bool:
    """A filter."""
    return len(event.answer) > 9


def register_commands(bus: MessageBus) -> None:
    """Each of these is right."""
    bus.register_command_handler(Ask, ask, timeout=3)
    bus.register_command_handler(AskTwice, ask)
    bus.register_command_handler(Ask, answer_any)
    bus.register_command_handler(Ask, answer_untyped)
    bus.register_command_handler(Ask, ask_politely)
    bus.register_command_handler(Ask, functools.partial(ask_of, "model"))
    bus.register_command_handler(Ask, Asker())
    bus.register_command_handler(Ask, Asker().ask)
    bus.register_command_handler(Ask, Asker.ask_class)
    bus.register_command_handler(Ask, Asker.ask_nobody)
    bus.register_command_handler(Measure, measure)
    bus.register_command_handler(Forget, forget)
    bus.register_command_handler(Make, make)
    bus.register_command_handler(Make[int], make)
    bus.register_command_handler(Make[int], make_number)
    bus.register_command_handler(Count, count)
    bus.register_command_handler(Count, count_whole)


def register_events(bus: MessageBus) -> None:
    """Each of these is right."""
    bus.register_event_handler(Answered, note, where=is_long)
    bus.register_event_handler(Answered, note_any, where=lambda event: event.answer != "")
    bus.register_event_handler(Event, note_any)
    bus.register_event_handler(Answered, print)


def register_elsewhere(bus: abc.MessageBus, session: abc.BusSession, own: ApplicationSession) -> None:
    """A replaced bus and sessions take the same."""
    bus.register_command_handler(Ask, ask)
    session.register_command_handler(Ask, ask)
    own.register_command_handler(Ask, ask)
    own.register_event_handler(Answered, note)


def pass_on(bus: MessageBus, kind: abc.CommandType[C, A], handler: Callable[[C], A]) -> None:
    """A helper that passes a class and its handler on."""
    bus.register_command_handler(kind, handler)


def pass_on_commands(bus: MessageBus, kind: type[Command[R]], handler: Callable[[Command[R]], Awaitable[R]]) -> None:
    """One that names the answer alone."""
    bus.register_command_handler(kind, handler)


def register_through_helpers(bus: MessageBus) -> None:
    """Helpers hold the two together as well."""
    pass_on(bus, Ask, ask)
    pass_on(bus, Count, count)
    pass_on_commands(bus, Ask, answer_any)
