"""Texts of variables, read as what their setting wants."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, cast, get_args, get_origin

from llmgine_core._settings._types import choices, fields_of, inner, is_several, is_table, is_text
from llmgine_core.config import Secret, Text, parse

__all__ = ["readable"]

_NO_LIST = object()


def readable(value: Any, wanted: Any) -> Any:
    """The value with each text of a variable read as what its setting wants: `5` is a number for a number alone."""
    if isinstance(value, Text):
        read = _read_text(value, wanted)
        return str(read) if isinstance(read, Text) and not isinstance(read, Secret) else read
    if isinstance(value, (str, Mapping)) and any(map(is_several, choices(wanted))) and not _takes(wanted, value):
        return _NO_LIST  # letters or keys would be taken for a list of them
    if isinstance(value, Mapping):
        fields = fields_of(wanted)
        table = cast("Mapping[str, Any]", value)
        return {key: readable(each, fields.get(key, inner(wanted))) for key, each in table.items()}
    if isinstance(value, list):
        return [readable(each, inner(wanted)) for each in cast("Sequence[Any]", value)]
    return value


def _takes(wanted: Any, value: Any) -> bool:
    """Whether a union that has a list takes a text, or a table, as well."""
    return any(is_text(c) if isinstance(value, str) else is_table(c) for c in choices(wanted))


def _read_text(text: Text, wanted: Any) -> Any:
    options = choices(wanted)
    if str in options and len({*options} - {type(None)}) == 1:
        return text
    for choice in options:
        if get_origin(choice) is Literal and text in (named := {str(option): option for option in get_args(choice)}):
            return named[text]
        if choice is type(None) and not text:
            return None
        if is_several(choice):
            return _read_list(text, choice)
    value = parse(text)
    is_value = not isinstance(value, str) and not all(map(is_text, options))
    return value if is_value else text


def _read_list(text: Text, wanted: Any) -> list[Any]:
    value = parse(text)
    items: Sequence[Any] = cast("Sequence[Any]", value) if isinstance(value, list) else _split(text)
    return [_read_text(_part(text, each), inner(wanted)) if isinstance(each, str) else each for each in items]


def _split(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _part(whole: Text, text: str) -> Text:
    """A part of a text, as secret as the whole."""
    return Secret(text, whole.reference, whole.parts) if isinstance(whole, Secret) else Text(text)
