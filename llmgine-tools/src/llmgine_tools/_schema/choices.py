"""One of several: values (Literal, Enum) or types (unions)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, cast

from llmgine_tools._schema.shape import UNFIT, Fault, Reading, Shape, scalar, show

__all__ = ["one_of", "union"]

_TYPE_NAMES = {str: "string", bool: "boolean", int: "integer", float: "number", type(None): "null"}
_NAMED_CHOICES = 12

_Answer = tuple[Any, Reading | None]
"""A value, and the pass that failed where there is none."""


def one_of(choices: Sequence[tuple[Any, Any]]) -> Shape:
    """A shape of fixed values.

    Args:
        choices: pairs of a JSON scalar and the Python value that it stands for.
    """

    def exact(value: Any) -> Any:
        return next((meaning for choice, meaning in choices if _same(choice, value)), UNFIT)

    names = [show(choice) for choice, _ in choices[:_NAMED_CHOICES]]
    more = [f"{len(choices) - _NAMED_CHOICES} others"] if len(choices) > _NAMED_CHOICES else []
    nullable = any(choice is None for choice, _ in choices)
    return scalar(_enumeration(choices), " or ".join([*names, *more]), exact, nullable=nullable)


def _same(choice: Any, value: Any) -> bool:
    """Equality as JSON Schema has it: 1 is 1.0, but it is not true."""
    return bool(choice == value) and isinstance(choice, bool) is isinstance(value, bool)


def _enumeration(choices: Iterable[tuple[Any, Any]]) -> dict[str, Any]:
    groups: dict[str, list[Any]] = {}
    for choice, _ in choices:
        groups.setdefault(_TYPE_NAMES[type(choice)], []).append(choice)
    schemas = [{"type": name} if name == "null" else {"type": name, "enum": values} for name, values in groups.items()]
    return schemas[0] if len(schemas) == 1 else {"anyOf": schemas}


def union(members: Sequence[Shape]) -> Shape:
    """A shape that is one of several shapes.

    A value that fits a member as it stands is read as that, the first that fits; only then are repairs tried. So
    `"5"` stays a string for `int | str` and becomes a number for `int | None`.
    """
    noun = " or ".join(dict.fromkeys(member.noun for member in members))
    schema = {"anyOf": [member.schema for member in members]}
    return Shape(schema, _Union(members, noun).read, noun, nullable=any(m.nullable for m in members))


class _Union:
    """Reads a value as the first of several shapes that it fits."""

    def __init__(self, members: Sequence[Shape], noun: str) -> None:
        self._members = members
        self._noun = noun

    def read(self, value: Any, path: str, reading: Reading) -> Any:
        """Read a value; see `Reader`."""
        result, failure = self._remembered(value, path, reading)
        if failure is not None:
            if not failure.faults:
                reading.expected(self._noun, value, path)
            for fault in failure.faults:
                reading.add(fault)
        return result

    def _remembered(self, value: Any, path: str, reading: Reading) -> _Answer:
        if not isinstance(value, (dict, list)):
            return self._attempt(value, path, reading)
        key = (id(cast("Any", value)), id(self), reading.repair)
        if key not in reading.known:
            # The value is kept with the answer, so that its id is not given to another one meanwhile.
            reading.known[key] = (self._attempt(value, path, reading), value)
        answer: _Answer = reading.known[key][0]
        return answer

    def _attempt(self, value: Any, path: str, reading: Reading) -> _Answer:
        failures: list[Reading] = []
        for repair in (False, True) if reading.repair else (False,):
            failures.clear()
            for member in self._members:
                trial = reading.fork(repair=repair)
                result = member.read(value, path, trial)
                if not trial.failed:
                    return result, None
                failures.append(trial)
        return None, _nearest(failures, path)


def _nearest(failures: Sequence[Reading], path: str) -> Reading:
    """The failure that says most: of the members whose kind fits, the one with the fewest faults."""

    def other_kind(fault: Fault) -> bool:
        return fault.kind and fault.path == path

    near = [failure for failure in failures if not any(map(other_kind, failure.faults))]
    return min(near, key=lambda failure: failure.failed) if near else Reading()
