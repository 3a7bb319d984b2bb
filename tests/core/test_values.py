"""Contracts outside messages, answers and errors as JSON and back."""

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated, Any, Generic, Literal, NamedTuple, NewType, TypedDict, TypeVar, cast

import attrs
import pytest

from llmgine_core import (
    Approval,
    ApproveToolCall,
    ChatMessage,
    Command,
    Event,
    GenerateCommand,
    LLMRequest,
    LLMResponse,
    LLMStreamEvent,
    LLMTextDelta,
    LLMUnknownEvent,
    Message,
    RunTurn,
    SerializationError,
    StreamCommand,
    StreamGenerateCommand,
    StreamTurn,
    TextPart,
    ToolCall,
    TurnResult,
    TurnStreamEvent,
    TurnToolCall,
    TurnUnknownEvent,
    UnknownPart,
    UnknownType,
)
from llmgine_core.contracts import Part, Role
from llmgine_core.serialization import (
    answer_type,
    dumps,
    dumps_answer,
    dumps_value,
    loads,
    loads_answer,
    loads_value,
    to_document,
)
from tests.core.messages import Ask, AskMore, Count, Noted, Said

T = TypeVar("T")
U = TypeVar("U")


@attrs.frozen
class Point:
    x: int
    y: float = 0.0


@attrs.frozen
class Place(Point):
    name: str = ""


class Row(TypedDict):
    number: int


class Pair(NamedTuple):
    left: int


# ── values ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "value",
    [
        LLMRequest(messages=[ChatMessage.user("x")]),
        LLMResponse(model="m", message=ChatMessage.assistant("y", tool_calls=(ToolCall("1", "t"),))),
        ChatMessage.system("z"),
        TextPart("half a character: \ud83d"),
        "text",
        5,
        2.5,
        True,
        None,
        [1, "two", None],
        {"a": {"b": [1]}},
    ],
)
def test_a_bare_value_survives_as_its_own_class(value: Any) -> None:
    text, kind = dumps_value(value), cast("type[object]", type(value))
    assert text.encode()
    assert loads_value(text, kind) == value


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ((ChatMessage.user("x"),), tuple[ChatMessage, ...]),
        (TextPart("x"), Part),
        (LLMTextDelta("x"), LLMStreamEvent),
        (TurnToolCall(ToolCall("1", "t")), TurnStreamEvent),
        (UnknownPart("smell", {"strong": True}), Part),
        (LLMUnknownEvent("smell", {"strong": True}), LLMStreamEvent),
        (TurnUnknownEvent("smell", {}), TurnStreamEvent),
        ({"a": Point(1, 2.0)}, dict[str, Point]),
        ([Point(1), None], list[Point | None]),
        ("x", str | int),
        (3, float),
    ],
)
def test_a_value_survives_as_the_type_named(value: Any, kind: Any) -> None:
    assert loads_value(dumps_value(value, kind), kind) == value


@pytest.mark.parametrize(
    ("text", "kind", "path"),
    [
        ("{", Point, "$"),
        ("[]", Point, "$"),
        ('{"y": 1}', Point, "$.x"),
        ('{"x": "1"}', Point, "$.x"),
        ('{"x": 1.5}', Point, "$.x"),
        ('[{"x": 1}, {"x": {}}]', list[Point], "$[1].x"),
        ('{"approved": "false"}', Approval, "$.approved"),
        ('{"role": "nobody", "parts": []}', ChatMessage, "$.role"),
        ('{"role": "user", "parts": [{"text": "x"}]}', ChatMessage, "$.parts[0]"),
        ('{"role": "user", "parts": [{"type": 5}]}', ChatMessage, "$.parts[0]"),
        ("5", Said, "$"),
        ('{"x": 1, "y": 1e400}', Point, "$"),
        ("[" * 100_000, Point, "$"),
    ],
)
def test_a_document_that_says_no_such_value_is_refused_with_its_path(text: str, kind: Any, path: str) -> None:
    with pytest.raises(SerializationError) as caught:
        loads_value(text, kind)
    assert caught.value.path == path


@pytest.mark.parametrize(
    ("value", "kind", "reason"),
    [
        (object(), None, "object cannot be written"),
        ({"x": [float("nan")]}, None, r"nan cannot be written as JSON @ \$\.x\[0\]"),
        (Place(1, 2.0, "here"), Point, "Point is wanted, not Place"),
        (Point(1), Place, "Place is wanted, not Point"),
        ("5", int, "int is wanted, not str"),
        (Said(), Ask, "Ask is wanted, not Said"),
        (UnknownPart("text", {}), Part, "'text' would not be read as UnknownPart"),
        (object(), LLMStreamEvent, "LLMStreamEvent is wanted, not object"),
        (5, list[Point], "not iterable"),
    ],
)
def test_what_is_no_such_value_is_not_written(value: Any, kind: Any, reason: str) -> None:
    with pytest.raises(SerializationError, match=reason):
        dumps_value(value, kind)


def test_what_is_too_deep_is_neither_written_nor_read() -> None:
    deep: Any = None
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(SerializationError, match="too deeply"):
        dumps_value(deep)
    while deep:  # taken apart, since to free it at once would be as deep
        deep = deep[0]


Number = NewType("Number", int)


@attrs.frozen
class Sundry(Event):
    number: Number
    limited: Annotated[int, "limited"]
    either: Literal["a", 1]
    role: Role
    ratio: float
    when: datetime
    raw: bytes
    members: frozenset[str]
    pair: tuple[int, str]
    table: Mapping[str, list[Point]]
    row: Row
    maybe: int | str | None = None


@dataclass(frozen=True)
class Plain(Event):
    point: Point = field(default_factory=lambda: Point(1))
    names: tuple[str, ...] = ()


def test_what_type_checkers_let_pass_survives() -> None:
    now = datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC)
    pair, table, row = (1, "x"), {"x": [Point(1)]}, Row(number=1)
    for message in (
        Sundry(Number(5), 6, "a", Role.USER, 1, now, b"\x00\xff", frozenset("ab"), pair, table, row),
        Sundry(Number(True), True, 1, Role.TOOL, True, now, b"", frozenset(), pair, {}, row, "x"),
        Plain(Point(2), ("a",)),
    ):
        assert loads(dumps(message)) == message


# ── messages inside values ───────────────────────────────────────────────────────────────────────────────────────────


@attrs.frozen
class Bundle(Command[list[Said]]):
    first: Said
    more: tuple[Said, ...] = ()


def test_a_message_inside_another_or_in_an_answer_keeps_its_class_and_header() -> None:
    said = Said("x", session_id="s", metadata={"k": 1})
    bundle = loads(dumps(Bundle(said, (said,))))
    assert isinstance(bundle, Bundle)
    [answered] = loads_answer(dumps_answer([said], Bundle), Bundle)
    for back in (bundle.first, *bundle.more, answered):
        assert (back, back.id, back.header) == (said, said.id, said.header)
    with pytest.raises(SerializationError, match=r"Said is wanted, not .*Noted @ \$\.data\.first"):
        loads(json.dumps(to_document(Bundle(said)) | {"data": {"first": to_document(Noted())}}))
    broken = to_document(said) | {"data": {"number": "many"}}
    with pytest.raises(SerializationError, match=r"int is wanted, not 'many' @ \$\.data\.more\[0\]\.data\.number"):
        loads(json.dumps(to_document(Bundle(said)) | {"data": {"first": to_document(said), "more": [broken]}}))


# ── answers ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@attrs.frozen
class Listing(Command[list[T]], Generic[T]):
    first: T | None = None


@attrs.frozen
class Swapped(Listing[U], Generic[T, U]):
    second: tuple[T, ...] = ()


class Points(Swapped[str, Point]):
    pass


class Echo(Command[T], Generic[T]):
    pass


class EchoPoint(Echo[Point]):
    pass


class Anything(Command):  # type: ignore[type-arg]
    pass


class Quiet(Command[None]):
    pass


class Later(Command["Point | None"]):
    pass


class Lost(Command["Nowhere"]):  # type: ignore[name-defined]
    pass


class Stream(StreamCommand[Mapping[str, Point]]):
    pass


@pytest.mark.parametrize(
    ("command", "answer"),
    [
        (Ask, str),
        (AskMore, str),
        (Count, int),
        (GenerateCommand, LLMResponse),
        (StreamGenerateCommand, LLMStreamEvent),
        (RunTurn, TurnResult),
        (StreamTurn, TurnStreamEvent),
        (ApproveToolCall, Approval),
        (Points, list[Point]),
        (Listing, list[Any]),
        (Echo, Any),
        (EchoPoint, Point),
        (Anything, Any),
        (Command, Any),
        (Quiet, type(None)),
        (Later, Point | None),
        (Stream, Mapping[str, Point]),
    ],
)
def test_the_type_of_an_answer_is_read_off_the_command(command: Any, answer: Any) -> None:
    assert answer_type(command) == answer


@pytest.mark.parametrize(
    ("value", "command"),
    [
        ("x", Ask),
        (5, Count),
        ([Point(1)], Points),
        ([{"x": 1}, None, "x"], Listing),
        ({"x": [1, None]}, Anything),
        (None, Quiet),
        (None, Later),
        (Point(1, 2.5), Later),
        ({"here": Point(1)}, Stream),
        (Approval(approved=False, reason="no"), ApproveToolCall),
        (LLMTextDelta("x"), StreamGenerateCommand),
        (TurnToolCall(ToolCall("1", "t")), StreamTurn),
    ],
)
def test_an_answer_survives(value: Any, command: Any) -> None:
    assert loads_answer(dumps_answer(value, command), command) == value


def test_a_generic_message_survives_as_far_as_its_types_are_known() -> None:
    messages: list[Message] = [Listing("x"), Listing[str](), Swapped(1, ("x",)), Points()]
    for message in messages:
        assert loads(dumps(message)) == message


def test_a_bad_answer_is_refused_with_its_path() -> None:
    with pytest.raises(SerializationError, match="str is wanted, not int"):
        dumps_answer(5, Ask)
    with pytest.raises(SerializationError, match=r"object cannot be written as JSON @ \$\[1\]\.a"):
        dumps_answer([1, {"a": object()}], Anything)
    with pytest.raises(SerializationError, match=r"@ \$\[0\]\.x"):
        loads_answer('[{"x": null}]', Points)
    with pytest.raises(SerializationError, match="the answer of Lost is unknown"):
        answer_type(Lost)
    with pytest.raises(TypeError, match="Said is no command"):
        answer_type(Said)  # type: ignore[arg-type]


# ── types by name ────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("output", [None, Point, Row, Pair, Role, str, list[Point], dict[str, list[Point]]])
@pytest.mark.parametrize("kind", [RunTurn, StreamTurn])
def test_the_type_asked_of_a_turn_survives(kind: Any, output: Any) -> None:
    turn = kind("x", output=output)
    assert loads(dumps(turn)) == turn


def named(document: Any) -> Any:
    message = loads(json.dumps(to_document(RunTurn("x")) | {"data": {"text": "x", "output": document}}))
    assert isinstance(message, RunTurn)
    assert to_document(message)["data"]["output"] == document
    return message.output


@pytest.mark.parametrize(
    "document",
    [
        "wave:Wave_read",
        "nowhere:Invoice",
        "tests.core.test_values:Points.nothing",
        "tests.core.test_values:test_the_type_asked_of_a_turn_survives",
        "subprocess:Popen",
        ["builtins:list", "nowhere:Invoice"],
        "",
    ],
)
def test_a_type_that_is_not_here_or_no_data_is_kept_by_name_and_nothing_is_imported(document: Any) -> None:
    assert named(document) == UnknownType(document)
    assert "wave" not in sys.modules


def test_a_type_is_found_without_asking_modules_that_load_late(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules[__name__], "__getattr__", pytest.fail, raising=False)
    assert named(f"{__name__}:Late") == UnknownType(f"{__name__}:Late")


@pytest.mark.parametrize("document", [5, {}, [], ["builtins:str", "builtins:int"], ["builtins:list", 5]])
def test_what_names_no_type_is_refused_with_its_path(document: Any) -> None:
    with pytest.raises(SerializationError) as caught:
        named(document)
    assert caught.value.path == "$.data.output"


def test_a_type_without_a_name_is_not_written() -> None:
    with pytest.raises(SerializationError, match=r"cannot be written as JSON @ \$\.data\.output"):
        dumps(RunTurn("x", output=int | str))  # type: ignore[arg-type]
