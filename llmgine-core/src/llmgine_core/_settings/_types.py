"""The types that settings may have, and how messages speak of them."""

from __future__ import annotations

import enum
import types
import typing
from collections.abc import Mapping, Sequence
from datetime import date, datetime, time
from pathlib import PurePath
from typing import Annotated, Any, Final, Literal, TypeVar, Union, get_args, get_origin

import attrs

__all__ = [
    "SCALARS",
    "choices",
    "fields_of",
    "inner",
    "is_class",
    "is_enumeration",
    "is_several",
    "is_table",
    "is_text",
    "is_union_of_scalars",
    "key_of",
    "named",
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


def plain(wanted: Any) -> Any:
    """The type that a `NewType`, a type alias, `Final` or `Annotated` stands for."""
    while True:
        if get_origin(wanted) in (Annotated, Final):
            wanted = get_args(wanted)[0]
        elif (meant := getattr(wanted, "__supertype__", None) or getattr(wanted, "__value__", None)) is not None:
            wanted = meant
        else:
            return wanted


def choices(wanted: Any) -> tuple[Any, ...]:
    """The types of a union; of anything else, it alone."""
    wanted = plain(wanted)
    return tuple(map(plain, get_args(wanted))) if get_origin(wanted) in (Union, types.UnionType) else (wanted,)


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
    return isinstance(origin, type) and (issubclass(origin, Mapping) or is_class(origin))


def is_text(wanted: Any) -> bool:
    """Whether configuration writes it as a text: also an enumeration, a path and the like."""
    is_other = wanted is Any or wanted is object or is_table(wanted) or is_several(wanted)
    return not is_other and (wanted is str or wanted not in SCALARS)


def inner(wanted: Any, position: int = 0) -> Any:
    """The type of what a list or a table holds; of a tuple, that at a position."""
    for choice in choices(wanted):
        arguments = [each for each in get_args(choice) if each is not Ellipsis]
        if get_origin(choice) is tuple and Ellipsis not in get_args(choice):
            return arguments[position] if position < len(arguments) else Any
        if arguments and get_origin(choice) is not Literal:
            return arguments[-1]
    return Any


def named(wanted: Any) -> dict[str, Any]:
    """The values that a type allows, where it lists them, by what a text says for each."""
    if get_origin(wanted) is Literal:
        return {str(option): option for option in get_args(wanted)}
    return {str(member.value): member.value for member in wanted} if is_enumeration(wanted) else {}


def fields_of(wanted: Any) -> dict[str, Any]:
    """The types of a class's settings, by their keys.

    Raises:
        NameError: an annotation names what its module does not have.
    """
    for choice in choices(wanted):
        if is_class(_origin(choice)):
            return _fields(_origin(choice), _given(choice))
    return {}


def _fields(settings_class: type[Any], given: Mapping[Any, Any]) -> dict[str, Any]:
    hints = typing.get_type_hints(settings_class)
    fields = [field for field in attrs.fields(settings_class) if field.init]
    wanted = {key_of(settings_class, field.name): hints.get(field.name, Any) for field in fields}
    return {key: given.get(hint, hint) if isinstance(hint, TypeVar) else hint for key, hint in wanted.items()}


def _given(wanted: Any) -> dict[Any, Any]:
    """What a generic class is made specific with, by its type variables."""
    return dict(zip(getattr(_origin(wanted), "__parameters__", ()), get_args(wanted), strict=False))


def key_of(wanted: Any, attribute: str) -> str:
    """The key under which configuration gives an attribute of a class."""
    settings_class = next(filter(is_class, map(_origin, choices(wanted))), None)
    field = attrs.fields_dict(settings_class).get(attribute) if settings_class else None
    return (field.alias if field else None) or attribute


def is_class(wanted: Any) -> bool:
    """Whether it is a class made with attrs."""
    return isinstance(wanted, type) and attrs.has(wanted)


def noun(wanted: Any) -> str:
    """How messages speak of what a setting wants."""
    wanted = plain(wanted)
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
