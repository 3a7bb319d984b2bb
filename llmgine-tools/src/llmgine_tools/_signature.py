"""The parameters of a function, as a model fills them in."""

from __future__ import annotations

import inspect
import weakref
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from types import FunctionType, GenericAlias, UnionType
from typing import Any, Union, get_args, get_origin

import attrs

from llmgine_core.contracts import ToolContext
from llmgine_core.errors import ToolSchemaError
from llmgine_tools._docstrings import Documentation, read_docstring
from llmgine_tools._schema import UNSTATED, Field, Record, Walker, resolved, strict_form, unwrapped

__all__ = ["Parameters", "compiled", "underlying", "without_partials"]

_POSITIONAL_ONLY = inspect.Parameter.POSITIONAL_ONLY
_VAR_POSITIONAL = inspect.Parameter.VAR_POSITIONAL
_VAR_KEYWORD = inspect.Parameter.VAR_KEYWORD


@attrs.frozen
class Parameters:
    """What is known of a function once its signature and docstring are read.

    Attributes:
        schema: JSON Schema of its arguments.
        strict: the same in the form of OpenAI's strict mode; None where that cannot say it.
        record: reads the arguments.
        documentation: what the docstring says.
        context: names of the parameters that are given a `ToolContext`.
        signature: the function's signature.
        by_keyword: whether all arguments can be passed by keyword.
    """

    schema: dict[str, Any]
    strict: dict[str, Any] | None
    record: Record
    documentation: Documentation
    context: tuple[str, ...]
    signature: inspect.Signature
    by_keyword: bool

    def bind(self, values: dict[str, Any], context: ToolContext) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The arguments of the call: by position and by keyword."""
        values = {**values, **dict.fromkeys(self.context, context)}
        if self.by_keyword:
            return (), values
        for name, parameter in self.signature.parameters.items():
            if parameter.kind is _VAR_KEYWORD:
                values |= values.pop(name, {})
        return self._by_position(values)

    def _by_position(self, values: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Pass by position whatever can be: a later `*args` would else be taken for an earlier parameter."""
        positional: list[Any] = []
        for name, parameter in self.signature.parameters.items():
            if parameter.kind is _VAR_POSITIONAL:
                positional.extend(values.pop(name, ()))
            elif parameter.kind in (_POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD):
                positional.append(values.pop(name, parameter.default))
        return tuple(positional), values


def without_partials(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function within a partial."""
    while isinstance(function, partial):
        function = function.func
    return function


def underlying(function: Callable[..., Any]) -> Any:
    """The function within a partial, or the `__call__` of a callable object."""
    function = without_partials(function)
    return function if inspect.isroutine(function) or inspect.isclass(function) else type(function).__call__


# Every session has a tool manager of its own, but an application's functions need reading only once.
_known: weakref.WeakKeyDictionary[Any, Parameters] = weakref.WeakKeyDictionary()


def compiled(function: Callable[..., Any], tool: str) -> Parameters:
    """Read a function's signature and docstring.

    Raises:
        ToolSchemaError: JSON Schema has no words for one of its parameters, or the function is of no kind that can
            be a tool.
    """
    if not isinstance(function, FunctionType):
        return _compile(function, tool)
    if function not in _known:
        _known[function] = _compile(function, tool)
    return _known[function]


def _compile(function: Callable[..., Any], tool: str) -> Parameters:
    signature = _signature(function, tool)
    inner = underlying(function)
    documentation = read_docstring(getattr(inner, "__doc__", None) or getattr(type(function), "__doc__", None))
    hints = _hints(signature, inner, tool)
    context = tuple(name for name, hint in hints.items() if _wants_context(hint))
    fields = list(_fields(signature, hints, {*context, *_bound(function)}))
    record, schema = _record(fields, documentation.parameters, tool)
    by_keyword = not any(p.kind in _NOT_BY_KEYWORD for p in signature.parameters.values())
    return Parameters(schema, strict_form(schema), record, documentation, context, signature, by_keyword)


_NOT_BY_KEYWORD = (_POSITIONAL_ONLY, _VAR_POSITIONAL, _VAR_KEYWORD)


def _signature(function: Callable[..., Any], tool: str) -> inspect.Signature:
    inner = underlying(function)
    if inspect.isclass(inner):
        raise ToolSchemaError(tool, "it is a class; offer a function that makes one")
    if inspect.isgeneratorfunction(inner) or inspect.isasyncgenfunction(inner):
        raise ToolSchemaError(tool, "it is a generator function; return a list")
    try:
        return inspect.signature(function)
    except (TypeError, ValueError) as error:
        raise ToolSchemaError(tool, f"its signature cannot be read: {error}") from error


def _hints(signature: inspect.Signature, inner: Any, tool: str) -> dict[str, Any]:
    annotations = {name: Any if p.annotation is p.empty else p.annotation for name, p in signature.parameters.items()}
    # A decorated function's annotations were written where the function was, not where its decorator is.
    namespace: dict[str, Any] = getattr(inspect.unwrap(inner), "__globals__", {})
    try:
        return resolved(annotations, namespace)
    except NameError as error:
        raise ToolSchemaError(
            tool, f"an annotation cannot be resolved: {error}; define or import it at the level of the module"
        ) from error
    except (SyntaxError, TypeError) as error:
        raise ToolSchemaError(tool, f"an annotation cannot be read: {error}") from error


def _wants_context(hint: Any) -> bool:
    plain = unwrapped(hint).type
    return plain is ToolContext or (get_origin(plain) in (Union, UnionType) and ToolContext in get_args(plain))


def _bound(function: Callable[..., Any]) -> Iterator[str]:
    """Keywords that a partial fixes: keys and addresses, perhaps, that are none of the model's business."""
    while isinstance(function, partial):
        yield from function.keywords
        function = function.func


def _fields(signature: inspect.Signature, hints: Mapping[str, Any], hidden: set[str]) -> Iterator[Field]:
    for name, p in signature.parameters.items():
        if name in hidden:
            continue
        if p.kind is _VAR_POSITIONAL:
            yield Field(name, GenericAlias(list, (hints[name],)), required=False, documented=name)
        elif p.kind is _VAR_KEYWORD:
            yield Field(name, GenericAlias(dict, (str, hints[name])), required=False, documented=name)
        else:
            default = UNSTATED if p.default is p.empty else p.default
            yield Field(name, hints[name], required=p.default is p.empty, default=default, documented=name)


def _record(fields: list[Field], descriptions: Mapping[str, str], tool: str) -> tuple[Record, dict[str, Any]]:
    walker = Walker(tool)
    record = Record(lambda values: values)
    try:
        record.complete(walker.properties(fields, descriptions, "parameter"))
    except RecursionError as error:
        raise ToolSchemaError(tool, "one of its types grows without end") from error
    schema = record.schema()
    return record, {**schema, "$defs": walker.definitions} if walker.definitions else schema
