"""Types of every kind that tools take, and the reading of values of them."""

from __future__ import annotations

import dataclasses
import enum
import json
from collections.abc import Callable
from typing import Any, Generic, NamedTuple, NotRequired, TypedDict, TypeVar

import attrs

from llmgine_tools._arguments import read_arguments
from llmgine_tools._signature import Parameters, compiled

T = TypeVar("T")


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Shade(enum.Enum):
    DARK = (0, 0, 0)
    LIGHT = (255, 255, 255)


@attrs.frozen
class Point:
    """A place on a plane.

    Attributes:
        x: How far right.
        y: How far up.
    """

    x: int
    y: int = 0


@attrs.frozen
class Even:
    number: int

    def __attrs_post_init__(self) -> None:
        if self.number % 2:
            raise ValueError(f"{self.number} is odd")


@dataclasses.dataclass
class Tree:
    value: int
    children: list[Tree] = dataclasses.field(default_factory=list["Tree"])


@dataclasses.dataclass
class Scaled:
    size: float = dataclasses.field(init=False)
    base: float
    factor: dataclasses.InitVar[float] = 1.0

    def __post_init__(self, factor: float) -> None:
        self.size = self.base * factor


class Options(TypedDict):
    depth: int
    label: NotRequired[str]


class Loose(TypedDict, total=False):
    depth: int


class Pair(NamedTuple):
    left: str
    right: int = 7


@attrs.frozen
class Box(Generic[T]):
    content: T


@attrs.frozen
class NumberBox(Box[int]):
    label: str = ""


@attrs.frozen
class Circle:
    radius: float


@attrs.frozen
class Square:
    side: float


def parameters_of(hint: Any) -> Parameters:
    """What is made of a function with one parameter, `value`, of this type."""

    def probe(value: Any) -> None: ...

    probe.__annotations__["value"] = hint
    return compiled(probe, "probe")


def schema_of(hint: Any) -> dict[str, Any]:
    """The schema of one type; of `$defs` there is what it needs."""
    schema = parameters_of(hint).schema
    definitions = {"$defs": schema["$defs"]} if "$defs" in schema else {}
    return {**schema["properties"]["value"], **definitions}


def read(hint: Any, value: Any) -> Any:
    """What the parameter is given where a model writes this JSON value.

    Raises:
        ToolArgumentsError: the value does not fit.
    """
    text = json.dumps({"value": value})
    return read_arguments(text, parameters_of(hint).record.read, tool="probe", max_chars=1_000_000)["value"]


def arguments(function: Callable[..., Any], text: str) -> dict[str, Any]:
    """What a function is given where a model writes this text."""
    return read_arguments(text, compiled(function, "probe").record.read, tool="probe", max_chars=1_000_000)
