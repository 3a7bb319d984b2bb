"""Messages in the form that the GenAI conventions give them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from llmgine_core import (
    ChatMessage,
    Event,
    ImagePart,
    LLMRequest,
    LLMRequestEvent,
    ReasoningPart,
    Role,
    ToolCall,
    ToolResult,
    UnknownPart,
)
from llmgine_core.observability import ContentPolicy
from llmgine_obs_otel.messages import input_messages, output_messages

OMITTED = {"omitted": "content", "bytes": 3}


def written(*messages: ChatMessage, content: bool = True) -> Any:
    event: Event = LLMRequestEvent("c", "default", "openai", "m", False, LLMRequest(messages=messages))
    text = input_messages(ContentPolicy(content=content).project(event)["request"]["messages"])
    return None if text is None else json.loads(text)


def test_a_tools_result_is_a_response_to_its_call() -> None:
    (message,) = written(ChatMessage.tool(ToolResult("call-1", "get_time", "21:04")))
    assert message == {
        "role": "tool",
        "parts": [{"type": "tool_call_response", "id": "call-1", "response": "21:04"}],
    }


def test_arguments_that_are_no_json_stay_as_the_model_wrote_them() -> None:
    (message,) = written(ChatMessage.assistant(tool_calls=(ToolCall("call-1", "get_time", "{city:"),)))
    assert message["parts"][0]["arguments"] == "{city:"


def test_reasoning_and_names_are_told() -> None:
    (message,) = written(ChatMessage(Role.ASSISTANT, (ReasoningPart("hm"),), name="ada"))
    assert message == {"role": "assistant", "parts": [{"type": "reasoning", "content": "hm"}], "name": "ada"}


def test_a_picture_is_told_by_its_address() -> None:
    (message,) = written(ChatMessage(Role.USER, (ImagePart("https://example.com/a.png", media_type="image/png"),)))
    assert message["parts"] == [
        {"type": "uri", "modality": "image", "mime_type": "image/png", "uri": "https://example.com/a.png"}
    ]


@pytest.mark.parametrize("part", [ImagePart(data="AAAA" * 100), ImagePart("data:image/png;base64,AAAA")])
def test_a_picture_in_full_is_told_by_its_size(part: ImagePart) -> None:
    (message,) = written(ChatMessage(Role.USER, (part,)))
    assert "AAAA" not in json.dumps(message)
    assert message["parts"][0]["bytes"] > 0


def test_a_part_of_an_unknown_kind_is_told_by_its_kind() -> None:
    (message,) = written(ChatMessage(Role.USER, (UnknownPart("audio", {"secret": 1}),)))
    assert message["parts"] == [{"type": "audio"}]


def test_messages_of_which_anything_was_omitted_are_not_told() -> None:
    assert written(ChatMessage.user("hi"), content=False) is None
    assert output_messages({"role": "assistant", "parts": [{"type": "text", "text": OMITTED}]}, "stop") is None


def test_no_messages_are_no_attribute() -> None:
    assert written() is None
    assert output_messages(None, None) is None
