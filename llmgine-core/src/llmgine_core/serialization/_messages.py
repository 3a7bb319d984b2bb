"""Messages as JSON and back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from functools import cache
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, cast

import attrs

from llmgine_core import contracts, events
from llmgine_core.contracts import Message, message_type
from llmgine_core.contracts.header import set_header, take_header
from llmgine_core.errors import SerializationError
from llmgine_core.events import UnknownEvent
from llmgine_core.serialization._converter import make_converter
from llmgine_core.serialization._text import from_text, is_list, is_object, naming_the_path, refuse_foreign, to_text

if TYPE_CHECKING:
    from cattrs import Converter

__all__ = ["dumps", "from_document", "header_document", "loads", "shared_converter", "to_document"]


def _load_ours() -> None:
    """Load what a document may name, whatever has been asked for so far."""
    for package in (contracts, events):
        for name in package.__all__:
            getattr(package, name)


_load_ours()


def dumps(message: Message) -> str:
    """The message as one line of JSON.

    Raises:
        SerializationError: a field holds what JSON cannot say; the error names the path.
    """
    return to_text(_written(message))


def loads(text: str) -> Message:
    """The message that `dumps` wrote.

    Returns:
        A message of the type written; `UnknownEvent`, with the data intact, if the type is not known here.

    Raises:
        SerializationError: the text is no such document, is too deep or too large; the error names the path.
    """
    return from_document(from_text(text))


def to_document(message: Message) -> dict[str, Any]:
    """The message as JSON data, together with what its document said besides when it was read.

    Raises:
        SerializationError: a field holds what JSON cannot say; the error names the path.
    """
    document = _written(message)
    with naming_the_path("$"):
        refuse_foreign(document, "$")
    return document


def from_document(document: object) -> Message:
    """The message that `to_document` stated.

    Raises:
        SerializationError: the document is not of that form; the error names the path.
    """
    fields: Mapping[str, Any] = document if is_object(document) else {}
    type_name, data = fields.get("type"), fields.get("data", {})
    if not isinstance(type_name, str):
        raise SerializationError("a message is a JSON object whose `type` is a string")
    if not is_object(data):
        raise SerializationError("an object is wanted", "$.data")
    cls = message_type(type_name)
    with naming_the_path("$.data"):
        header = _read_header(fields)
        if cls is None:
            message: Message = UnknownEvent(type_name, data)
        else:
            message = _body_hooks(cls)[1](data, cls)
        take_header(message, header)
        _keep_unknown(message, fields)
    return message


def _written(message: Message) -> dict[str, Any]:
    with naming_the_path("$.data"):
        if isinstance(message, UnknownEvent):
            type_name, data = message.original_type, dict(message.data)
        else:
            type_name, data = message.type_name, _body_hooks(type(message))[0](message)
        document = {"type": type_name, **header_document(message), "data": data}
        return _merged(document, message.header.unknown) if message.header.unknown else document


# ── the header ───────────────────────────────────────────────────────────────────────────────────────────────────────


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


def _read_header(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The header's fields, checked."""
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
        time.astimezone(UTC)  # at either end of the calendar there may be no such time
    except (TypeError, ValueError, OverflowError) as error:
        raise SerializationError(f"not a date and time in ISO 8601: {text!r}", path) from error
    if time.tzinfo is None:
        raise SerializationError(f"a date and time without a time zone: {text!r}", path)
    return time


# ── what this version does not know ──────────────────────────────────────────────────────────────────────────────────


def _keep_unknown(message: Message, document: Mapping[str, Any]) -> None:
    """Keep in the header what the document says and the message cannot, at any depth, for when it is written again."""
    unknown = None
    with suppress(SerializationError):  # what cannot be written again needs nothing kept
        unknown = _unknown(document, _written(message))
    if unknown is not None:
        set_header(message, attrs.evolve(message.header, unknown=unknown))


def _unknown(read: Any, written: Any) -> Any:
    """The part of `read` that is not in `written`: objects with the keys left over, lists place by place; else None."""
    if is_object(read) and is_object(written):
        rest: dict[str, Any] = {}
        for key, value in read.items():
            if key not in written:
                rest[key] = value
            elif (within := _unknown(value, written[key])) is not None:
                rest[key] = within
        return rest or None
    if is_list(read) and is_list(written):
        places = [_unknown(*pair) for pair in zip_longest(read, written)]
        return places if any(place is not None for place in places) else None
    return None


def _merged(written: Any, unknown: Any) -> Any:
    """`written` with what `_unknown` found left out of it."""
    if is_object(written) and is_object(unknown):
        return {**unknown, **{key: _merged(value, unknown.get(key)) for key, value in written.items()}}
    if is_list(written) and is_list(unknown):
        return [_merged(*pair) for pair in zip_longest(written, unknown)]
    return cast("Any", written)


# ── the converter ────────────────────────────────────────────────────────────────────────────────────────────────────


@cache
def shared_converter() -> Converter:
    """The converter of this module: a message inside another object is written as a document of its own."""
    converter = make_converter()
    converter.register_unstructure_hook_func(_is_message, to_document)
    converter.register_structure_hook_func(_is_message, _read_message)
    return converter


def _is_message(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, Message)


def _read_message(document: Any, kind: type[Message]) -> Message:
    message = from_document(document)
    if isinstance(message, kind):
        return message
    raise TypeError(f"{kind.type_name} is wanted, not {message.type_name}")


@cache
def _body_hooks(cls: type[Message]) -> tuple[Callable[[Message], dict[str, Any]], Callable[[Any, Any], Message]]:
    """What writes and reads the fields of a message's own class."""
    converter = shared_converter()
    variables = getattr(cls, "__parameters__", ())
    kind: Any = cast("Any", cls)[(Any,) * len(variables)] if variables else cls  # fields of a type left open
    return converter.gen_unstructure_attrs_fromdict(kind), converter.gen_structure_attrs_fromdict(kind)
