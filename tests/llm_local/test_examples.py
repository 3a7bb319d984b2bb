"""Example utterances."""

from collections import Counter

import pytest

from llmgine_core.contracts import ToolDefinition
from llmgine_llm_local._examples import NO_TOOL, example_turns, label_of, labels_of, takes_numbers, utterances
from tests.llm_local.questions import ALL, CALCULATOR, DICE, TIME, WEATHER


@pytest.mark.parametrize(
    ("name", "label"),
    [("get_time", "time"), ("roll_dice", "roll dice"), ("find", "find"), ("getWeather", "weather"), ("天気", "天気")],
)
def test_a_label_is_the_name_in_words_without_a_verb_of_fetching(name: str, label: str) -> None:
    assert label_of(name) == label


def test_tools_that_would_share_a_label_keep_their_names_apart() -> None:
    tools = [ToolDefinition("get_time"), ToolDefinition("find_time"), ToolDefinition("get_none")]
    assert labels_of(tools) == {"get_time": "time", "find_time": "find_time", "get_none": "get_none"}


def test_a_tools_own_examples_come_before_what_its_name_suggests() -> None:
    said = utterances(WEATHER)
    assert tuple(said[:3]) == WEATHER.examples
    assert any("weather" in text for text in said[3:])


def test_a_tool_without_examples_is_asked_for_by_its_name_description_and_parameter() -> None:
    assert utterances(TIME)[:3] == ["What is the time in London?", "time Madrid", "Tell me the local time in a city"]


@pytest.mark.parametrize(
    "tool", [ToolDefinition("x"), ToolDefinition("get_users"), ToolDefinition("reboot", "Reboot.")]
)
def test_a_tool_without_parameters_is_asked_for_too(tool: ToolDefinition) -> None:
    assert all(said == said.strip() != "" for said in utterances(tool))
    assert len(utterances(tool)) >= 3


def test_no_label_has_more_than_its_share_of_the_examples() -> None:
    counts = Counter(label for _, label in example_turns(ALL))
    assert set(counts) == {*labels_of(ALL).values(), NO_TOOL}
    assert max(counts.values()) - min(counts.values()) <= 2


def test_a_tool_takes_numbers_if_it_requires_one_or_every_example_names_one() -> None:
    assert [takes_numbers(tool) for tool in ALL] == [False, False, True, True]
    assert takes_numbers(CALCULATOR)
    optional = ToolDefinition("pick", parameters={"type": "object", "properties": {"count": {"type": "integer"}}})
    assert not takes_numbers(optional)
    assert takes_numbers(DICE)
