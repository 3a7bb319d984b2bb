"""What a type looks like in JSON, and how a JSON value becomes one of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Final, cast

import attrs

from llmgine_tools._json import MalformedJsonError, parse

__all__ = ["UNFIT", "Fault", "Reader", "Reading", "Shape", "as_array", "as_object", "decoded", "scalar", "show"]

UNFIT: Final = object()
"""What a scalar's reader answers to a value that is none of its type."""

MAX_FAULTS = 10
_SHOWN_CHARS = 40


@attrs.frozen
class Fault:
    """What is wrong with a document, and where.

    Attributes:
        path: where (`$.days[2]`).
        reason: what is wrong.
        kind: whether the value is of another JSON type altogether, or not among the values allowed.
    """

    path: str
    reason: str
    kind: bool = False

    def __str__(self) -> str:
        return f"{self.reason} @ {self.path}"


class Reading:
    """One pass over a document: the faults found so far, and whether repairs are allowed.

    Attributes:
        repair: whether a string may be read as the JSON that it holds, and null as "use the default".
        faults: the first faults.
        failed: how many there are in all.
        known: what unions have found out already, by value, union and `repair`. Without it, a document nested in
            ambiguous unions would cost time exponential in its depth.
    """

    __slots__ = ("failed", "faults", "known", "repair")

    def __init__(self, *, repair: bool = True, known: dict[tuple[int, int, bool], Any] | None = None) -> None:
        self.repair = repair
        self.faults: list[Fault] = []
        self.failed = 0
        self.known: dict[tuple[int, int, bool], Any] = {} if known is None else known

    def fork(self, *, repair: bool) -> Reading:
        """A pass over the same document that keeps its own faults."""
        return Reading(repair=repair, known=self.known)

    def add(self, fault: Fault) -> None:
        """Take down a fault; beyond the first few they are only counted."""
        self.failed += 1
        if len(self.faults) < MAX_FAULTS:
            self.faults.append(fault)

    def expected(self, noun: str, value: Any, path: str) -> None:
        """Take down that something else was expected."""
        self.add(Fault(path, f"expected {noun}, got {show(value)}", kind=True))


Reader = Callable[[Any, str, Reading], Any]
"""Reads a JSON value found at a path: returns the Python value, or adds a fault and returns None."""


@attrs.frozen
class Shape:
    """One type, seen from JSON.

    Attributes:
        schema: its JSON Schema.
        read: reads a value of it.
        noun: how messages name it (`an integer`).
        nullable: whether null is one of its values.
    """

    schema: dict[str, Any]
    read: Reader
    noun: str
    nullable: bool = False


def scalar(schema: dict[str, Any], noun: str, exact: Callable[[Any], Any], *, nullable: bool = False) -> Shape:
    """A shape without parts.

    Args:
        schema: its JSON Schema.
        noun: how messages name it.
        exact: gives the Python value of a JSON value, or `UNFIT`.
        nullable: whether null is one of its values.
    """

    def read(value: Any, path: str, reading: Reading) -> Any:
        result = exact(value)
        if result is UNFIT and reading.repair and type(value) is str:
            inner = decoded(value, reading)
            result = UNFIT if inner is value else exact(inner)
        if result is UNFIT:
            reading.expected(noun, value, path)
            return None
        return result

    return Shape(schema, read, noun, nullable)


def decoded(value: Any, reading: Reading) -> Any:
    """What a string holds in JSON, where a string itself does not fit; else the value.

    Only one level is taken off: a string inside the string stays as it is, and so does not fit either.
    """
    if not reading.repair or type(value) is not str:
        return value
    try:
        inner = parse(value)
    except MalformedJsonError:
        return value
    return value if isinstance(inner, str) else inner


def as_object(value: Any, reading: Reading) -> dict[str, Any] | None:
    """The value if it is an object, or holds one in JSON."""
    document: Any = decoded(value, reading)
    return cast("dict[str, Any]", document) if isinstance(document, dict) else None


def as_array(value: Any, reading: Reading) -> list[Any] | None:
    """The value if it is an array, or holds one in JSON."""
    document: Any = decoded(value, reading)
    return document if isinstance(document, list) else None  # pyright: ignore[reportUnknownVariableType]


def show(value: Any) -> str:
    """A JSON value in few words."""
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return "an array"
    if isinstance(value, str):
        cut = value[:_SHOWN_CHARS] + ("…" if len(value) > _SHOWN_CHARS else "")
        return json.dumps(cut, ensure_ascii=not cut.isprintable())
    if isinstance(value, int) and not isinstance(value, bool) and value.bit_length() > 128:
        return "a number of many digits"
    return json.dumps(value)
