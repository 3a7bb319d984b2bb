"""Messages as JSON and back.

A stored message is one object: `type` says what it is, the header's fields stand beside it, `data` holds the fields.
What is of an unknown type reads back as `UnknownEvent` and is written again as it was. cattrs is imported at the
first use.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from functools import cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, cast

from llmgine_core import contracts
from llmgine_core.contracts import Message, message_type
from llmgine_core.contracts.header import take_header
from llmgine_core.errors import SerializationError
from llmgine_core.events import UnknownEvent

if TYPE_CHECKING:
    from cattrs import Converter

__all__ = ["MAX_DOCUMENT", "dumps", "from_document", "header_document", "loads", "make_converter", "to_document"]

MAX_DOCUMENT = 64 * 1024 * 1024
"""Characters of the largest document that `loads` reads."""

_PARTS = {
    "text": contracts.TextPart,
    "image": contracts.ImagePart,
    "reasoning": contracts.ReasoningPart,
    "tool_call": contracts.ToolCallPart,
    "tool_result": contracts.ToolResultPart,
}
_CHUNKS = {
    "text": contracts.LLMTextDelta,
    "reasoning": contracts.LLMReasoningDelta,
    "tool_call": contracts.LLMToolCallDelta,
    "completed": contracts.LLMCompleted,
}


def dumps(message: Message) -> str:
    """The message as one line of JSON.

    Raises:
        SerializationError: a field holds what JSON cannot say; the error names the path.
    """
    try:
        return json.dumps(to_document(message), ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    except RecursionError as error:
        raise SerializationError("the message is nested too deeply", "$.data") from error


def loads(text: str) -> Message:
    """The message that `dumps` wrote.

    Returns:
        A message of the type written; `UnknownEvent`, with the data intact, if the type is not known here.

    Raises:
        SerializationError: the text is no such document, is too deep or too large; the error names the path.
    """
    if len(text) > MAX_DOCUMENT:
        raise SerializationError(f"the document has {len(text)} characters, {MAX_DOCUMENT} are allowed")
    try:
        document = json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise SerializationError(f"not a JSON document: {error}") from error
    return from_document(document)


def to_document(message: Message) -> dict[str, Any]:
    """The message as JSON data.

    Raises:
        SerializationError: a field holds what JSON cannot say; the error names the path.
    """
    try:
        if isinstance(message, UnknownEvent):
            type_name, data = message.original_type, dict(message.data)
        else:
            type_name, data = message.type_name, _converter().unstructure(message)
        document = {"type": type_name, **header_document(message), "data": data}
        _refuse_foreign(document, "$")
    except SerializationError:
        raise
    except RecursionError as error:
        raise SerializationError("the message is nested too deeply", "$.data") from error
    except Exception as error:  # a value's own conversion
        raise SerializationError(f"{type(error).__name__}: {error}", "$.data") from error
    return document


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no number in JSON")


def from_document(document: object) -> Message:
    """The message that `to_document` stated.

    Raises:
        SerializationError: the document is not of that form; the error names the path.
    """
    fields: dict[str, Any] = dict(cast("dict[str, Any]", document)) if isinstance(document, dict) else {}
    type_name, data = fields.pop("type", None), fields.pop("data", {})
    if not isinstance(type_name, str):
        raise SerializationError("a message is a JSON object whose `type` is a string")
    if not isinstance(data, dict):
        raise SerializationError("an object is wanted", "$.data")
    cls = message_type(type_name)
    try:
        header = _read_header(fields)
        if cls is None:
            return UnknownEvent(type_name, cast("dict[str, Any]", data), **header)
        message = _converter().structure(data, cls)
        take_header(message, header)
        return message
    except RecursionError as error:
        raise SerializationError("the document is nested too deeply", "$.data") from error
    except Exception as error:  # cattrs raises groups of whatever the classes' own validators raise
        raise _located(error) from error


def header_document(message: Message) -> dict[str, Any]:
    """The header's fields that are not empty, as JSON data."""
    header = message.header
    document: dict[str, Any] = {"id": message.id, "timestamp": message.timestamp.isoformat()}
    for name in ("session_id", "correlation_id", "causation_id", "traceparent", "tracestate"):
        if (value := getattr(header, name)) is not None:
            document[name] = value
    if header.deadline is not None:
        document["deadline"] = header.deadline.isoformat()
    if header.metadata:
        document["metadata"] = dict(header.metadata)
    return document


def _read_header(fields: dict[str, Any]) -> dict[str, Any]:
    """The header's fields, checked; what a newer version may have added is left out."""
    header: dict[str, Any] = {}
    for name in ("id", "session_id", "correlation_id", "causation_id", "traceparent", "tracestate"):
        if (value := fields.get(name)) is not None:
            if not isinstance(value, str):
                raise SerializationError(f"a string is wanted, not {value!r}", f"$.{name}")
            header[name] = value
    for name in ("timestamp", "deadline"):
        if name in fields:
            header[name] = _read_time(fields[name], f"$.{name}")
    if "metadata" in fields:
        if not isinstance(fields["metadata"], dict):
            raise SerializationError("an object is wanted", "$.metadata")
        header["metadata"] = fields["metadata"]
    return header


def _read_time(text: object, path: str) -> datetime:
    try:
        time = datetime.fromisoformat(cast("str", text))
    except (TypeError, ValueError) as error:
        raise SerializationError(f"not a date and time in ISO 8601: {text!r}", path) from error
    if time.tzinfo is None:
        raise SerializationError(f"a date and time without a time zone: {text!r}", path)
    return time


# ── the converter ────────────────────────────────────────────────────────────────────────────────────────────────────


def make_converter() -> Converter:
    """A cattrs converter that knows the contracts; a plugin may add hooks for types of its own.

    Parts of chat messages and events of streams are told apart by the key `type`.
    """
    from cattrs.preconf.json import make_converter as make_json_converter

    converter = make_json_converter()
    converter.register_unstructure_hook(StrEnum, lambda member: member.value)
    converter.register_unstructure_hook(MappingProxyType, lambda view: converter.unstructure(dict(view)))
    _tag(converter, contracts.Part, _PARTS)
    _tag(converter, contracts.LLMStreamEvent, _CHUNKS)
    return converter


def _tag(converter: Converter, union: Any, classes: Mapping[str, type]) -> None:
    """Write members of a union, or subclasses of a base, with their name as `type`; read by it."""
    names = {cls: name for name, cls in classes.items()}

    def write(value: Any) -> Any:
        if isinstance(value, contracts.UnknownPart):
            fields = converter.unstructure(value, unstructure_as=contracts.UnknownPart)
            return {**fields["data"], "type": value.type}
        return {"type": names[type(value)], **converter.unstructure(value, unstructure_as=type(value))}

    def read(document: Any, _: Any) -> Any:
        fields: dict[str, Any] = dict(document)
        name = fields.pop("type")
        if name in classes:
            member: Any = classes[name]
            return converter.structure(fields, member)
        if union is contracts.Part:
            return contracts.UnknownPart(name, fields)
        raise SerializationError(f"unknown type {name!r}; known: {', '.join(classes)}")

    # by identity: a hook registered for a class would also catch its subclasses, and so itself
    converter.register_unstructure_hook_func(lambda kind: kind is union, write)
    converter.register_structure_hook_func(lambda kind: kind is union, read)


@cache
def _converter() -> Converter:
    return make_converter()


def _refuse_foreign(value: Any, path: str) -> None:
    """Name the first place that holds something JSON cannot say."""
    if isinstance(value, float) and not math.isfinite(value):
        raise SerializationError(f"{value!r} cannot be written as JSON", path)
    if value is None or isinstance(value, (str, int, float)):
        return
    if isinstance(value, Mapping):
        for key, item in value.items():  # pyright: ignore[reportUnknownVariableType]
            if not isinstance(key, str):
                raise SerializationError(f"a key must be a string, not {key!r}", path)
            _refuse_foreign(item, f"{path}.{key}")
    elif isinstance(value, (list, tuple)):
        for index, item in enumerate(value):  # pyright: ignore[reportUnknownVariableType,reportUnknownArgumentType]
            _refuse_foreign(item, f"{path}[{index}]")
    else:
        raise SerializationError(f"{type(value).__qualname__} cannot be written as JSON", path)


def _located(error: Exception) -> SerializationError:
    from cattrs import transform_error

    if isinstance(error, SerializationError):
        return error
    reason, _, path = transform_error(error, path="$.data")[0].rpartition(" @ ")
    return SerializationError(reason or str(error), path or "$.data")
