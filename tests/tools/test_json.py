"""JSON from a hand that is not trusted."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmgine_tools._json import MAX_DEPTH, MalformedJsonError, parse

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(JSON)
def test_what_json_says_is_read(value: object) -> None:
    assert parse(json.dumps(value)) == value


@pytest.mark.parametrize(
    "text",
    ["", "{", "NaN", "[Infinity]", "-Infinity", "1e999", '{"a": 1, "a": 2}', "'a'", "{} {}", "9" * 5000, "\ud800"],
)
def test_what_is_not_json_or_not_unambiguous_is_refused(text: str) -> None:
    with pytest.raises(MalformedJsonError):
        parse(text)


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a":' * 100_000, "[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1)])
def test_what_is_nested_too_deeply_is_refused_without_harm(text: str) -> None:
    with pytest.raises(MalformedJsonError, match="nested more than 64 levels"):
        parse(text)


def test_the_deepest_document_allowed_is_read() -> None:
    assert parse("[" * MAX_DEPTH + "]" * MAX_DEPTH)


def test_many_brackets_side_by_side_are_not_deep() -> None:
    assert parse(json.dumps([[]] * 1000)) == [[]] * 1000


def test_the_place_of_a_mistake_is_shown() -> None:
    with pytest.raises(MalformedJsonError, match=r"at character 9, near '\{\"days\": five\}'"):
        parse('{"days": five}')
