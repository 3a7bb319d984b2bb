"""Hypothesis strategies for the contracts: an instance of any class of them, from the types of its fields."""

from __future__ import annotations

import types
import typing
from collections import ChainMap
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import EnumType
from functools import cache
from typing import Any, cast, get_args, get_origin

import attrs
from hypothesis import strategies as st

from llmgine_core import (
    Event,
    LLMStreamEvent,
    Message,
    Retry,
    RunTurn,
    StreamTurn,
    TurnStreamEvent,
    UnknownEvent,
    UnknownPart,
    UnknownType,
)
from llmgine_core.contracts import LLMUnknownEvent, TurnUnknownEvent, message_type
from tests.core.messages import Said

__all__ = ["headers", "instances", "json_data", "tables"]

words = st.text(max_size=20)
numbers = st.integers(0, 10**9)
seconds = st.floats(0, 1e6)
moments = st.datetimes(datetime(1980, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
json_data = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=6,
)
tables = st.dictionaries(words, json_data, max_size=3)
headers: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {},
    optional={
        "session_id": words.filter(bool),
        "correlation_id": words.filter(bool),
        "causation_id": words.filter(bool),
        "traceparent": words.filter(bool),
        "tracestate": words.filter(bool),
        "deadline": moments,
        "timestamp": moments,
        "metadata": tables,
    },
)

_KINDS = ("text", "image", "file", "reasoning", "refusal", "tool_call", "tool_result", "completed")
_LEAVES: dict[Any, st.SearchStrategy[Any]] = {
    str: words,
    int: numbers,
    float: seconds,
    bool: st.booleans(),
    type(None): st.none(),
    datetime: moments,
    Any: json_data,
    type[Any]: st.sampled_from([Said, str, list[int], dict[str, list[Retry]]]),
}
_WITH_LIMITS: dict[tuple[type[Any], str], st.SearchStrategy[Any]] = {
    (RunTurn, "max_steps"): st.integers(1, 9),
    (StreamTurn, "max_steps"): st.integers(1, 9),
    (Retry, "attempts"): st.integers(1, 9),
    (Retry, "factor"): st.floats(1, 9),
    (Retry, "jitter"): st.floats(0, 1),
    (UnknownType, "document"): st.from_regex(r"\A[a-z.]*:[A-Z]?[a-z.]*\Z"),
    (UnknownEvent, "original_type"): words.filter(lambda name: message_type(name) is None),
    **{
        (kind, field): strategy
        for kind in (UnknownPart, LLMUnknownEvent, TurnUnknownEvent)
        for field, strategy in {
            "type": words.filter(lambda name: name not in _KINDS),
            "data": tables.map(lambda table: {key: table[key] for key in table if key != "type"}),
        }.items()
    },
}
_BASES = (LLMStreamEvent, TurnStreamEvent)


@cache
def instances(kind: Any) -> st.SearchStrategy[Any]:
    """Instances of a type, as the fields of the contracts name it.

    Raises:
        TypeError: there is no strategy for it.
    """
    origin, arguments = get_origin(kind), get_args(kind)
    if kind in _LEAVES:
        return _LEAVES[kind]
    if origin in (typing.Union, types.UnionType):
        return st.one_of(*map(instances, arguments))
    if origin is typing.Literal:
        return st.sampled_from(arguments)
    if origin in (tuple, frozenset):
        return st.lists(instances(arguments[0]), max_size=2).map(cast("Any", origin))
    if isinstance(origin, type) and issubclass(origin, Mapping) and arguments[0] is str:
        return st.dictionaries(words, instances(arguments[1]), max_size=3)
    if isinstance(kind, EnumType):
        return st.sampled_from(list[Any](kind))
    if kind is Event:  # somebody's, inside another contract
        return st.builds(Said, words, numbers)
    if kind in _BASES:
        return st.one_of(*map(instances, kind.__subclasses__()))
    if attrs.has(kind):
        return _built(kind)
    raise TypeError(f"no strategy makes {kind!r}")


def _built(kind: Any) -> st.SearchStrategy[Any]:
    attrs.resolve_types(kind)
    fields = st.fixed_dictionaries({field.alias: _field(kind, field) for field in attrs.fields(kind)})
    said = st.tuples(fields, headers) if issubclass(kind, Message) else st.tuples(fields)
    return said.map(lambda given: kind(**dict(ChainMap(*given))))


def _field(kind: Any, field: Any) -> st.SearchStrategy[Any]:
    return _WITH_LIMITS[kind, field.name] if (kind, field.name) in _WITH_LIMITS else instances(field.type)
