"""Texts of variables, read as what their setting wants."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from llmgine_core._settings._types import choices, fields_of, inner, is_several, is_table, is_text, named
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
        return [readable(each, inner(wanted, i)) for i, each in enumerate(cast("Sequence[Any]", value))]
    return value


def _takes(wanted: Any, value: Any) -> bool:
    """Whether a union that has a list takes a text, or a table, as well."""
    return any(is_text(c) if isinstance(value, str) else is_table(c) for c in choices(wanted))


def _read_text(text: Text, wanted: Any) -> Any:
    wanted_types = choices(wanted)
    if str in wanted_types and len({*wanted_types} - {type(None)}) == 1:
        return text
    for choice in wanted_types:
        if text in (options := named(choice)):
            return options[text]
        if choice is type(None) and not text:
            return None
        if is_several(choice):
            return _read_list(text, choice)
    value = parse(text)
    is_value = not isinstance(value, str) and not all(map(is_text, wanted_types))
    return value if is_value else text


def _read_list(text: Text, wanted: Any) -> list[Any]:
    value = parse(text)
    items: Sequence[Any] = cast("Sequence[Any]", value) if isinstance(value, list) else _split(text)
    return [
        _read_text(_part(text, each), inner(wanted, position)) if isinstance(each, str) else each
        for position, each in enumerate(items)
    ]


def _split(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _part(whole: Text, text: str) -> Text:
    """A part of a text, as secret as the whole."""
    return Secret(text, whole.reference, whole.parts) if isinstance(whole, Secret) else Text(text)
