"""The form of a schema that OpenAI's strict mode takes.

In it every property is required and every object closed (https://platform.openai.com/docs/guides/structured-outputs).
A property that may be left out takes null instead, which the reader of the arguments takes for "use the default".
"""

from __future__ import annotations

import json
from typing import Any, Final

__all__ = ["strict_form"]

_KEPT: Final = {"$ref", "description", "enum", "maxItems", "minItems", "pattern", "type"}
# Dropping these loosens nothing that the reader would then refuse: it takes repeated items for one, any text for a
# path, and `pattern` says what `contentEncoding` does.
_DROPPED: Final = {"contentEncoding", "default", "required", "uniqueItems"}
_FORMATS: Final = {"date", "date-time", "time", "uuid"}


class _InexpressibleError(Exception):
    """Strict mode cannot say this."""


def strict_form(schema: dict[str, Any]) -> dict[str, Any] | None:
    """A schema's strict form; None if there is none that means the same."""
    definitions = schema.get("$defs", {})
    try:
        result = _strict({k: v for k, v in schema.items() if k != "$defs"}, definitions)
        if definitions:
            result["$defs"] = {name: _strict(body, definitions) for name, body in definitions.items()}
    except _InexpressibleError:
        return None
    return result


def _strict(schema: Any, definitions: dict[str, Any]) -> dict[str, Any]:
    if schema in ({}, True, False):
        raise _InexpressibleError("anything at all")
    result: dict[str, Any] = {}
    for keyword, value in schema.items():
        if keyword in _KEPT:
            result[keyword] = value
        elif keyword == "anyOf":
            result[keyword] = [_strict(member, definitions) for member in value]
        elif keyword == "format":
            result |= {keyword: value} if value in _FORMATS else {}
        elif keyword not in _DROPPED and keyword not in _HANDLED:
            raise _InexpressibleError(keyword)
    if schema.get("type") == "object":
        result |= _object(schema, definitions)
    if schema.get("type") == "array":
        result["items"] = _strict(_items(schema), definitions)
    if "$ref" in result and len(result) > 1:  # strict mode takes no keyword beside a reference
        result["anyOf"] = [{"$ref": result.pop("$ref")}]
    return result


_HANDLED: Final = {"additionalProperties", "items", "prefixItems", "properties"}


def _object(schema: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    if schema.get("additionalProperties") is not False:
        raise _InexpressibleError("free keys")
    required = schema.get("required", ())
    properties = {
        key: _strict(body, definitions) if key in required else _optional(body, definitions)
        for key, body in schema["properties"].items()
    }
    return {"properties": properties, "required": list(properties), "additionalProperties": False}


def _optional(schema: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    result = _strict(schema, definitions)
    if _takes_null(schema, definitions):
        if "default" in schema and schema["default"] is None:
            return result
        raise _InexpressibleError("null that would mean both None and the default")
    words = [result.pop("description", "")]
    if "default" in schema:
        words.append(f"Null means {json.dumps(schema['default'], ensure_ascii=False)}.")
    members = result["anyOf"] if set(result) == {"anyOf"} else [result]
    described = {"description": " ".join(filter(None, words))} if any(words) else {}
    return {**described, "anyOf": [*members, {"type": "null"}]}


def _takes_null(schema: dict[str, Any], definitions: dict[str, Any], seen: tuple[str, ...] = ()) -> bool:
    if (name := schema.get("$ref", "").rpartition("/")[2]) and name not in seen:
        return _takes_null(definitions[name], definitions, (*seen, name))
    return schema.get("type") == "null" or any(
        _takes_null(member, definitions, seen) for member in schema.get("anyOf", ())
    )


def _items(schema: dict[str, Any]) -> Any:
    parts = schema.get("prefixItems")
    if parts is None:
        return schema.get("items")
    if any(part != parts[0] for part in parts):
        raise _InexpressibleError("items that differ by position")
    return parts[0]
