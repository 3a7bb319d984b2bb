"""Type hints as they are written, brought to the form in which they are walked."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Mapping
from dataclasses import InitVar
from types import SimpleNamespace
from typing import Annotated, Any, Generic, NotRequired, Protocol, Required, TypeVar, get_args, get_origin

import attrs

from llmgine_core.contracts import ToolContext

__all__ = ["Hint", "annotations_of", "resolved", "substituted", "type_arguments", "unwrapped"]


@attrs.frozen
class Hint:
    """A hint without its wrappers.

    Attributes:
        type: the type itself.
        description: the first string among the metadata of `Annotated`.
        required: what `Required` or `NotRequired` says; None if neither is there.
    """

    type: Any
    description: str = ""
    required: bool | None = None


_PRESENCE = {Required: True, NotRequired: False}


def unwrapped(hint: Any) -> Hint:
    """Take off `Annotated`, `Required`, `NotRequired`, `ReadOnly`, `Final` and `InitVar`."""
    result = Hint(hint)
    while True:
        origin = get_origin(result.type)
        if origin is Annotated:
            arguments: tuple[Any, ...] = get_args(result.type)
            words = next((text for text in map(_words, arguments[1:]) if text), "")
            result = attrs.evolve(result, type=arguments[0], description=result.description or words)
        elif origin in _PRESENCE:
            result = attrs.evolve(result, type=get_args(result.type)[0], required=_PRESENCE[origin])
        elif origin is typing.Final or getattr(origin, "_name", "") == "ReadOnly":
            result = attrs.evolve(result, type=get_args(result.type)[0])
        elif isinstance(result.type, InitVar):
            result = attrs.evolve(result, type=result.type.type)  # pyright: ignore[reportUnknownMemberType]
        else:
            return result


def _words(metadata: Any) -> str:
    """A description in the metadata: a string, or PEP 727's `Doc`."""
    text: Any = metadata if isinstance(metadata, str) else getattr(metadata, "documentation", "")
    return text if isinstance(text, str) else ""


def resolved(annotations: Mapping[str, Any], namespace: dict[str, Any]) -> dict[str, Any]:
    """Annotations with their strings evaluated in a module's namespace.

    Raises:
        NameError: a name in them is not defined there.
    """
    # ToolContext is often imported for type checking alone; it is known here all the same.
    local = {} if "ToolContext" in namespace else {"ToolContext": ToolContext}
    # Only some of a function's annotations are asked for: one of its return type may well name what is missing.
    holder = SimpleNamespace(__annotations__=dict(annotations))
    return typing.get_type_hints(holder, namespace, local, include_extras=True)


def annotations_of(cls: type[Any]) -> dict[str, Any]:
    """The evaluated annotations of a class and its bases.

    Raises:
        NameError: a name in them is not defined where the class is.
    """
    try:
        return typing.get_type_hints(cls, include_extras=True)
    except NameError:  # a class inside a function may still name itself
        return typing.get_type_hints(cls, localns={cls.__name__: cls}, include_extras=True)


def type_arguments(cls: Any, arguments: tuple[Any, ...] = ()) -> dict[Any, Any]:
    """What the type variables of a generic class and of its bases stand for."""
    known = dict(zip(getattr(cls, "__parameters__", ()), arguments, strict=False))
    for base in getattr(cls, "__orig_bases__", ()):
        origin = get_origin(base)
        if origin not in (None, Generic, Protocol):
            known |= type_arguments(origin, tuple(substituted(a, known) for a in get_args(base)))
    return known


def substituted(hint: Any, known: Mapping[Any, Any]) -> Any:
    """The hint with its type variables replaced where it is known by what."""
    if isinstance(hint, TypeVar):
        return known.get(hint, hint)
    parameters = getattr(hint, "__parameters__", ())
    if not parameters or inspect.isclass(hint):
        return hint
    return hint[tuple(known.get(p, p) for p in parameters)]
