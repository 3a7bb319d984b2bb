"""Classes by name: what `RunTurn(output=…)` asks for."""

from __future__ import annotations

import dataclasses
import sys
import typing
from enum import Enum
from typing import Any, get_args, get_origin

import attrs

from llmgine_core.contracts import UnknownType
from llmgine_core.serialization._text import is_list

__all__ = ["type_document", "type_named"]


def type_document(kind: Any) -> Any:
    """What names the type in a document; what has no such name is left as it is, for whoever refuses it."""
    if isinstance(kind, UnknownType):
        return kind.document
    origin = get_origin(kind)
    if isinstance(origin, type) and _states_fields(origin):
        return [type_document(origin), *map(type_document, get_args(kind))]
    return f"{kind.__module__}:{kind.__qualname__}" if isinstance(kind, type) else kind


def type_named(document: Any) -> Any:
    """The type that `type_document` named, if it is imported here and can be the type of an answer.

    Nothing is imported, and no class is taken that does not state its fields: its instances are made of what a model
    says, and `subprocess:Popen` would run it.

    Returns:
        The type; None for null; else an `UnknownType` that is written again as it was.

    Raises:
        TypeError: the document is of no such form.
    """
    if document is None:
        return None
    found = _find(document)
    return UnknownType(document) if found is None else found


def _find(document: Any) -> Any:
    if is_list(document):
        kind, *arguments = map(_find, document)
        return None if kind is None or None in arguments else kind[tuple(arguments)]
    if not isinstance(document, str):
        raise TypeError(f"a type is named `module:qualname`, not {document!r}")
    module, _, qualname = document.partition(":")
    place: Any = sys.modules.get(module)
    for name in qualname.split("."):
        place = getattr(place, "__dict__", {}).get(name)  # getattr alone may import, as modules that load late do
    return place if isinstance(place, type) and _states_fields(place) else None


def _states_fields(kind: type[Any]) -> bool:
    return (
        kind in (str, int, float, bool, list, dict, tuple, set, frozenset)
        or attrs.has(kind)
        or dataclasses.is_dataclass(kind)
        or typing.is_typeddict(kind)
        or issubclass(kind, Enum)
        or hasattr(kind, "_fields")  # NamedTuple
        or hasattr(kind, "model_fields")  # pydantic
    )
