"""What a model wrote as arguments, read."""

import json

import pytest

from llmgine_core import ToolArgumentsError
from llmgine_tools._arguments import read_arguments
from llmgine_tools._signature import compiled
from tests.tools.shapes import Tree, arguments


def nothing() -> None: ...


def weather(city: str, days: int = 3) -> None: ...


@pytest.mark.parametrize("text", ["", "  ", "{}", "null", '""', '"{}"'])
def test_no_arguments_are_written_in_many_ways(text: str) -> None:
    assert arguments(nothing, text) == {}


def test_arguments_encoded_twice_are_decoded_once() -> None:
    once = json.dumps({"city": "Tokyo"})
    assert arguments(weather, json.dumps(once)) == {"city": "Tokyo"}
    with pytest.raises(ToolArgumentsError):
        arguments(weather, json.dumps(json.dumps(once)))


@pytest.mark.parametrize("text", ["[1]", "5", "Tokyo", '"Tokyo"', "{'city': 'Tokyo'}", "```json\n{}\n```"])
def test_what_is_no_object_is_refused(text: str) -> None:
    with pytest.raises(ToolArgumentsError, match="invalid arguments for probe: "):
        arguments(weather, text)


def test_bad_json_is_not_taken_for_a_missing_argument() -> None:
    with pytest.raises(ToolArgumentsError, match="not JSON") as caught:
        arguments(weather, '{"city": "Tok')
    assert "missing" not in str(caught.value)


def test_arguments_above_the_size_limit_are_not_even_parsed() -> None:
    with pytest.raises(ToolArgumentsError, match="has 1000 characters, 100 are allowed"):
        read_arguments("[" * 1000, compiled(weather, "probe").record.read, tool="probe", max_chars=100)


def plant(tree: Tree) -> None: ...


def test_documents_in_strings_in_documents_do_no_harm() -> None:
    text = '{"value": 1}'
    for _ in range(12):
        text = json.dumps({"value": 1, "children": text})
    with pytest.raises(ToolArgumentsError):
        arguments(plant, json.dumps({"tree": text}))
