"""Chat messages, tools, models and turns as data."""

import pytest

from llmgine_core import (
    ChatMessage,
    ErrorInfo,
    FinishReason,
    LLMRequest,
    LLMResponse,
    Outcome,
    Retry,
    Role,
    RunTurn,
    TextPart,
    ToolCall,
    ToolDefinition,
    ToolFailure,
    ToolOptions,
    ToolOutcome,
    ToolResult,
    TurnResult,
    Usage,
    tool,
)
from llmgine_core.contracts.tools import tool_options


def test_a_chat_message_has_shorthands_for_every_role() -> None:
    call, result = ToolCall("1", "clock"), ToolResult("1", "clock", "noon")
    assert ChatMessage.system("s").role is Role.SYSTEM
    assert ChatMessage.user("u").parts == (TextPart("u"),)
    assistant = ChatMessage.assistant("a", tool_calls=(call,))
    assert (assistant.text, assistant.tool_calls) == ("a", (call,))
    assert ChatMessage.assistant(tool_calls=(call,)).text == ""
    assert ChatMessage.tool(result).tool_results == (result,)
    assert ChatMessage("user", [TextPart("a"), TextPart("b")]).text == "ab"
    with pytest.raises(ValueError, match="nobody"):
        ChatMessage("nobody")


def test_a_tool_result_is_ok_only_if_its_outcome_is() -> None:
    assert ToolResult("1", "t", "x").ok
    assert not ToolResult("1", "t", "x", "denied").ok
    assert {o.value for o in ToolOutcome} == {
        "ok",
        "error",
        "invalid_arguments",
        "not_found",
        "timeout",
        "denied",
        "cancelled",
    }


def test_tool_marks_a_function_and_leaves_it_as_it_is() -> None:
    @tool
    def plain() -> str:
        return "plain"

    @tool(name="other", timeout=5, requires_approval=True, examples=("one",))
    def named() -> str:
        return "named"

    assert (plain(), named()) == ("plain", "named")
    assert tool_options(plain) == ToolOptions()
    assert tool_options(named) == ToolOptions(name="other", timeout=5, requires_approval=True, examples=("one",))
    assert tool_options(len) == ToolOptions()
    assert str(ToolFailure("no such city")) == "no such city"


def test_sequences_become_tuples_and_words_become_enums() -> None:
    request = LLMRequest(messages=[ChatMessage.user("x")], tools=[ToolDefinition("t")], stop=["."])
    assert (type(request.messages), type(request.tools), request.stop) == (tuple, tuple, (".",))
    response = LLMResponse(model="m", message=ChatMessage.assistant("x"), finish_reason="length")
    assert response.finish_reason is FinishReason.LENGTH
    assert LLMRequest(messages=[], allowed_tools=["a"]).allowed_tools == ("a",)
    assert ToolResult("1", "t", "x", parts=[TextPart("x")]).parts == (TextPart("x"),)


def test_usage_adds_up() -> None:
    total = Usage(1, 2, 3, 4) + Usage(10, 20, 30, 40)
    assert total == Usage(11, 22, 33, 44)
    assert total.total_tokens == 33
    first = Usage(cache_creation_input_tokens=1, extra={"audio": {"in": 1, "out": 2}, "tier": "a", "only": 1})
    second = Usage(cache_creation_input_tokens=2, extra={"audio": {"in": 10}, "tier": "b", "none": None})
    both = {"audio": {"in": 11, "out": 2}, "tier": "b", "only": 1, "none": None}
    assert first + second == Usage(cache_creation_input_tokens=3, extra=both)
    assert first + Usage() == Usage() + first == first


def test_an_exception_is_taken_down_as_data_even_if_it_cannot_be_read() -> None:
    class Unreadable(Exception):
        def __str__(self) -> str:
            raise ValueError("no")

    try:
        raise KeyError("x")
    except KeyError as error:
        info = ErrorInfo.from_exception(error)
    assert (info.type, info.message) == ("KeyError", "'x'")
    assert "raise KeyError" in info.stack
    info = ErrorInfo.from_exception(Unreadable())
    assert info.type.endswith("Unreadable")
    assert info.message == "<its message cannot be read: ValueError>"


@pytest.mark.parametrize("wrong", [{"attempts": 0}, {"delay": -1}, {"factor": 0.5}, {"jitter": 2}, {"max_delay": -1}])
def test_a_retry_that_makes_no_sense_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Retry(**wrong)  # type: ignore[arg-type]


def test_a_turn_has_at_least_one_step_and_its_result_reads_words_as_enums() -> None:
    with pytest.raises(ValueError, match="max_steps"):
        RunTurn("x", max_steps=0)
    assert TurnResult(text="x", stopped_by="length").stopped_by == "length"
    assert Outcome("timeout") is Outcome.TIMEOUT
