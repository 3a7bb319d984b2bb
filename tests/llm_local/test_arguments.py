"""Stage 2: with what arguments?"""

from typing import Any

import pytest

from llmgine_core.contracts import ToolDefinition
from llmgine_llm_local._arguments import arguments_prompt, narrow
from tests.llm_local.questions import CALCULATOR, DICE, TIME


def narrowed(part: dict[str, Any], message: str, *, required: bool = True) -> Any:
    """What becomes of the only property of a schema."""
    schema = {"type": "object", "properties": {"it": part}, "required": ["it"] if required else []}
    return narrow(schema, message)["properties"].get("it")


def test_a_string_is_a_run_of_the_users_words() -> None:
    assert "New York" in narrowed({"type": "string"}, "What time is it in New York?")["enum"]


def test_a_string_has_no_other_value_than_a_calculation_where_there_is_one() -> None:
    assert narrowed({"type": "string"}, "How much is 12 times 7?") == {"enum": ["12 * 7"]}


def test_a_number_is_one_of_the_users_numbers() -> None:
    assert narrowed({"type": "integer"}, "2 dice with 6.5 sides") == {"enum": [2]}
    assert narrowed({"type": "number"}, "2 dice with 6.5 sides") == {"enum": [2, 6.5]}


@pytest.mark.parametrize(
    ("limits", "left"),
    [
        ({"minimum": 2}, [2, 3]),
        ({"exclusiveMinimum": 2}, [3]),
        ({"maximum": 2}, [1, 2]),
        ({"exclusiveMaximum": 2}, [1]),
    ],
)
def test_a_number_outside_the_schemas_limits_is_not_meant(limits: dict[str, int], left: list[int]) -> None:
    assert narrowed({"type": "integer", **limits}, "1, 2 or 3") == {"enum": left}


def test_a_string_outside_the_schemas_limits_is_not_meant() -> None:
    assert narrowed({"type": "string", "minLength": 5, "maxLength": 6}, "Rome, Madrid, Lissabon")["enum"] == ["Madrid"]


def test_a_choice_is_narrowed_to_what_the_message_mentions() -> None:
    choice = {"enum": ["light_rain", "snow", 7]}
    assert narrowed(choice, "Is there light rain or 7 suns?") == {"enum": ["light_rain", 7]}
    assert narrowed(choice, "Hello") == choice


@pytest.mark.parametrize("part", [{"type": "boolean"}, {"type": "string", "format": "date"}, {"const": "x"}])
def test_what_cannot_be_taken_from_words_stays_as_it_is(part: dict[str, Any]) -> None:
    assert narrowed(part, "Some words") == part


def test_where_the_message_offers_nothing_the_schema_stays_but_for_a_bound_on_length() -> None:
    assert narrowed({"type": "string"}, "?") == {"type": "string", "maxLength": 80}
    assert narrowed({"type": "integer"}, "Hello") == {"type": "integer"}


def test_an_optional_property_stays_and_is_required_only_if_the_message_speaks_of_it() -> None:
    schema = {
        "type": "object",
        "properties": {
            "city": {"type": "string"},
            "unit": {"enum": ["celsius", "fahrenheit"]},
            "days": {"type": "integer"},
            "note": {"type": "string"},
        },
        "required": ["city"],
    }
    assert narrow(schema, "The weather in Rome")["required"] == ["city"]
    assert narrow(schema, "The weather in Rome for 3 days in celsius")["required"] == ["city", "unit", "days"]


def test_the_only_property_is_filled_in_although_it_is_optional() -> None:
    assert narrowed({"type": "string"}, "Madrid", required=False) == {"enum": ["Madrid"]}
    assert narrowed({"type": "string"}, "?", required=False) is None


def test_references_are_followed_and_null_is_not_chosen() -> None:
    part = {"anyOf": [{"type": "null"}, {"$ref": "#/$defs/Count"}]}
    schema = {"properties": {"it": part}, "required": ["it"], "$defs": {"Count": {"type": "integer"}}}
    assert narrow(schema, "5 of them")["properties"]["it"] == {"enum": [5]}


def test_words_of_the_tools_name_are_no_values_and_earlier_words_stand_in() -> None:
    prompt = arguments_prompt(TIME, "And the time?", "How is the weather in Oslo?")
    assert prompt is not None
    assert prompt.schema is not None
    assert "Oslo" in prompt.schema["properties"]["city"]["enum"]
    assert "time" not in prompt.schema["properties"]["city"]["enum"]


def test_numbers_of_the_message_before_stand_in_for_none() -> None:
    assert narrow(DICE.parameters, "Again!", "Roll a die with 8 sides")["properties"]["sides"] == {"enum": [8]}


def test_a_tool_without_parameters_needs_no_prompt() -> None:
    assert arguments_prompt(ToolDefinition("list_alarms"), "List my alarms") is None


def test_the_prompt_names_tool_parameters_and_message() -> None:
    prompt = arguments_prompt(CALCULATOR, "What is 3 + 4?")
    assert prompt is not None
    assert prompt.messages[-1]["content"] == "calculate: expression\nWhat is 3 + 4?"
