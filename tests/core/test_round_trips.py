"""Every contract, event and command survives JSON."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from typing import Any

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmgine_core import LLMStreamEvent, Message, TurnStreamEvent, contracts, events
from llmgine_core.contracts import ContentPart, Part, ToolContext
from llmgine_core.contracts.header import HeaderFields
from llmgine_core.serialization import dumps, dumps_value, from_document, loads, loads_value, to_document
from llmgine_core.serialization._text import is_list, is_object
from tests.core.strategies import instances, json_data

NOT_DATA: dict[Any, str] = {
    Message: "what travels is a command, a stream or an event",
    HeaderFields: "exists for type checkers alone",
    ToolContext: "holds what lives: a session, an application",
}


def modules() -> Iterator[Any]:
    for package in (contracts, events):
        for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
            yield importlib.import_module(module.name)


def is_contract(member: Any) -> bool:
    return inspect.isclass(member) and attrs.has(member) and not member.__name__.startswith("_")


DISCOVERED = {
    name: kind
    for module in modules()
    for name, kind in inspect.getmembers(module, is_contract)
    if kind.__module__ == module.__name__ and kind not in NOT_DATA
}


def below(kind: type[Any]) -> Iterator[type[Any]]:
    for subclass in kind.__subclasses__():
        yield subclass
        yield from below(subclass)


def survives(value: Any, kind: Any) -> None:
    if not isinstance(value, Message):
        assert loads_value(dumps_value(value, kind), kind) == value
        return
    back = loads(dumps(value))
    assert type(back) is type(value)
    assert back == value
    assert (back.id, back.timestamp, back.header) == (value.id, value.timestamp, value.header)


@settings(max_examples=15, deadline=None)
@given(st.data())
@pytest.mark.parametrize("kind", DISCOVERED.values(), ids=DISCOVERED)
def test_each_survives(kind: Any, data: st.DataObject) -> None:
    survives(data.draw(instances(kind)), kind)


@settings(max_examples=50, deadline=None)
@given(st.data())
@pytest.mark.parametrize(
    "union", [Part, ContentPart, LLMStreamEvent, TurnStreamEvent, tuple[contracts.ChatMessage, ...]]
)
def test_members_of_a_union_survive_as_such(union: Any, data: st.DataObject) -> None:
    survives(data.draw(instances(union)), union)


MESSAGES = {name: kind for name, kind in DISCOVERED.items() if issubclass(kind, Message)}


def crowded(data: Any, news: Any) -> Any:
    """The document with something new in every object."""
    if is_object(data):
        return {**{key: crowded(member, news) for key, member in data.items()}, "what is new": news}
    return [crowded(item, news) for item in data] if is_list(data) else data


@settings(max_examples=10, deadline=None)
@given(st.data())
@pytest.mark.parametrize("kind", MESSAGES.values(), ids=MESSAGES)
def test_what_is_new_survives_in_each_at_every_depth(kind: Any, data: st.DataObject) -> None:
    document = crowded(to_document(data.draw(instances(kind))), data.draw(json_data))
    assert to_document(from_document(document)) == document


def test_none_is_forgotten() -> None:
    """Found another way, by name and by base class, there is no other."""
    found = set(DISCOVERED.values())
    public = (getattr(module, name) for module in (contracts, events) for name in module.__all__)
    assert {member for member in public if is_contract(member)} - set(NOT_DATA) == found
    ours = {kind for kind in below(Message) if kind.__module__.startswith("llmgine_core.")}
    clauses = {kind for kind in ours if kind.__module__.startswith("llmgine_core.testing.")}
    assert ours - clauses <= found | set(NOT_DATA)


def test_a_class_that_no_strategy_makes_fails() -> None:
    @attrs.frozen
    class Odd:
        field: complex

    with pytest.raises(TypeError, match="no strategy makes <class 'complex'>"):
        instances(Odd)
