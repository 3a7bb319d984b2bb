"""Types made of parts that are all alike: arrays and maps."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Any

from llmgine_tools._schema.shape import Fault, Reading, Shape, as_array, as_object

__all__ = ["array", "fixed_array", "mapping", "unique_array"]

_SHOWN_CHARS = 40


def _items(value: Any, path: str, reading: Reading) -> list[Any] | None:
    items = as_array(value, reading)
    if items is None:
        reading.expected("an array", value, path)
    return items


def array(item: Shape, make: Callable[[list[Any]], Any]) -> Shape:
    """An array of any length, given to `make` once its items are read."""

    def read(value: Any, path: str, reading: Reading) -> Any:
        items = _items(value, path, reading)
        before = reading.failed
        results = [item.read(part, f"{path}[{i}]", reading) for i, part in enumerate(items or ())]
        return make(results) if reading.failed == before and items is not None else None

    return Shape({"type": "array", "items": item.schema}, read, "an array")


def unique_array(item: Shape, make: Callable[[list[Any]], Any]) -> Shape:
    """An array that becomes a set. One value twice says no more than once, so it is no fault."""

    def read(value: Any, path: str, reading: Reading) -> Any:
        items = _items(value, path, reading)
        before = reading.failed
        results = [item.read(part, f"{path}[{i}]", reading) for i, part in enumerate(items or ())]
        for i, result in enumerate(results):
            if not isinstance(result, Hashable):
                reading.add(Fault(f"{path}[{i}]", "an array or object cannot be in a set"))
        return make(results) if reading.failed == before and items is not None else None

    return Shape({"type": "array", "items": item.schema, "uniqueItems": True}, read, "an array")


def fixed_array(parts: Sequence[Shape], make: Callable[[list[Any]], Any]) -> Shape:
    """An array of exactly these parts."""
    count = len(parts)

    def read(value: Any, path: str, reading: Reading) -> Any:
        items = _items(value, path, reading)
        if items is None:
            return None
        if len(items) != count:
            reading.add(Fault(path, f"expected an array of {count}, got one of {len(items)}"))
            return None
        before = reading.failed
        results = [
            part.read(item, f"{path}[{i}]", reading) for i, (part, item) in enumerate(zip(parts, items, strict=True))
        ]
        return make(results) if reading.failed == before else None

    schema: dict[str, Any] = {"type": "array", "minItems": count, "maxItems": count, "items": False}
    if parts:
        schema["prefixItems"] = [part.schema for part in parts]
    return Shape(schema, read, f"an array of {count}")


def mapping(key: Shape, value: Shape) -> Shape:
    """An object whose keys are free.

    Args:
        key: reads the keys, which are strings in JSON whatever they become.
        value: reads the values.
    """

    def read(document: Any, path: str, reading: Reading) -> Any:
        items = as_object(document, reading)
        if items is None:
            reading.expected("an object", document, path)
            return None
        before = reading.failed
        results: dict[Any, Any] = {
            key.read(name, f"{path} (key)", reading): value.read(item, f"{path}.{name[:_SHOWN_CHARS]}", reading)
            for name, item in items.items()
        }
        return results if reading.failed == before else None

    schema: dict[str, Any] = {"type": "object", "additionalProperties": value.schema or True}
    if key.schema != {"type": "string"}:
        schema["propertyNames"] = key.schema
    return Shape(schema, read, "an object")
