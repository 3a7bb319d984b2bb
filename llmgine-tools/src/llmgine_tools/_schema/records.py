"""Objects with named properties: classes with fields, and the parameters of a function."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import deepcopy
from difflib import get_close_matches
from enum import Enum
from typing import Any, Final

import attrs

from llmgine_core.contracts import ErrorInfo
from llmgine_tools._schema.shape import Fault, Reading, Shape, as_object

__all__ = ["UNSTATED", "Property", "Record"]

UNSTATED: Final = object()
"""The default of a property that may be left out, where JSON cannot say what it is then."""

_LONGEST_NAME = 64
_LONGEST_REASON = 200
_LISTED_NAMES = 20


@attrs.frozen
class Property:
    """One property of a record.

    Attributes:
        key: its name in JSON.
        name: the keyword under which the record is made with it.
        shape: what it holds.
        required: whether it must be there.
        default: what it is where it is left out, if JSON can say so.
        description: what it means.
    """

    key: str
    name: str
    shape: Shape
    required: bool = True
    default: Any = UNSTATED
    description: str = ""

    def schema(self) -> dict[str, Any]:
        """The property's JSON Schema."""
        schema = dict(self.shape.schema)
        words = dict.fromkeys(filter(None, (self.description, schema.get("description"))))
        if words:
            schema["description"] = " ".join(words)
        default = self.default.value if isinstance(self.default, Enum) else self.default
        if not self.required and _is_json(default):
            schema["default"] = deepcopy(default)  # the function may change its own
        return schema

    def omitted(self, value: Any, reading: Reading) -> bool:
        """Whether the value means "use the default": the null of the strict form, which can leave nothing out."""
        return value is None and not self.required and not self.shape.nullable and reading.repair


class Record:
    """An object that has these properties and no others.

    A class may refer to itself, so a record is made first and told its properties afterwards.
    """

    def __init__(self, make: Callable[[dict[str, Any]], Any], description: str = "") -> None:
        self._make = make
        self._description = description
        self._properties: dict[str, Property] = {}

    def complete(self, properties: Sequence[Property]) -> None:
        """Say what properties there are."""
        self._properties = {p.key: p for p in properties}

    def schema(self) -> dict[str, Any]:
        """The record's JSON Schema."""
        schema: dict[str, Any] = {"type": "object"}
        if self._description:
            schema["description"] = self._description
        schema["properties"] = {key: p.schema() for key, p in self._properties.items()}
        if required := [key for key, p in self._properties.items() if p.required]:
            schema["required"] = required
        return {**schema, "additionalProperties": False}

    def read(self, value: Any, path: str, reading: Reading) -> Any:
        """Read an object; see `Reader`."""
        document = as_object(value, reading)
        if document is None:
            reading.expected("an object", value, path)
            return None
        before = reading.failed
        arguments = self._read_properties(document, path, reading)
        if reading.failed > before:
            return None
        try:
            return self._make(arguments)
        except BaseException as error:  # a class may check its fields, in its own words and by any exception
            reading.add(Fault(path, ErrorInfo.from_exception(error).message[:_LONGEST_REASON] or "not valid"))
            return None

    def _read_properties(self, document: dict[str, Any], path: str, reading: Reading) -> dict[str, Any]:
        arguments: dict[str, Any] = {}
        for key, p in self._properties.items():
            if key in document:
                item = document[key]
                if not p.omitted(item, reading):
                    arguments[p.name] = p.shape.read(item, f"{path}.{key}", reading)
            elif p.required:
                reading.add(Fault(path, f'missing "{key}"'))
        for key in document:
            if key not in self._properties:
                reading.add(Fault(path, self._unknown(key)))
        return arguments

    def _unknown(self, key: str) -> str:
        names = list(self._properties)
        near = get_close_matches(key, names, n=1) if len(key) <= _LONGEST_NAME else []
        known = ", ".join(names[:_LISTED_NAMES]) or "none"
        hint = f'; did you mean "{near[0]}"?' if near else f"; known: {known}"
        return f"unknown key {key[:_LONGEST_NAME]!r}{hint}"


def _is_json(value: Any) -> bool:
    """Whether a default can stand in a schema: a finite scalar, or a list or dict of such."""
    if isinstance(value, float):
        return value - value == 0  # neither NaN nor an infinity
    if isinstance(value, list):
        return all(map(_is_json, value))  # pyright: ignore[reportUnknownArgumentType]
    if isinstance(value, dict):
        return all(isinstance(k, str) and _is_json(v) for k, v in value.items())  # pyright: ignore[reportUnknownVariableType]
    return value is None or type(value) in (str, int, bool)
