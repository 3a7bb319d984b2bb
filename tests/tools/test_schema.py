"""Type hints become JSON Schema."""

import sys
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal, NewType, TypeVar
from uuid import UUID

import pytest

from llmgine_core import ToolSchemaError
from tests.tools.shapes import (
    Box,
    Circle,
    Colour,
    Level,
    Loose,
    NumberBox,
    Options,
    Pair,
    Point,
    Scaled,
    Shade,
    Square,
    Tree,
    parameters_of,
    schema_of,
)

UserId = NewType("UserId", int)
Word = TypeVar("Word", bound=str)
Scalar = TypeVar("Scalar", int, str)


@pytest.mark.parametrize(
    ("hint", "schema"),
    [
        (str, {"type": "string"}),
        (int, {"type": "integer"}),
        (float, {"type": "number"}),
        (bool, {"type": "boolean"}),
        (None, {"type": "null"}),
        (Any, {}),
        (int | None, {"anyOf": [{"type": "integer"}, {"type": "null"}]}),
        (list[int], {"type": "array", "items": {"type": "integer"}}),
        (list, {"type": "array", "items": {}}),
        (Sequence[str], {"type": "array", "items": {"type": "string"}}),
        (deque[str], {"type": "array", "items": {"type": "string"}}),
        (tuple[int, ...], {"type": "array", "items": {"type": "integer"}}),
        (set[str], {"type": "array", "items": {"type": "string"}, "uniqueItems": True}),
        (frozenset[str], {"type": "array", "items": {"type": "string"}, "uniqueItems": True}),
        (dict[str, int], {"type": "object", "additionalProperties": {"type": "integer"}}),
        (Mapping[str, Any], {"type": "object", "additionalProperties": True}),
        (Literal["a", "b"], {"type": "string", "enum": ["a", "b"]}),
        (Colour, {"type": "string", "enum": ["red", "blue"]}),
        (Level, {"type": "integer", "enum": [1, 2]}),
        (datetime, {"type": "string", "format": "date-time"}),
        (date, {"type": "string", "format": "date"}),
        (time, {"type": "string", "format": "time"}),
        (UUID, {"type": "string", "format": "uuid"}),
        (Path, {"type": "string", "format": "path"}),
        (timedelta, {"type": "number", "description": "In seconds."}),
        (UserId, {"type": "integer"}),
        (Word, {"type": "string"}),
        (Scalar, {"anyOf": [{"type": "integer"}, {"type": "string"}]}),
        (Annotated[int, "How many."], {"type": "integer", "description": "How many."}),
    ],
    ids=str,
)
def test_a_type_has_the_schema_that_says_what_it_is(hint: Any, schema: dict[str, Any]) -> None:
    assert schema_of(hint) == schema


def test_a_tuple_of_different_types_is_an_array_of_exactly_those() -> None:
    assert schema_of(tuple[int, str]) == {
        "type": "array",
        "minItems": 2,
        "maxItems": 2,
        "items": False,
        "prefixItems": [{"type": "integer"}, {"type": "string"}],
    }


def test_choices_of_several_json_types_are_told_apart_by_type() -> None:
    assert schema_of(Literal[1, "a", None])["anyOf"] == [
        {"type": "integer", "enum": [1]},
        {"type": "string", "enum": ["a"]},
        {"type": "null"},
    ]


def test_members_of_an_enum_whose_values_json_cannot_say_go_by_their_names() -> None:
    assert schema_of(Shade) == {"type": "string", "enum": ["DARK", "LIGHT"]}


def test_a_class_is_a_closed_object_described_by_its_docstring() -> None:
    schema = schema_of(Point)
    assert schema["$ref"] == "#/$defs/Point"
    assert schema["$defs"]["Point"] == {
        "type": "object",
        "description": "A place on a plane.",
        "properties": {
            "x": {"type": "integer", "description": "How far right."},
            "y": {"type": "integer", "description": "How far up.", "default": 0},
        },
        "required": ["x"],
        "additionalProperties": False,
    }


@pytest.mark.parametrize(
    ("hint", "properties", "required"),
    [
        (Options, {"depth": {"type": "integer"}, "label": {"type": "string"}}, ["depth"]),
        (Loose, {"depth": {"type": "integer"}}, None),
        (Pair, {"left": {"type": "string"}, "right": {"type": "integer", "default": 7}}, ["left"]),
        (Scaled, {"base": {"type": "number"}, "factor": {"type": "number", "default": 1.0}}, ["base"]),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_every_kind_of_class_has_its_fields_as_properties(
    hint: Any, properties: dict[str, Any], required: list[str] | None
) -> None:
    definition = schema_of(hint)["$defs"][hint.__name__]
    assert definition["properties"] == properties
    assert definition.get("required") == required


def test_a_class_that_holds_itself_refers_to_itself() -> None:
    children = schema_of(Tree)["$defs"]["Tree"]["properties"]["children"]
    assert children == {"type": "array", "items": {"$ref": "#/$defs/Tree"}}


def test_a_generic_class_has_its_arguments_in_place_of_its_variables() -> None:
    assert schema_of(Box[int])["$defs"]["Box"]["properties"]["content"] == {"type": "integer"}
    assert schema_of(NumberBox)["$defs"]["NumberBox"]["properties"]["content"] == {"type": "integer"}


def test_two_classes_of_one_name_have_a_definition_each() -> None:
    assert len(schema_of(Box[int] | Box[str])["$defs"]) == 2


def test_keys_that_are_not_strings_are_said_in_the_one_way_in_which_json_can() -> None:
    schema = schema_of(dict[int, str])
    assert schema["propertyNames"] == {"type": "string", "pattern": "^(0|-?[1-9][0-9]*)$"}


@pytest.mark.skipif(sys.version_info < (3, 12), reason="`type` statements are new in Python 3.12")
def test_a_type_alias_may_refer_to_itself() -> None:
    namespace: dict[str, Any] = {}
    exec("type Json = None | str | list[Json]", namespace)
    assert {"type": "array", "items": {"$ref": "#/$defs/Json"}} in schema_of(namespace["Json"])["$defs"]["Json"][
        "anyOf"
    ]


@pytest.mark.parametrize(
    "hint",
    [
        Callable[[int], int],
        Iterator[int],
        complex,
        type,
        Literal[b"bytes"],
        set[list[int]],
        dict[float, str],
        dict[Level, str],
        "Missing",
        Any | list["Missing"],  # type: ignore[name-defined] # noqa: F821
    ],
    ids=str,
)
def test_a_type_that_json_has_no_words_for_is_refused_with_the_place(hint: Any) -> None:
    with pytest.raises(ToolSchemaError, match=r"probe cannot be a tool: .*(value|Missing)"):
        parameters_of(hint)


def test_unions_of_classes_are_stated_as_any_of_them() -> None:
    assert schema_of(Circle | Square)["anyOf"] == [{"$ref": "#/$defs/Circle"}, {"$ref": "#/$defs/Square"}]


def test_a_decimal_is_a_number_or_its_digits() -> None:
    assert [member["type"] for member in schema_of(Decimal)["anyOf"]] == ["number", "string"]
