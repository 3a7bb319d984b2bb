"""The stages in their order, without a model."""

from collections.abc import Iterable
from typing import Any

import pytest

from llmgine_core.contracts import (
    ChatMessage,
    FinishReason,
    LLMCompleted,
    LLMRequest,
    LLMStreamEvent,
    LLMTextDelta,
    LLMToolCallDelta,
    ToolCall,
    ToolDefinition,
    ToolResult,
)
from llmgine_core.errors import LanguageModelError
from llmgine_llm_local._engine import Stopped
from llmgine_llm_local._prompt import Completion, Slot
from llmgine_llm_local._turn import Leanings, ModelTurn
from tests.llm_local.engines import ScriptedEngine, deciding
from tests.llm_local.questions import TIME, WEATHER

CALL = ToolCall("1", "get_time", '{"city": "Oslo"}')
ANSWERED = (
    ChatMessage.user("What time is it in Oslo?"),
    ChatMessage.assistant(tool_calls=(CALL,)),
    ChatMessage.tool(ToolResult("1", "get_time", "21:04")),
)
CITY = Completion(text='{"city": "Oslo"}', input_tokens=30, cached_tokens=20, output_tokens=5)
HELLO = Completion(text="Hello to you", input_tokens=9, output_tokens=3)


class Turns:
    """Turns of one model, with what they emitted."""

    def __init__(self, answers: Iterable[Completion]) -> None:
        self.engine = ScriptedEngine(list(answers))
        self.emitted: list[LLMStreamEvent] = []
        self.leanings: Leanings = {}
        self.stopped = False

    def take(self, *messages: ChatMessage, tools: tuple[ToolDefinition, ...] = (TIME, WEATHER), **fields: Any) -> Any:
        request = LLMRequest(messages=messages, tools=tools, **fields)
        emit, stopped = self.emitted.append, lambda: self.stopped
        return ModelTurn("tiny", self.engine, request, 128, self.leanings, emit, stopped).run()

    def slots(self) -> list[Slot]:
        return [prompt.slot for prompt in self.engine.prompts]


def test_a_question_for_a_tool_ends_in_its_call() -> None:
    turns = Turns([*deciding("time"), CITY])
    response = turns.take(ChatMessage.user("What time is it in Oslo?"))
    (call,) = response.message.tool_calls
    assert (call.name, call.arguments) == ("get_time", '{"city": "Oslo"}')
    assert response.finish_reason is FinishReason.TOOL_CALLS
    assert turns.emitted == [LLMToolCallDelta(0, call.id, "get_time", '{"city": "Oslo"}'), LLMCompleted(response)]


def test_usage_counts_every_stage() -> None:
    usage = Turns([*deciding("time"), CITY]).take(ChatMessage.user("What time is it in Oslo?")).usage
    assert (usage.input_tokens, usage.output_tokens, usage.cached_input_tokens) == (60, 8, 20)


def test_the_leaning_is_asked_for_once_for_the_same_tools() -> None:
    turns = Turns([*deciding("none"), HELLO, *list(deciding("none"))[2:], HELLO])
    turns.take(ChatMessage.user("Hm?"))
    turns.take(ChatMessage.user("Hm?"))
    assert turns.slots() == [Slot.DECIDE] * 3 + [Slot.TALK, Slot.DECIDE, Slot.TALK]


def test_leanings_of_many_sets_of_tools_are_not_all_kept() -> None:
    turns = Turns([])
    for number in range(200):
        turns.engine.answers = [*deciding("none"), HELLO]
        turns.take(ChatMessage.user("Hm?"), tools=(ToolDefinition(f"tool_{number}"),))
    assert 0 < len(turns.leanings) < 100


def test_a_message_that_needs_no_tool_is_talked_about_word_by_word() -> None:
    turns = Turns([*deciding("none"), HELLO])
    response = turns.take(ChatMessage.user("Hm?"))
    assert response.message == ChatMessage.assistant("Hello to you")
    assert turns.emitted[:-1] == [LLMTextDelta("Hello"), LLMTextDelta("to"), LLMTextDelta("you")]
    assert response.finish_reason is FinishReason.STOP


def test_without_tools_nothing_is_decided() -> None:
    turns = Turns([HELLO])
    turns.take(ChatMessage.user("Hello"), tools=())
    assert turns.slots() == [Slot.TALK]


def test_what_tools_gave_is_answered_and_no_further_tool_called() -> None:
    turns = Turns([HELLO])
    turns.take(*ANSWERED)
    assert turns.slots() == [Slot.ANSWER]


def test_an_answer_that_was_cut_says_so() -> None:
    cut = Completion(text="Once upon", cut=True)
    assert Turns([cut]).take(ChatMessage.user("A tale!"), tools=()).finish_reason is FinishReason.LENGTH


def test_a_model_that_says_nothing_is_not_answered_with_an_empty_message() -> None:
    turns = Turns([Completion()])
    response = turns.take(ChatMessage.user("?"), tools=())
    assert response.message.text != ""
    assert turns.emitted == [LLMTextDelta(response.message.text), LLMCompleted(response)]


def test_earlier_messages_are_shown_with_the_label_of_their_tool() -> None:
    turns = Turns([*deciding("none"), HELLO])
    turns.take(*ANSWERED, ChatMessage.assistant("It is 21:04."), ChatMessage.user("Hm?"))
    shown = [message["content"] for message in turns.engine.prompts[2].messages]
    assert shown[-3:] == ["What time is it in Oslo?", "time", "Hm?"]


@pytest.mark.parametrize(("choice", "name"), [("get_weather", "get_weather"), ("required", "get_time")])
def test_a_tool_that_is_asked_for_is_called(choice: str, name: str) -> None:
    answers = [CITY] if choice == "get_weather" else [*deciding("time"), CITY]
    response = Turns(answers).take(ChatMessage.user("Oslo"), tool_choice=choice)
    assert response.message.tool_calls[0].name == name


def test_tools_that_are_ruled_out_are_not_called() -> None:
    turns = Turns([HELLO])
    turns.take(ChatMessage.user("What time is it in Oslo?"), tool_choice="none")
    assert turns.slots() == [Slot.TALK]


def test_a_choice_of_a_tool_that_is_not_there_names_those_that_are() -> None:
    with pytest.raises(LanguageModelError, match=r"get_tine; the request offers get_time, get_weather"):
        Turns([]).take(ChatMessage.user("Oslo"), tool_choice="get_tine")


def test_a_tool_without_parameters_is_called_with_none() -> None:
    turns = Turns([])
    response = turns.take(ChatMessage.user("Go"), tools=(ToolDefinition("list_alarms"),), tool_choice="list_alarms")
    assert response.message.tool_calls[0].arguments == "{}"


def test_sampling_options_reach_the_engine_under_its_names() -> None:
    turns = Turns([HELLO])
    options: dict[str, Any] = {"temperature": 0.5, "top_p": 0.9, "seed": 3, "stop": (".",), "extra": {"top_k": 5}}
    turns.take(ChatMessage.user("Hello"), tools=(), max_output_tokens=7, **options)
    (prompt,) = turns.engine.prompts
    assert prompt.options == {"temperature": 0.5, "top_p": 0.9, "seed": 3, "stop": ["."], "top_k": 5}
    assert prompt.max_tokens == 7


def test_a_schema_for_the_answer_reaches_the_engine() -> None:
    turns = Turns([HELLO])
    turns.take(ChatMessage.user("Hello"), tools=(), response_format={"type": "object"})
    assert turns.engine.prompts[0].schema == {"type": "object"}


def test_nobody_waiting_stops_the_turn_before_its_next_stage() -> None:
    turns = Turns([])
    turns.stopped = True
    with pytest.raises(Stopped):
        turns.take(ChatMessage.user("Hello"))
    assert (turns.engine.prompts, turns.emitted) == ([], [])


def test_a_request_without_a_question_is_refused() -> None:
    with pytest.raises(LanguageModelError, match="no message of a user"):
        Turns([]).take()
