"""Answers in the form of a type."""

from typing import Any

import pytest

from llmgine_core import ToolArgumentsError, ToolSchemaError
from llmgine_tools._output import Output, make_output
from tests.tools.shapes import Box, Point, Tree


def form(output: Any) -> Output:
    return make_output(output, max_chars=1000)


def test_a_class_is_the_root_of_its_schema() -> None:
    schema = form(Point).schema
    assert schema["type"] == "object"
    assert schema["required"] == ["x"]
    assert "$ref" not in schema


@pytest.mark.parametrize(
    ("output", "text", "value"),
    [
        (Point, '{"x": "1", "y": 2}', Point(1, 2)),
        (Tree, '{"value": 1, "children": [{"value": 2}]}', Tree(1, [Tree(2)])),
        (Box[int], '{"content": 1}', Box(1)),
        (int, '{"value": 3.0}', 3),
        (list[Point], '{"value": [{"x": 1}]}', [Point(1)]),
        (Point | None, '{"value": null}', None),
    ],
    ids=str,
)
def test_an_answer_becomes_a_value_of_the_type(output: Any, text: str, value: Any) -> None:
    assert form(output).schema["type"] == "object"
    assert form(output).read(text) == value


@pytest.mark.parametrize("text", ["", "null", "It is 5.", '{"z": 1}', '{"x": 2.5}', " " * 1001])
def test_an_answer_that_does_not_fit_is_refused(text: str) -> None:
    with pytest.raises(ToolArgumentsError, match="Point"):
        form(Point).read(text)


def test_a_type_that_json_has_no_words_for_is_refused() -> None:
    with pytest.raises(ToolSchemaError, match="the answer: complex has no JSON Schema"):
        form(complex)
