"""What tests of applications are given: a scripted model and a handler that remembers."""

import pytest

from llmgine_core import (
    ChatMessage,
    FinishReason,
    LanguageModelError,
    LLMCompleted,
    LLMRequest,
    LLMToolCallDelta,
    ToolCall,
)
from llmgine_core.testing import RecordingEventHandler, ScriptedModel
from tests.core.messages import Said

REQUEST = LLMRequest(messages=[ChatMessage.user("hi")])
CALL = ToolCall("1", "clock", "{}")


async def test_a_scripted_model_says_what_its_script_says_and_fails_at_its_end() -> None:
    model = ScriptedModel(
        "words",
        CALL,
        [CALL, CALL],
        ChatMessage.assistant("whole"),
        lambda request: request.messages[0].text,
        ValueError("torn"),
    )
    answers = [(await model.generate(REQUEST)) for _ in range(5)]
    assert [a.message.text for a in answers] == ["words", "", "", "whole", "hi"]
    assert [len(a.message.tool_calls) for a in answers] == [0, 1, 2, 0, 0]
    assert answers[1].finish_reason is FinishReason.TOOL_CALLS
    with pytest.raises(ValueError, match="torn"):
        await model.generate(REQUEST)
    with pytest.raises(LanguageModelError, match="no answer to request 7"):
        await model.generate(REQUEST)
    assert model.requests == [REQUEST] * 7


async def test_a_scripted_model_streams_its_calls_and_then_all_of_its_answer() -> None:
    async with ScriptedModel([CALL]).stream(REQUEST) as steps:
        got = [step async for step in steps]
    assert got[0] == LLMToolCallDelta(0, "1", "clock", "{}")
    assert isinstance(got[1], LLMCompleted)


def test_a_recording_handler_tells_its_records_by_type() -> None:
    handler = RecordingEventHandler()
    handler.start()
    handler.accept(Said())
    assert handler.close()
    assert handler.types() == [Said.type_name]
    assert len(handler.of_type(Said.type_name)) == 1
