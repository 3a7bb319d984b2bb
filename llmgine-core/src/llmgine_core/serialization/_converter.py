"""The cattrs converter that knows the contracts."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from enum import StrEnum
from functools import partial
from reprlib import repr as short
from types import MappingProxyType, NoneType
from typing import TYPE_CHECKING, Any, Final

import attrs

from llmgine_core import contracts
from llmgine_core.errors import SerializationError
from llmgine_core.serialization._text import is_object
from llmgine_core.serialization._types import type_document, type_named

if TYPE_CHECKING:
    from cattrs import Converter

__all__ = ["TAGGED", "make_converter"]

_CONTENT_PARTS = {
    "text": contracts.TextPart,
    "image": contracts.ImagePart,
    "file": contracts.FilePart,
}
_PARTS = {
    **_CONTENT_PARTS,
    "reasoning": contracts.ReasoningPart,
    "refusal": contracts.RefusalPart,
    "tool_call": contracts.ToolCallPart,
    "tool_result": contracts.ToolResultPart,
}
_CHUNKS = {
    "text": contracts.LLMTextDelta,
    "reasoning": contracts.LLMReasoningDelta,
    "tool_call": contracts.LLMToolCallDelta,
    "completed": contracts.LLMCompleted,
}
_STEPS = {
    "text": contracts.TurnTextDelta,
    "tool_call": contracts.TurnToolCall,
    "tool_result": contracts.TurnToolResult,
    "completed": contracts.TurnCompleted,
}

TAGGED: Final[Mapping[Any, tuple[Mapping[str, type], Any]]] = {
    contracts.Part: (_PARTS, contracts.UnknownPart),
    contracts.ContentPart: (_CONTENT_PARTS, contracts.UnknownPart),
    contracts.LLMStreamEvent: (_CHUNKS, contracts.LLMUnknownEvent),
    contracts.TurnStreamEvent: (_STEPS, contracts.TurnUnknownEvent),
}
"""Unions and bases whose members are told apart by the key `type`: the members by name, and what keeps the others."""


def make_converter() -> Converter:
    """A cattrs converter that knows the contracts; a plugin may add hooks for types of its own.

    Parts of chat messages and events of streams are told apart by the key `type`. Words, numbers and truth values are
    taken as they stand: `"false"` is not read as a truth value, nor `2.5` as a whole number.
    """
    from cattrs.preconf.json import make_converter as make_json_converter

    converter = make_json_converter()
    converter.register_unstructure_hook(StrEnum, lambda member: member.value)
    converter.register_unstructure_hook(MappingProxyType, lambda view: converter.unstructure(dict(view)))
    converter.register_structure_hook_factory(_is_record, partial(_record_reader, converter))
    for kind, accepted in ((str, str), (int, int), (float, (int, float)), (bool, bool), (NoneType, NoneType)):
        converter.register_structure_hook(kind, _reader(kind, accepted))
    converter.register_unstructure_hook_func(_is_output_type, type_document)
    converter.register_structure_hook_func(_is_output_type, lambda document, _: type_named(document))
    for union, (classes, unknown) in TAGGED.items():
        _tag(converter, union, classes, unknown)
    return converter


def _is_output_type(kind: Any) -> bool:
    return bool(kind == contracts.OutputType | None)


def _is_record(kind: Any) -> bool:
    return attrs.has(kind) or (isinstance(kind, type) and dataclasses.is_dataclass(kind))


def _record_reader(converter: Converter, kind: Any) -> Callable[[Any, Any], Any]:
    read = converter.gen_structure_attrs_fromdict(kind)

    def read_object(document: Any, _: Any) -> Any:
        if not is_object(document):  # cattrs would look for the fields' names in a list or a string too
            raise TypeError(f"an object is wanted, not {short(document)}")
        return read(document, kind)

    return read_object


def _reader(basis: type, accepted: type | tuple[type, ...]) -> Callable[[Any, Any], Any]:
    """Read a value of this very kind of JSON; also as a member of an enum that is one (cattrs asks by base class)."""

    def read(value: Any, kind: Any) -> Any:
        if not isinstance(value, accepted):
            raise TypeError(f"{basis.__name__} is wanted, not {short(value)}")
        return value if type(value) is kind else kind(value)

    return read


def _tag(converter: Converter, union: Any, classes: Mapping[str, type], unknown: Any) -> None:
    """Write members of a union, or subclasses of a base, with their name as `type`; read by it."""
    names = {cls: name for name, cls in classes.items()}

    def write(value: Any) -> Any:
        fields = converter.unstructure(value, unstructure_as=type(value))
        if not isinstance(value, unknown):
            return {"type": names[type(value)], **fields}
        if value.type in classes:
            raise SerializationError(f"{value.type!r} would not be read as {unknown.__name__}")
        return {**fields["data"], "type": value.type}

    def read(document: Any, _: Any) -> Any:
        fields: dict[str, Any] = dict(document) if is_object(document) else {}
        name = fields.pop("type", None)
        if not isinstance(name, str):
            raise TypeError(f"an object whose `type` is a string is wanted, not {short(document)}")
        kind: Any = classes.get(name)
        return unknown(name, fields) if kind is None else converter.structure(fields, kind)

    # by identity: a hook registered for a class would also catch its subclasses, and so itself
    converter.register_unstructure_hook_func(lambda kind: kind is union, write)
    converter.register_structure_hook_func(lambda kind: kind is union, read)
