"""Stage 3: the answer from a tool's result; and talk."""

import pytest

from llmgine_core.contracts import ToolOutcome, ToolResult
from llmgine_llm_local._answer import answer_examples, answer_prompt, keeping
from llmgine_llm_local._talk import talk_examples, talk_prompt


def result(content: str, outcome: ToolOutcome = ToolOutcome.OK) -> ToolResult:
    return ToolResult("1", "get_time", content, outcome)


@pytest.mark.parametrize("figure", ["21:04", "-3.5", "$12", "31 degrees", " 42\n"])
def test_a_figure_is_kept_as_it_is(figure: str) -> None:
    grammar = keeping([result(figure)])
    assert grammar is not None
    assert f'"{figure.strip()}"' in grammar


@pytest.mark.parametrize("content", ["unknown", "sunny, 31 degrees", '{"a": 1}', "1\n2", "9" * 50, ""])
def test_what_is_no_figure_may_be_put_in_other_words(content: str) -> None:
    assert keeping([result(content)]) is None


def test_neither_errors_nor_several_results_are_kept_word_for_word() -> None:
    assert keeping([result("404", ToolOutcome.ERROR)]) is None
    assert keeping([result("1"), result("2")]) is None


def test_the_answer_is_asked_for_with_every_result() -> None:
    prompt = answer_prompt("Which times?", [result("1"), result("2")], "Be kind.", max_tokens=5)
    assert prompt.messages[-1]["content"] == "Which times?\nResult: 1\nResult: 2"
    assert prompt.messages[0]["content"].endswith("\nBe kind.")


def test_a_schema_takes_the_place_of_the_grammar() -> None:
    prompt = answer_prompt("When?", [result("21:04")], "", max_tokens=5, schema={"type": "object"})
    assert prompt.grammar is None


def test_talk_is_shown_examples_only_where_the_system_says_nothing() -> None:
    said = [{"role": "user", "content": "Hello"}]
    assert [m["role"] for m in talk_prompt(said, "Be a pirate.", max_tokens=5).messages] == ["system", "user"]
    assert len(talk_prompt(said, "", max_tokens=5).messages) > 5


def test_examples_are_what_every_prompt_of_their_stage_begins_with() -> None:
    answer = answer_prompt("When?", [result("21:04")], "", max_tokens=5)
    assert answer_examples().messages[:-1] == answer.messages[:-1]
    talk = talk_prompt([{"role": "user", "content": "Hello"}], "", max_tokens=5)
    assert talk_examples().messages[:-1] == talk.messages[:-1]
