"""The types that settings may have, and how messages speak of them."""

from __future__ import annotations

import enum
import types
import typing
from collections.abc import Mapping, Sequence
from datetime import date, datetime, time
from pathlib import PurePath
from typing import Any, Literal, Union, cast, get_args, get_origin

import attrs

__all__ = [
    "SCALARS",
    "choices",
    "fields_of",
    "inner",
    "is_enumeration",
    "is_several",
    "is_table",
    "is_text",
    "is_union_of_scalars",
    "noun",
]

SCALARS: Mapping[Any, tuple[tuple[type, ...], str]] = {
    bool: ((bool,), "true or false"),
    int: ((int,), "a whole number"),
    float: ((int, float), "a number"),
    str: ((str,), "a text"),
    datetime: ((datetime,), "a date and time"),
    date: ((date,), "a date"),
    time: ((time,), "a time"),
    type(None): ((type(None),), "nothing"),
}


def choices(wanted: Any) -> tuple[Any, ...]:
    """The types of a union; of anything else, it alone."""
    return get_args(wanted) if get_origin(wanted) in (Union, types.UnionType) else (wanted,)


def _origin(wanted: Any) -> Any:
    return get_origin(wanted) or wanted


def is_union_of_scalars(wanted: Any) -> bool:
    return len(choices(wanted)) > 1 and all(choice in SCALARS for choice in choices(wanted))


def is_several(wanted: Any) -> bool:
    origin = _origin(wanted)
    collections = (list, tuple, set, frozenset, Sequence)
    return isinstance(origin, type) and issubclass(origin, collections) and not issubclass(origin, (str, bytes))


def is_table(wanted: Any) -> bool:
    origin = _origin(wanted)
    return isinstance(origin, type) and (issubclass(origin, Mapping) or attrs.has(cast("type[Any]", origin)))


def is_text(wanted: Any) -> bool:
    """Whether configuration writes it as a text: also an enumeration, a path and the like."""
    is_other = wanted is Any or wanted is object or is_table(wanted) or is_several(wanted)
    return not is_other and (wanted is str or wanted not in SCALARS)


def inner(wanted: Any) -> Any:
    """The type of what a list or a table holds."""
    for choice in choices(wanted):
        arguments = [each for each in get_args(choice) if each is not Ellipsis]
        if arguments and get_origin(choice) is not Literal:
            return arguments[-1]
    return Any


def fields_of(wanted: Any) -> dict[str, Any]:
    """The types of a class's settings, by their keys."""
    for choice in choices(wanted):
        if isinstance(choice, type) and attrs.has(choice):
            hints = typing.get_type_hints(choice)
            return {field.alias or field.name: hints.get(field.name, Any) for field in attrs.fields(choice)}
    return {}


def noun(wanted: Any) -> str:
    """How messages speak of what a setting wants."""
    if get_origin(wanted) is Literal:
        return " or ".join(map(repr, get_args(wanted)))
    if is_enumeration(wanted):
        return " or ".join(repr(member.value) for member in wanted)
    if len(choices(wanted)) > 1:
        return " or ".join(noun(choice) for choice in choices(wanted) if choice is not type(None))
    if is_several(wanted):
        return "a list"
    if is_table(wanted):
        return "a table"
    if wanted in SCALARS:
        return SCALARS[wanted][1]
    if isinstance(wanted, type):
        return "a path" if issubclass(wanted, PurePath) else wanted.__name__
    return str(wanted)


def is_enumeration(wanted: Any) -> bool:
    """Whether it is an enumeration."""
    return isinstance(wanted, type) and issubclass(wanted, enum.Enum)
