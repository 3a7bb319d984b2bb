"""Stage 1: which tool?"""

import pytest

from llmgine_core.contracts import ToolDefinition
from llmgine_llm_local._decide import choose, decide_prompt, leaning_of, leaning_prompts, offered
from tests.llm_local.questions import ALL, CALCULATOR, TIME, WEATHER

EVEN = {"time": -2.0, "weather": -2.0, "none": -2.0}
TWO = (TIME, WEATHER)


def chosen(message: str, likely: dict[str, float], leaning: dict[str, float] | None = None) -> ToolDefinition | None:
    return choose(TWO, TWO, message, likely, leaning or EVEN)


def test_tools_for_numbers_are_offered_only_to_a_message_with_a_number() -> None:
    assert offered(ALL, "How are you?") == TWO
    assert offered(ALL, "What is 3 + 4?") == ALL
    assert offered((CALCULATOR,), "What is three plus four?") == (CALCULATOR,)


def test_the_message_comes_last_after_examples_and_earlier_messages() -> None:
    prompt = decide_prompt(TWO, "And in Rome?", [("What time is it in Oslo?", "time")])
    assert [message["content"] for message in prompt.messages[-3:]] == [
        "What time is it in Oslo?",
        "time",
        "And in Rome?",
    ]
    assert prompt.max_tokens == 1


def test_the_likeliest_label_wins() -> None:
    assert chosen("Hm?", {**EVEN, "weather": 4.0}) is WEATHER
    assert chosen("Hm?", {**EVEN, "none": 4.0}) is None


def test_no_tool_is_called_on_a_slight_preference() -> None:
    assert chosen("Hm?", {**EVEN, "weather": -1.0}) is None


def test_what_the_model_says_to_an_empty_message_counts_against_it() -> None:
    likely = {"time": -1.0, "weather": -1.5, "none": -9.0}
    assert chosen("Hm?", likely) is TIME
    assert chosen("Hm?", likely, {"time": -0.1, "weather": -8.0, "none": -2.0}) is WEATHER


def test_words_shared_with_a_tool_count_for_it() -> None:
    assert chosen("Will it rain tomorrow?", EVEN) is None
    assert chosen("The weather, does it rain?", EVEN) is WEATHER


def test_a_name_in_an_example_does_not_count_for_the_tool() -> None:
    assert chosen("Lima, Dublin and Dubai", EVEN) is None


def test_a_label_of_several_tokens_counts_by_its_first_and_one_not_reported_is_the_least_likely() -> None:
    assert chosen("Hm?", {"we": 4.0, "none": -2.0, "x": -9.0}) is WEATHER


def test_a_tool_that_is_required_is_chosen_however_unlikely() -> None:
    assert choose(TWO, TWO, "Hello!", {**EVEN, "none": 9.0, "time": -1.0}, EVEN, required=True) is TIME


def test_a_tool_that_is_not_offered_is_never_chosen() -> None:
    assert choose(TWO, (TIME,), "Hm?", {**EVEN, "weather": 9.0}, EVEN) is None


def test_the_leaning_is_the_mean_over_empty_messages() -> None:
    answers = [{"time": -1.0, "weather": -2.0, "none": -3.0}, {"time": -3.0, "weather": -2.0, "none": -1.0}]
    assert leaning_of(TWO, answers) == {"time": -2.0, "weather": -2.0, "none": -2.0}
    assert len(leaning_prompts(TWO)) == len(answers)


@pytest.mark.parametrize("tools", [(TIME,), TWO, ALL])
def test_the_same_tools_give_the_same_examples(tools: tuple[ToolDefinition, ...]) -> None:
    assert decide_prompt(tools, "a").messages[:-1] == decide_prompt(tools, "b").messages[:-1]
