"""Contracts outside messages, and the answers to commands, as JSON and back."""

from __future__ import annotations

import sys
import types
import typing
from typing import Any, TypeVar, cast, get_args, get_origin, overload

import attrs

from llmgine_core.contracts import Command, Message, StreamCommand
from llmgine_core.errors import SerializationError
from llmgine_core.serialization._converter import TAGGED
from llmgine_core.serialization._messages import shared_converter
from llmgine_core.serialization._text import from_text, naming_the_path, to_text

__all__ = ["answer_type", "dumps_answer", "dumps_value", "loads_answer", "loads_value"]

T = TypeVar("T")


def dumps_value(value: object, kind: Any = None) -> str:
    """A contract, or any value made of attrs classes, builtins and lists and mappings of them, as one line of JSON.

    Args:
        value: the value.
        kind: the type as which it is written and will be read, where that is more than its class:
            `tuple[ChatMessage, ...]`, `Part`, `LLMStreamEvent`.

    Raises:
        SerializationError: the value is not of that type, or JSON cannot say it; the error names the path.
    """
    kind = type(value) if kind is None else kind
    with naming_the_path("$"):
        _refuse_other(value, kind)
        data = shared_converter().unstructure(value, unstructure_as=kind)
    return to_text(data)


@overload
def loads_value(text: str, kind: type[T]) -> T: ...
@overload
def loads_value(text: str, kind: Any) -> Any: ...
def loads_value(text: str, kind: Any) -> Any:
    """The value that `dumps_value` wrote.

    Args:
        text: the document.
        kind: its type; `Any` for plain JSON data.

    Raises:
        SerializationError: the text does not say such a value, or is too deep or too large; the error names the path.
    """
    data = from_text(text)
    with naming_the_path("$"):
        return shared_converter().structure(data, kind)


def _refuse_other(value: object, kind: Any) -> None:
    """Refuse what is not of that class, and what would be written as its base class, without its own fields."""
    if kind is Any or not isinstance(kind, type):
        return
    is_part = attrs.has(kind) and type(value) is not kind and kind not in TAGGED and not issubclass(kind, Message)
    if is_part or not isinstance(value, (int, float) if kind is float else kind):
        raise SerializationError(f"{kind.__qualname__} is wanted, not {type(value).__qualname__}")


# ── answers ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def dumps_answer(value: object, command_type: type[Command[Any] | StreamCommand[Any]]) -> str:
    """What a handler answered to a command, or one item of what it streams, as one line of JSON.

    Args:
        value: the answer.
        command_type: the command's class; the answer is written as the type that it declares.

    Raises:
        SerializationError: the value is not of that type, or JSON cannot say it; the error names the path.
    """
    return dumps_value(value, answer_type(command_type))


def loads_answer(text: str, command_type: type[Command[Any] | StreamCommand[Any]]) -> Any:
    """The answer that `dumps_answer` wrote; where the command declares no type, or `Any`, plain JSON data.

    Raises:
        SerializationError: the text does not say such an answer, or is too deep or too large; the error names the path.
    """
    return loads_value(text, answer_type(command_type))


def answer_type(command_type: type[Command[Any] | StreamCommand[Any]]) -> Any:
    """What a command is answered with: the `R` of its `Command[R]`, or the `T` of its `StreamCommand[T]`.

    Returns:
        The type; `Any` where the class, or a type variable, leaves it open.

    Raises:
        SerializationError: the type is named by a string that means nothing where the class is defined.
        TypeError: the class is no command.
    """
    declared = _declared(command_type)
    # a name in quotes, which the module may define only after the class
    holder = types.SimpleNamespace(__annotations__={"answer": declared})
    names = vars(sys.modules[_origin(command_type).__module__])
    try:
        return typing.get_type_hints(holder, names, include_extras=True)["answer"]
    except NameError as error:
        raise SerializationError(f"the answer of {command_type.__name__} is unknown: {error}") from error


def _origin(kind: Any) -> type[Any]:
    return cast("type[Any]", get_origin(kind) or kind)


def _declared(kind: Any) -> Any:
    """What the nearest `Command[R]` above `kind` is given, with the type variables on the way filled in."""
    origin = _origin(kind)
    if origin in (Command, StreamCommand):
        return next(iter(get_args(kind)), Any)
    base = next((b for b in _bases(origin) if issubclass(_origin(b), (Command, StreamCommand))), None)
    if base is None:
        raise TypeError(f"{origin.__qualname__} is no command")
    declared = _declared(base)
    filled: dict[Any, Any] = dict(zip(getattr(origin, "__parameters__", ()), get_args(kind), strict=False))
    if isinstance(declared, TypeVar):
        return filled.get(declared, Any)
    if open_variables := getattr(declared, "__parameters__", ()):
        return declared[tuple(filled.get(variable, Any) for variable in open_variables)]
    return declared


def _bases(cls: type[Any]) -> tuple[Any, ...]:
    bases = vars(cls).get("__orig_bases__", cls.__bases__)
    return tuple(base for base in bases if isinstance(_origin(base), type))
