"""The fields of a class, whatever made it: attrs, dataclasses, TypedDict or NamedTuple."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Iterator
from typing import Any

import attrs

from llmgine_tools._schema.hints import annotations_of, unwrapped
from llmgine_tools._schema.records import UNSTATED

__all__ = ["Field", "fields_of"]


@attrs.frozen
class Field:
    """One field.

    Attributes:
        key: its name in JSON, which is also the keyword of the constructor.
        hint: its type hint.
        required: whether it must be given.
        default: what it is otherwise, where that is a plain value.
        documented: the name under which the docstring speaks of it.
    """

    key: str
    hint: Any
    required: bool = True
    default: Any = UNSTATED
    documented: str = ""


def fields_of(cls: Any) -> list[Field] | None:
    """The fields with which a class is made; None if it is of no kind that has fields.

    Raises:
        NameError: a name in its annotations is not defined.
    """
    if not inspect.isclass(cls):
        return None
    if attrs.has(cls):
        return list(_attrs_fields(cls))
    if dataclasses.is_dataclass(cls):
        return list(_dataclass_fields(cls))
    if hasattr(cls, "__required_keys__") and issubclass(cls, dict):
        return list(_typed_dict_fields(cls))
    if hasattr(cls, "_fields") and issubclass(cls, tuple):
        return list(_named_tuple_fields(cls))
    return None


def _attrs_fields(cls: type[Any]) -> Iterator[Field]:
    hints = annotations_of(cls)
    for a in attrs.fields(cls):
        if a.init:
            plain = a.default is not attrs.NOTHING and not isinstance(a.default, attrs.Factory)  # type: ignore[arg-type]
            yield Field(
                a.alias or a.name,
                hints.get(a.name, a.type or Any),
                required=a.default is attrs.NOTHING,
                default=a.default if plain else UNSTATED,
                documented=a.name,
            )


def _dataclass_fields(cls: type[Any]) -> Iterator[Field]:
    hints = annotations_of(cls)
    # The signature has the InitVars too, which `dataclasses.fields` leaves out.
    for name, p in inspect.signature(cls).parameters.items():
        default = UNSTATED if p.default is p.empty else p.default
        yield Field(name, hints.get(name, Any), required=p.default is p.empty, default=default, documented=name)


def _typed_dict_fields(cls: Any) -> Iterator[Field]:
    for name, hint in annotations_of(cls).items():
        # Where annotations are strings, `__required_keys__` knows the class's totality but not NotRequired.
        said = unwrapped(hint).required
        required = name in cls.__required_keys__ if said is None else said
        yield Field(name, hint, required=required, documented=name)


def _named_tuple_fields(cls: Any) -> Iterator[Field]:
    hints = annotations_of(cls)
    for name in cls._fields:
        default = cls._field_defaults.get(name, UNSTATED)
        required = name not in cls._field_defaults
        yield Field(name, hints.get(name, Any), required=required, default=default, documented=name)
