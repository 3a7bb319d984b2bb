"""The messages that the clauses send."""

from __future__ import annotations

from typing import Generic, TypeVar

import attrs

from llmgine_core.contracts import Command, Event, StreamCommand

__all__ = ["Ask", "AskMore", "AskPolitely", "Count", "Noted", "Said", "Shouted", "Wrapped"]

T = TypeVar("T")


@attrs.frozen
class Ask(Command[str]):
    """Asks something."""

    question: str = ""


@attrs.frozen
class AskMore(Command[str]):
    """Asks something else; its name resembles `Ask`."""

    question: str = ""


@attrs.frozen
class AskPolitely(Ask):
    """A subclass of `Ask`, and yet another command."""


@attrs.frozen
class Wrapped(Command[T], Generic[T]):
    """A generic command."""

    value: T


@attrs.frozen
class Count(StreamCommand[int]):
    """Asks for the numbers below `upto`."""

    upto: int = 3


@attrs.frozen
class Said(Event):
    """Somebody said something."""

    text: str = ""
    number: int = 0


@attrs.frozen
class Shouted(Said):
    """A subclass of `Said`."""


@attrs.frozen
class Noted(Event):
    """Something else happened."""

    text: str = ""
