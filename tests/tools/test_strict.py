"""The form of a schema that OpenAI's strict mode takes."""

from pathlib import Path
from typing import Annotated, Any, Literal

import pytest

from llmgine_tools._signature import compiled
from tests.tools.shapes import Colour, Loose, Options, Pair, Point, Tree, arguments, parameters_of


def every_object(schema: dict[str, Any]) -> list[dict[str, Any]]:
    """The schemas of objects, wherever they stand."""
    found = [schema] if "properties" in schema else []
    below = [*schema.get("anyOf", ()), *schema.get("properties", {}).values(), *schema.get("$defs", {}).values()]
    below += [schema["items"]] if "items" in schema else []
    return [*found, *(inner for part in below for inner in every_object(part))]


@pytest.mark.parametrize(
    "hint",
    [int, Point, list[Point], Tree, Options, Pair, Colour | None, set[int], Path, bytes, tuple[int, int]],
    ids=str,
)
def test_every_object_is_closed_and_requires_all_its_properties(hint: Any) -> None:
    strict = parameters_of(hint).strict
    assert strict is not None
    for found in every_object(strict):
        assert found["additionalProperties"] is False
        assert found["required"] == list(found["properties"])


@pytest.mark.parametrize("hint", [Any, dict[str, int], list, tuple[int, str], list[dict[str, int]]], ids=str)
def test_what_strict_mode_cannot_say_has_no_strict_form(hint: Any) -> None:
    assert parameters_of(hint).strict is None


def test_a_parameter_with_a_default_takes_null_for_it() -> None:
    def probe(count: Annotated[int, "How many."] = 5) -> None: ...

    strict = compiled(probe, "probe").strict
    assert strict is not None
    assert strict["properties"]["count"] == {
        "description": "How many. Null means 5.",
        "anyOf": [{"type": "integer"}, {"type": "null"}],
    }
    assert arguments(probe, '{"count": null}') == {}


def test_a_parameter_for_which_null_and_the_default_differ_has_no_strict_form() -> None:
    def probe(count: int | None = 5) -> None: ...

    assert compiled(probe, "probe").strict is None


def test_a_parameter_whose_default_is_none_takes_null_as_ever() -> None:
    def probe(count: int | None = None) -> None: ...

    assert compiled(probe, "probe").strict is not None
    assert arguments(probe, '{"count": null}') == {"count": None}


def test_a_key_that_may_be_missing_takes_null_for_missing() -> None:
    def probe(options: Loose) -> None: ...

    assert compiled(probe, "probe").strict is not None
    assert arguments(probe, '{"options": {"depth": null}}') == {"options": {}}


def test_a_described_reference_keeps_its_description_beside_it() -> None:
    strict = parameters_of(Annotated[Point, "Where."]).strict
    assert strict is not None
    assert strict["properties"]["value"] == {"description": "Where.", "anyOf": [{"$ref": "#/$defs/Point"}]}


def test_keywords_unknown_to_strict_mode_are_gone() -> None:
    def probe(kind: Literal["a"] = "a", names: set[str] = frozenset()) -> None: ...  # type: ignore[assignment] # pyright: ignore[reportArgumentType]

    text = str(compiled(probe, "probe").strict)
    assert "default" not in text
    assert "uniqueItems" not in text
