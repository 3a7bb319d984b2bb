"""The language model, with the real weights."""

import json
import logging
from pathlib import Path

import anyio
import pytest

from llmgine_core.abc import LanguageModel
from llmgine_core.contracts import (
    ChatMessage,
    FinishReason,
    LLMCompleted,
    LLMRequest,
    LLMResponse,
    LLMStreamEvent,
    LLMTextDelta,
    LLMToolCallDelta,
    ToolCall,
    ToolDefinition,
    ToolResult,
)
from llmgine_core.errors import ContextLengthError, LanguageModelError
from llmgine_llm_local import LocalLanguageModel, LocalSettings, WeightsNotFoundError
from tests.llm_local.questions import CALCULATOR, TIME, WEATHER

TOKYO = ChatMessage.user("What time is it in Tokyo?")
# Without a stop this takes the tiny model more than half a minute.
ENDLESS = LLMRequest(messages=(ChatMessage.user("Write a poem about the sea"),), max_output_tokens=3000)
SHORT = LLMRequest(messages=(ChatMessage.user("Hello!"),), max_output_tokens=2)
SOON = 20.0


def asking(*messages: ChatMessage, tools: tuple[ToolDefinition, ...] = (TIME,)) -> LLMRequest:
    return LLMRequest(messages=messages, tools=tools)


async def read(model: LocalLanguageModel, request: LLMRequest) -> list[LLMStreamEvent]:
    """All steps of a streamed answer."""
    async with model.stream(request) as steps:
        return [step async for step in steps]


async def test_it_calls_a_tool_without_examples_and_tells_the_result(model: LocalLanguageModel) -> None:
    asked = await model.generate(asking(TOKYO))
    (call,) = asked.message.tool_calls
    assert (call.name, json.loads(call.arguments)) == ("get_time", {"city": "Tokyo"})
    told = ChatMessage.tool(ToolResult(call.id, call.name, "21:04"))
    answer = await model.generate(asking(TOKYO, asked.message, told))
    assert "21:04" in answer.message.text
    assert "Tokyo" in answer.message.text
    assert answer.finish_reason is FinishReason.STOP


@pytest.mark.parametrize("message", ["Hello!", "Who are you?", "I like pizza."])
async def test_a_message_that_needs_no_tool_calls_none(model: LocalLanguageModel, message: str) -> None:
    said = (ChatMessage.user(message),)
    request = LLMRequest(messages=said, tools=(TIME, WEATHER, CALCULATOR), max_output_tokens=5)
    answer = await model.generate(request)
    assert answer.message.tool_calls == ()
    assert answer.message.text != ""


async def test_a_follow_up_calls_the_tool_again(model: LocalLanguageModel) -> None:
    call = ToolCall("1", "get_time", '{"city": "Tokyo"}')
    said = (
        TOKYO,
        ChatMessage.assistant(tool_calls=(call,)),
        ChatMessage.tool(ToolResult("1", "get_time", "21:04")),
        ChatMessage.assistant("It is 21:04 in Tokyo."),
    )
    again = await model.generate(asking(*said, ChatMessage.user("And in Paris?")))
    assert [json.loads(each.arguments) for each in again.message.tool_calls] == [{"city": "Paris"}]
    thanked = await model.generate(asking(*said, ChatMessage.user("Thank you!")))
    assert thanked.message.tool_calls == ()


async def test_several_results_are_answered_at_once(model: LocalLanguageModel) -> None:
    calls = tuple(ToolCall(str(number), "get_time", "{}") for number in range(2))
    results = ChatMessage.tool(*(ToolResult(call.id, call.name, "21:04") for call in calls))
    answer = await model.generate(asking(TOKYO, ChatMessage.assistant(tool_calls=calls), results))
    assert "21:04" in answer.message.text


async def test_a_streamed_answer_comes_in_pieces_that_make_up_the_response(model: LocalLanguageModel) -> None:
    *pieces, last = await read(model, LLMRequest(messages=(ChatMessage.user("Hello!"),)))
    assert isinstance(last, LLMCompleted)
    texts = [piece.text for piece in pieces if isinstance(piece, LLMTextDelta)]
    assert len(texts) == len(pieces) > 2
    assert "".join(texts) == last.response.message.text


async def test_a_streamed_call_comes_before_the_response(model: LocalLanguageModel) -> None:
    piece, last = await read(model, asking(TOKYO))
    assert isinstance(piece, LLMToolCallDelta)
    assert isinstance(last, LLMCompleted)
    assert last.response.message.tool_calls == (ToolCall(piece.id or "", piece.name or "", piece.arguments),)


async def test_generate_and_stream_answer_alike(model: LocalLanguageModel) -> None:
    request = LLMRequest(messages=(ChatMessage.user("What is the capital of France?"),))
    streamed = (await read(model, request))[-1]
    assert isinstance(streamed, LLMCompleted)
    assert streamed.response.message == (await model.generate(request)).message


async def test_a_response_names_the_model_and_counts_tokens(model: LocalLanguageModel) -> None:
    answer = await model.generate(SHORT)
    assert answer.model == model.model
    assert answer.id
    assert answer.finish_reason is FinishReason.LENGTH
    assert answer.usage.output_tokens == 2
    assert answer.usage.input_tokens > 10


async def test_leaving_a_stream_early_stops_the_model(model: LocalLanguageModel) -> None:
    with anyio.fail_after(SOON):
        async with model.stream(ENDLESS) as steps:
            async for _ in steps:
                break
        # It runs in the same slot, so it waits for what is left of the answer before it.
        await model.generate(SHORT)


async def test_cancelling_a_call_stops_the_model(model: LocalLanguageModel) -> None:
    with anyio.fail_after(SOON):
        with anyio.move_on_after(0.5) as scope:
            await model.generate(ENDLESS)
        assert scope.cancelled_caught
        await model.generate(SHORT)


async def test_cancelling_a_reader_stops_the_model(model: LocalLanguageModel) -> None:
    with anyio.fail_after(SOON):
        with anyio.CancelScope() as scope:
            async with model.stream(ENDLESS) as steps:
                async for _ in steps:
                    scope.cancel()
        assert scope.cancelled_caught
        await model.generate(SHORT)


async def test_the_requests_timeout_is_kept(model: LocalLanguageModel) -> None:
    request = LLMRequest(messages=ENDLESS.messages, max_output_tokens=3000, timeout=0.2)
    with pytest.raises(TimeoutError):
        await model.generate(request)
    with pytest.raises(TimeoutError):
        await read(model, request)


async def test_an_error_in_the_readers_block_leaves_it_as_it_is(model: LocalLanguageModel) -> None:
    with pytest.raises(KeyError, match="mine"):
        async with model.stream(SHORT):
            raise KeyError("mine")


async def test_calls_at_the_same_time_are_all_answered(model: LocalLanguageModel) -> None:
    answers: list[LLMResponse] = []

    async def ask() -> None:
        answers.append(await model.generate(SHORT))

    async with anyio.create_task_group() as tasks:
        for _ in range(4):
            tasks.start_soon(ask)
    assert all(answer.message.text for answer in answers)
    assert len({answer.id for answer in answers}) == 4


async def test_a_conversation_longer_than_the_window_is_a_context_length_error(model: LocalLanguageModel) -> None:
    request = LLMRequest(messages=(ChatMessage.user("word " * 9000),))
    with pytest.raises(ContextLengthError):
        await model.generate(request)
    with pytest.raises(ContextLengthError):
        await read(model, request)


async def test_a_schema_for_the_answer_is_kept(model: LocalLanguageModel) -> None:
    schema = {
        "type": "object",
        "properties": {"colour": {"enum": ["red", "green"]}, "warm": {"type": "boolean"}},
        "required": ["colour", "warm"],
        "additionalProperties": False,
    }
    request = LLMRequest(messages=(ChatMessage.user("Which colour has a tomato?"),), response_format=schema)
    answer = json.loads((await model.generate(request)).message.text)
    assert answer["colour"] in ("red", "green")
    assert isinstance(answer["warm"], bool)


async def test_a_model_that_is_not_entered_says_so() -> None:
    with pytest.raises(LanguageModelError, match="not loaded"):
        await LocalLanguageModel().generate(SHORT)


async def test_entering_without_weights_says_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(WeightsNotFoundError, match="there is no file"):
        async with LocalLanguageModel(LocalSettings(path=tmp_path / "none.gguf")):
            pytest.fail("it was entered")


async def test_cancelling_the_entry_leaves_nothing_loaded() -> None:
    model = LocalLanguageModel(LocalSettings(threads=1, warm=False))
    with anyio.CancelScope() as scope:
        scope.cancel()
        await model.__aenter__()
    assert scope.cancelled_caught
    with pytest.raises(LanguageModelError, match="not loaded"):
        await model.generate(SHORT)


async def test_leaving_the_model_stops_its_calls_and_refuses_new_ones(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    failures: list[LanguageModelError] = []
    begun = anyio.Event()
    model = LocalLanguageModel(LocalSettings(warm=False))

    async def read_on() -> None:
        try:
            async with model.stream(ENDLESS) as steps:
                async for _ in steps:
                    begun.set()
        except LanguageModelError as error:
            failures.append(error)

    with anyio.fail_after(SOON):
        async with anyio.create_task_group() as tasks:
            async with model:
                tasks.start_soon(read_on)
                await begun.wait()
    assert "closed while it answered" in str(failures[0])
    assert "tiny demonstration model" in caplog.text
    with pytest.raises(LanguageModelError, match="not loaded"):
        await model.generate(SHORT)


def test_it_is_a_language_model() -> None:
    model: LanguageModel = LocalLanguageModel()
    assert model.provider == "llama.cpp"
