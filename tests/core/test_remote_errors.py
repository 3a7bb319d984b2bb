"""Exceptions as JSON and back."""

import json
from pathlib import Path
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmgine_core import RemoteHandlerError, SerializationError, ToolFailure, errors
from llmgine_core.serialization import dumps_error, loads_error
from tests.core.test_errors import KINDS, make


class OrderError(ValueError):
    """What an application raises; no reader may take it from a document."""


@attrs.define
class StrangeError(errors.BusError):
    """A user's own below one of ours."""

    order: int = 5


def decode_error() -> UnicodeDecodeError:
    return UnicodeDecodeError("utf-8", b"\xff\x00", 0, 1, "invalid start byte")


@pytest.mark.parametrize(
    "error",
    [
        ValueError("x", 5, [1], {"a": None}),
        KeyError("missing"),
        TimeoutError(),
        FileNotFoundError(2, "No such file", "here"),
        OSError(1, "not permitted", "here", None, "there"),
        decode_error(),
        StopIteration(5),
        UserWarning("w"),
        ToolFailure("no such city"),
        errors.BusError("plain"),
    ],
    ids=repr,
)
def test_a_builtin_and_one_of_ours_arrive_as_they_were(error: Exception) -> None:
    back = loads_error(dumps_error(error))
    assert type(back) is type(error)
    assert str(back) == str(error)
    assert back.__reduce__() == error.__reduce__()


@pytest.mark.parametrize("kind", KINDS)
def test_every_error_of_llmgine_arrives_with_its_facts_and_its_sentence(kind: type[errors.LlmgineError]) -> None:
    error = make(kind)
    back = loads_error(dumps_error(error))
    assert type(back) is kind
    assert str(back) == str(error)
    if attrs.has(kind):
        assert attrs.asdict(back) == attrs.asdict(error)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "error", [OrderError("sold out"), StrangeError(), SystemExit(3), attrs.exceptions.FrozenError()]
)
def test_any_other_arrives_by_name_with_what_it_said(error: BaseException) -> None:
    back = loads_error(dumps_error(error))
    assert isinstance(back, RemoteHandlerError)
    assert back.type.endswith(type(error).__name__)
    assert back.message == str(error)
    again = loads_error(dumps_error(back))
    assert str(again) == str(back)


def members_of(group: Any) -> list[Any]:
    return list(group.exceptions)


def test_a_group_arrives_with_its_members_and_notes_stay_where_they_are() -> None:
    inner = ValueError("inner")
    inner.add_note("a note")
    group = ExceptionGroup("outer", [inner, ExceptionGroup("deeper", [OrderError("sold out")])])
    back: Any = loads_error(dumps_error(group))
    assert isinstance(back, ExceptionGroup)
    assert back.message == "outer"
    first, second = members_of(back)
    assert (type(first), str(first), first.__notes__) == (ValueError, "inner", ["a note"])
    assert isinstance(second, ExceptionGroup)
    assert isinstance(members_of(second)[0], RemoteHandlerError)


def test_what_json_cannot_say_of_an_exception_is_written_as_text() -> None:
    class Unreadable:
        def __str__(self) -> str:
            raise ValueError("no")

    back = loads_error(dumps_error(ValueError(Path("here"), float("inf"), "\ud83d")))
    assert back.args == (str(Path("here")), "inf", "\ud83d")
    back = loads_error(dumps_error(ValueError(Unreadable())))
    assert isinstance(back, RemoteHandlerError)
    assert back.type == "ValueError"
    assert "cannot be read" in back.message
    deep = ValueError("bottom")
    for _ in range(5_000):
        deep = ExceptionGroup("deep", [deep])  # type: ignore[assignment]
    assert isinstance(loads_error(dumps_error(deep)), RemoteHandlerError)


@pytest.mark.parametrize(
    ("document", "path"),
    [
        ([], "$"),
        ({}, "$"),
        ({"type": "ValueError"}, "$"),
        ({"type": 5, "message": ""}, "$"),
        ({"type": "ValueError", "message": "", "args": 5}, "$.args"),
        ({"type": "UnicodeDecodeError", "message": "", "args": ["x"]}, "$.args"),
        ({"type": "ValueError", "message": "", "args": [5], "bytes": [0]}, "$.args"),
        ({"type": "ValueError", "message": "", "notes": 5}, "$.notes"),
        ({"type": "ValueError", "message": "", "notes": [5]}, "$.notes"),
        ({"type": "ExceptionGroup", "message": "", "errors": [{"type": 5}]}, "$.errors[0]"),
        ({"type": "ExceptionGroup", "message": "", "errors": []}, "$.errors"),
        ({"type": "llmgine_core.errors.QueueFullError", "message": "", "data": {"reason": ""}}, "$.data.capacity"),
        ({"type": "llmgine_core.errors.QueueFullError", "message": "", "data": []}, "$.data"),
    ],
)
def test_a_bad_document_is_refused_with_its_path(document: Any, path: str) -> None:
    with pytest.raises(SerializationError) as caught:
        loads_error(json.dumps(document))
    assert caught.value.path == path


@pytest.mark.parametrize(
    "name", ["SystemExit", "KeyboardInterrupt", "eval", "os.system", "llmgine_core.errors.New", "x"]
)
def test_nothing_but_a_known_exception_is_made_from_a_document(name: str) -> None:
    back = loads_error(json.dumps({"type": name, "message": "m", "args": ["x"], "data": {"x": 1}}))
    assert (type(back), str(back)) == (RemoteHandlerError, f"a handler in another process raised {name}: m")


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "type": st.sampled_from(["ValueError", "ExceptionGroup", "llmgine_core.errors.ConfigError", "x"])
            | st.none(),
            "message": st.text() | st.integers(),
            "args": st.lists(st.text() | st.integers()) | st.text(),
            "data": st.dictionaries(st.sampled_from(["faults", "x"]), st.lists(st.text())) | st.none(),
            "errors": st.lists(st.none()),
            "bytes": st.lists(st.integers()) | st.integers(),
        },
    ).map(json.dumps)
    | st.text()
)
def test_no_document_raises_anything_but_a_serialization_error(text: str) -> None:
    try:
        error = loads_error(text)
    except SerializationError as refused:
        assert refused.path.startswith("$")  # noqa: PT017 - most texts are bad, some are good
    else:
        assert str(error) is not None
