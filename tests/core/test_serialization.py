"""Messages as JSON and back."""

# Handlers are lambdas here, and a test may look inside.
# pyright: reportUnknownArgumentType=false, reportUnknownLambdaType=false

import json
import pickle
from typing import Any

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmgine_core import (
    CommandResultEvent,
    Event,
    LLMStreamChunkEvent,
    Message,
    SerializationError,
    UnknownEvent,
)
from llmgine_core.contracts.header import complete_header, session_header
from llmgine_core.serialization import dumps, loads, to_document
from tests.core.messages import Said, running
from tests.core.strategies import headers, json_data, tables


def same(one: Message, other: Message) -> bool:
    return one == other and one.id == other.id and one.header == other.header and one.timestamp == other.timestamp


@settings(max_examples=60, deadline=None)
@given(tables, headers)
def test_an_unknown_type_keeps_its_data_and_is_written_again_as_it_was(data: dict[str, Any], header: Any) -> None:
    document = {**to_document(Said(**header)), "type": "somebody.else:Event", "data": data}
    back = loads(json.dumps(document))
    assert isinstance(back, UnknownEvent)
    assert (back.original_type, back.data) == ("somebody.else:Event", data)
    assert json.loads(dumps(back)) == document


@settings(max_examples=200, deadline=None)
@given(
    st.text()
    | json_data.map(json.dumps)
    | st.dictionaries(
        st.sampled_from(["type", "data", "id", "timestamp", "session_id", "metadata", "deadline"]),
        json_data | st.just(Said.type_name),
    ).map(json.dumps)
)
def test_no_document_raises_anything_but_a_serialization_error(text: str) -> None:
    try:
        message = loads(text)
    except SerializationError as error:
        assert error.path.startswith("$")  # noqa: PT017 - most texts are bad, some are good
    else:
        assert isinstance(message, Message)


def document(**changes: Any) -> str:
    return json.dumps({**to_document(Said("x")), **changes})


@pytest.mark.parametrize(
    ("text", "path", "reason"),
    [
        ("", "$", "not a JSON document"),
        ("[]", "$", "whose `type` is a string"),
        ('{"type": 5}', "$", "whose `type` is a string"),
        (document(data=5), "$.data", "an object is wanted"),
        (document(timestamp="yesterday"), "$.timestamp", "ISO 8601"),
        (document(timestamp="0001-01-01T00:00:00+14:00"), "$.timestamp", "ISO 8601"),
        (document(deadline="9999-12-31T23:59:59-14:00"), "$.deadline", "ISO 8601"),
        (document(timestamp="2024-01-01T00:00:00"), "$.timestamp", "without a time zone"),
        (document(deadline=5), "$.deadline", "ISO 8601"),
        (document(session_id=5), "$.session_id", "a string is wanted"),
        (document(id=[]), "$.id", "a string is wanted"),
        (document(metadata="x"), "$.metadata", "an object is wanted"),
        (document(data={"number": "many"}), "$.data.number", "int"),
        ('{"type": "X", "data": {"x": NaN}}', "$", "NaN is no number"),
        (document(type="ToolExecuteStartEvent", data={"call": {"name": "t"}}), "$.data.call.id", "required field"),
        (document(type="ToolExecuteStartEvent", data={}), "$.data.call", "required field"),
        (
            document(type="LLMStreamChunkEvent", data={"command_id": "1", "index": 0, "chunk": {"text": "smell"}}),
            "$.data.chunk",
            "an object whose `type` is a string is wanted",
        ),
    ],
)
def test_a_bad_document_is_refused_with_its_path(text: str, path: str, reason: str) -> None:
    with pytest.raises(SerializationError) as caught:
        loads(text)
    assert caught.value.path.startswith(path)
    assert reason in caught.value.reason


NEWER: dict[str, dict[str, Any]] = {
    "in the header": {"baggage": {"new": None}, "data": {"text": "x", "number": 1}},
    "in the body": {"data": {"text": "x", "number": 1, "colour": "new", "nothing": None}},
    "in nested parts": {
        "type": "LLMRequestEvent",
        "data": {
            "command_id": "1",
            "llm": "default",
            "provider": "p",
            "model": "m",
            "stream": False,
            "server": "new",
            "request": {
                "messages": [
                    {"role": "system", "parts": []},
                    {
                        "role": "user",
                        "parts": [
                            {"type": "text", "text": "x", "voice": ["new"]},
                            {"type": "smell", "strong": {"new": True}},
                        ],
                        "mood": "new",
                    },
                ],
                "tools": [{"name": "t", "icon": "new"}],
                "urgency": 5,
            },
        },
    },
    "in an unknown command": {"type": "newer:Command", "baggage": "new", "data": {"anything": [1, None]}},
    "in what a turn is asked for": {"type": "RunTurn", "data": {"text": "x", "output": "newer:Type", "tone": "new"}},
}


def contains(whole: Any, part: Any) -> bool:
    if isinstance(part, dict):
        keys: list[str] = list(part)
        return all(key in whole and contains(whole[key], part[key]) for key in keys)
    if isinstance(part, list):
        return len(whole) == len(part) and all(map(contains, whole, part))
    return bool(whole == part)


@pytest.mark.parametrize("changes", NEWER.values(), ids=NEWER)
def test_what_a_newer_version_added_is_read_over_and_written_again_as_it_was(changes: dict[str, Any]) -> None:
    written = json.loads(document(session_id="s", **changes))
    back = loads(json.dumps(written))
    again = to_document(back)
    assert contains(again, written)
    assert to_document(loads(dumps(back))) == again
    assert to_document(pickle.loads(pickle.dumps(back))) == again


async def test_what_a_newer_version_added_goes_along_on_the_bus_with_that_message_alone() -> None:
    back = loads(document(baggage="new", data={"text": "x", "colour": "new"}))
    assert isinstance(back, Said)
    seen: list[Event] = []
    async with running() as bus:
        bus.register_event_handler(Event, seen.append)
        await bus.publish(back)
        await bus.wait_idle()
    documents = {type(event): to_document(event) for event in seen}
    assert documents[Said]["baggage"] == "new"
    assert documents[Said]["data"]["colour"] == "new"
    assert len(documents) > 1
    assert all("baggage" not in document for kind, document in documents.items() if kind is not Said)
    assert to_document(attrs.evolve(back, text="y"))["data"] == {"text": "y", "number": 0}


def test_what_a_newer_version_added_does_not_displace_what_is_known() -> None:
    back = loads(document(session_id=None, data={"text": "x", "colour": "new"}))
    complete_header(back, session_header("s"), None)
    assert to_document(back)["session_id"] == "s"


def test_over_deep_and_huge_documents_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    deep = "[" * 100_000 + "]" * 100_000
    with pytest.raises(SerializationError):
        loads('{"type": "X", "data": {"x": ' + deep + "}}")
    monkeypatch.setattr("llmgine_core.serialization._text.MAX_DOCUMENT", 100)
    with pytest.raises(SerializationError, match="has 101 characters, 100 are allowed"):
        loads("x" * 101)


def test_what_is_too_deep_to_write_is_refused() -> None:
    deep: Any = None
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(SerializationError, match="too deeply"):
        dumps(CommandResultEvent("1", "t", result=deep))
    with pytest.raises(SerializationError, match="too deeply"):
        dumps(UnknownEvent("t", {"x": deep}))
    while deep:  # taken apart, since to free it at once would be as deep
        deep = deep[0]


@pytest.mark.parametrize(
    ("event", "path"),
    [
        (CommandResultEvent("1", "t", result={"x": [1, object()]}), "$.data.result.x[1]"),
        (CommandResultEvent("1", "t", result={5: 1}), "$.data.result"),
        (CommandResultEvent("1", "t", result=float("nan")), "$.data.result"),
        (Said(metadata={"x": object()}), "$.metadata.x"),
        (UnknownEvent("t", {"x": {1}}), "$.data.x"),
        (LLMStreamChunkEvent("1", 0, object()), "$.data"),  # type: ignore[arg-type]
    ],
)
def test_what_json_cannot_say_is_refused_with_its_path(event: Event, path: str) -> None:
    with pytest.raises(SerializationError) as caught:
        dumps(event)
    assert caught.value.path == path


def test_a_document_is_one_line_and_says_what_it_is() -> None:
    text = dumps(Said("two\nlines", session_id="s"))
    assert "\n" not in text
    assert json.loads(text)["type"] == Said.type_name
    assert json.loads(text)["session_id"] == "s"
