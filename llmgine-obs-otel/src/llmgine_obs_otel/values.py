"""Reading a record's fields, which are JSON data that content policy and redactors may have changed."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from opentelemetry.util.types import AttributeValue

from llmgine_core.observability import EventRecord

__all__ = [
    "Fields",
    "as_attribute",
    "as_attributes",
    "as_json",
    "as_mapping",
    "as_number",
    "as_sequence",
    "is_whole",
    "nanoseconds",
    "seconds_to_ns",
    "short_name",
    "without_nones",
]

Fields = Mapping[str, Any]
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def as_mapping(value: Any) -> Fields:
    """The value if it is an object, else an empty one."""
    return value if isinstance(value, Mapping) else {}  # pyright: ignore[reportUnknownVariableType]


def as_sequence(value: Any) -> Sequence[Any]:
    """The value if it is an array, else an empty one."""
    return value if isinstance(value, (list, tuple)) else ()  # pyright: ignore[reportUnknownVariableType]


def as_number(value: Any) -> float:
    """The value if it is a number, else 0."""
    return value if isinstance(value, (int, float)) else 0.0


def is_whole(value: Any) -> bool:
    """Whether nothing in the value was omitted as content."""
    if isinstance(value, Mapping):
        if value.get("omitted") == "content":  # pyright: ignore[reportUnknownMemberType]
            return False
        return all(map(is_whole, value.values()))  # pyright: ignore[reportUnknownArgumentType,reportUnknownMemberType]
    return all(map(is_whole, value)) if isinstance(value, (list, tuple)) else True  # pyright: ignore[reportUnknownArgumentType]


def as_json(value: Any) -> str:
    """The value as JSON text."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=repr)


def as_attribute(value: Any) -> AttributeValue:
    """The value as an attribute: structures as JSON text, since few backends show them otherwise."""
    return value if isinstance(value, (str, bool, int, float)) else as_json(value)


def as_attributes(fields: Fields) -> dict[str, AttributeValue]:
    """Fields as attributes, without those that are None."""
    return {str(name): as_attribute(value) for name, value in fields.items() if value is not None}


def without_nones(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """The attributes that have a value. An attribute that is None would be exported as an empty one."""
    return {name: value for name, value in attributes.items() if value is not None}


def nanoseconds(record: EventRecord) -> int:
    """When the event was made, since the epoch."""
    return (record.timestamp - _EPOCH) // timedelta(microseconds=1) * 1000


def seconds_to_ns(value: Any) -> int:
    """Seconds in nanoseconds; what is no number of them counts as none."""
    return max(0, round(as_number(value) * 1e9))


def short_name(type_name: str) -> str:
    """A message type's stored name without its module."""
    return type_name.rpartition(":")[2].rpartition(".")[2]
