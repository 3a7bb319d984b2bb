"""JSON values become values of the types that a tool wants."""

import json
from collections import deque
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from types import GenericAlias
from typing import Any, Literal
from uuid import UUID

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmgine_core import ToolArgumentsError
from tests.tools.shapes import (
    Box,
    Circle,
    Colour,
    Even,
    Level,
    Options,
    Pair,
    Point,
    Scaled,
    Shade,
    Square,
    Tree,
    read,
)


@pytest.mark.parametrize(
    ("hint", "value", "expected"),
    [
        (str, "5", "5"),
        (int, 3.0, 3),
        (float, 3, 3.0),
        (int | float, 2.5, 2.5),
        (int | str, "5", "5"),
        (bytes, "aGk=", b"hi"),
        (datetime, "2026-01-31T12:00:00Z", datetime(2026, 1, 31, 12, tzinfo=UTC)),
        (date, "2026-01-31", date(2026, 1, 31)),
        (time, "12:30:00", time(12, 30)),
        (timedelta, 90, timedelta(seconds=90)),
        (UUID, "12345678-1234-5678-1234-567812345678", UUID("12345678-1234-5678-1234-567812345678")),
        (Decimal, 0.1, Decimal("0.1")),
        (Decimal, "0.10", Decimal("0.10")),
        (Path, "a/b", Path("a/b")),
        (list[int], [1, 2], [1, 2]),
        (deque[int], [1, 2], deque([1, 2])),
        (tuple[int, str], [1, "a"], (1, "a")),
        (tuple[int, ...], [1, 2], (1, 2)),
        (set[int], [1, 2, 1], {1, 2}),
        (dict[int, str], {"4": "x"}, {4: "x"}),
        (dict[Colour, int], {"red": 1}, {Colour.RED: 1}),
        (Literal[1, "a"], "a", "a"),
        (Colour, "red", Colour.RED),
        (Level, 2.0, Level.HIGH),
        (Shade, "DARK", Shade.DARK),
        (Point, {"x": 1}, Point(1)),
        (Tree, {"value": 1, "children": [{"value": 2}]}, Tree(1, [Tree(2)])),
        (Options, {"depth": 1}, {"depth": 1}),
        (Pair, {"left": "a"}, Pair("a")),
        (Box[int], {"content": 1}, Box(1)),
        (Circle | Square, {"side": 1}, Square(1.0)),
        (Any, {"free": [1, None]}, {"free": [1, None]}),
    ],
)
def test_a_valid_value_is_read_as_its_type(hint: Any, value: Any, expected: Any) -> None:
    result = read(hint, value)
    assert result == expected
    assert type(result) is type(expected)


def test_a_field_for_the_constructor_alone_is_passed_to_it() -> None:
    assert read(Scaled, {"base": 2, "factor": 3}).size == 6


@pytest.mark.parametrize(
    ("hint", "value", "expected"),
    [
        (int, "5", 5),
        (int, "3.0", 3),
        (bool, "true", True),
        (int | None, "null", None),
        (list[int], "[1, 2]", [1, 2]),
        (Point, '{"x": "1"}', Point(1)),
        (dict[str, int], '{"a": 1}', {"a": 1}),
        (list[int] | UUID, "[1]", [1]),
    ],
)
def test_a_string_that_holds_what_is_wanted_is_read_as_that(hint: Any, value: Any, expected: Any) -> None:
    assert read(hint, value) == expected


@pytest.mark.parametrize(
    ("hint", "value"),
    [
        (int, 2.5),
        (int, "five"),
        (int, "2.5"),
        (int, '"5"'),
        (int, True),
        (int, None),
        (bool, 1),
        (str, 5),
        (float, "NaN"),
        (float, 10**400),
        (float | None, ""),
        (bytes, "no base64!"),
        (datetime, "2026-01-31"),
        (date, "tomorrow"),
        (UUID, "x"),
        (Decimal, "1/3"),
        (timedelta, 1e300),
        (list[int], {"a": 1}),
        (tuple[int, str], [1]),
        (dict[int, str], {"04": "x"}),
        (Literal[1], True),
        (Colour, "green"),
        (Point, {"x": 1, "z": 2}),
        (Point, {}),
        (Even, {"number": 3}),
        (Circle | Square, {"edge": 1}),
        (int | None, "five"),
    ],
)
def test_an_invalid_value_is_refused(hint: Any, value: Any) -> None:
    with pytest.raises(ToolArgumentsError):
        read(hint, value)


def test_what_has_no_hash_is_not_put_into_a_set() -> None:
    with pytest.raises(ToolArgumentsError, match="cannot be in a set"):
        read(set[Any], [[1]])


def message(hint: Any, value: Any) -> str:
    with pytest.raises(ToolArgumentsError) as caught:
        read(hint, value)
    return str(caught.value)


def test_every_fault_is_told_with_its_path() -> None:
    text = message(list[Point], [{"x": "five"}, {"y": 1, "z": 2}])
    assert 'expected an integer, got "five" @ $.value[0].x' in text
    assert 'missing "x" @ $.value[1]' in text
    assert "unknown key 'z'; known: x, y @ $.value[1]" in text


def test_a_misspelt_key_is_told_what_it_may_mean() -> None:
    assert "unknown key 'radios'; did you mean \"radius\"?" in message(Circle, {"radios": 1})


def test_a_value_that_fits_no_member_of_a_union_is_told_all_of_them() -> None:
    assert "expected an integer or null, got 2.5" in message(int | None, 2.5)


def test_an_object_that_nearly_fits_a_member_of_a_union_is_told_what_it_lacks_there() -> None:
    assert 'missing "x" @ $.value' in message(Point | None, {"y": 1})


def test_what_a_class_says_of_its_fields_reaches_the_model() -> None:
    assert "3 is odd @ $.value" in message(Even, {"number": 3})


def test_many_faults_are_counted_rather_than_told() -> None:
    text = message(list[int], ["x"] * 1000)
    assert "and 990 more" in text
    assert len(text) < 1000


def test_a_long_value_is_shown_by_its_beginning() -> None:
    assert len(message(int, "x" * 100_000)) < 200


@attrs.frozen
class Left:
    child: "Left | Right | None"


@attrs.frozen
class Right:
    child: "Left | Right | None"


def test_a_document_nested_in_ambiguous_unions_is_read_in_no_time() -> None:
    document: Any = {"child": 5}
    for _ in range(50):
        document = {"child": document}
    with pytest.raises(ToolArgumentsError):
        read(Left | Right, document)


HINTS: dict[Any, st.SearchStrategy[Any]] = {
    str: st.text(),
    int: st.integers(),
    float: st.floats(allow_nan=False, allow_infinity=False),
    bool: st.booleans(),
    None: st.none(),
    Colour: st.sampled_from(["red", "blue"]),
    Literal[1, "a"]: st.sampled_from([1, "a"]),
}


def compound(parts: st.SearchStrategy[tuple[Any, Any]]) -> st.SearchStrategy[tuple[Any, Any]]:
    """A type made of another, with documents that are valid under it."""

    def made_of(part: tuple[Any, Any]) -> st.SearchStrategy[tuple[Any, Any]]:
        hint, documents = part
        box: Any = Box
        return st.sampled_from(
            [
                (GenericAlias(list, (hint,)), st.lists(documents, max_size=3)),
                (GenericAlias(dict, (str, hint)), st.dictionaries(st.text(), documents, max_size=3)),
                (GenericAlias(tuple, (hint, int)), st.tuples(documents, st.integers()).map(list)),
                (box[hint], st.fixed_dictionaries({"content": documents})),
                (None if hint is None else hint | None, documents | st.none()),
            ]
        )

    return parts.flatmap(made_of)


@given(st.recursive(st.sampled_from(list(HINTS.items())), compound, max_leaves=4), st.data())
def test_every_document_that_the_schema_accepts_is_read(pair: tuple[Any, Any], data: st.DataObject) -> None:
    hint, documents = pair
    read(hint, data.draw(documents))


@given(
    st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), st.lists),
    st.sampled_from([*HINTS, Point, Tree, Options, list[int], set[int], dict[int, str]]),
)
def test_whatever_a_model_writes_is_read_or_refused(value: Any, hint: Any) -> None:
    try:
        json.dumps(value, allow_nan=False)
        read(hint, value)
    except (ToolArgumentsError, ValueError):
        return
