"""What models, tools and histories do."""

from __future__ import annotations

from typing import ClassVar, Literal

import attrs

from llmgine_core.contracts import (
    ChatMessage,
    ErrorInfo,
    Event,
    LLMRequest,
    LLMResponse,
    LLMStreamEvent,
    Outcome,
    ToolCall,
    ToolResult,
)
from llmgine_core.events._outcome import outcome_field

__all__ = [
    "ChatHistoryUpdatedEvent",
    "LLMRequestEvent",
    "LLMResponseEvent",
    "LLMStreamChunkEvent",
    "ToolExecuteResultEvent",
    "ToolExecuteStartEvent",
]


@attrs.frozen
class LLMRequestEvent(Event):
    """A language model is about to be asked.

    Attributes:
        command_id: id of the `GenerateCommand` or `StreamGenerateCommand`.
        llm: the model's configured name.
        provider: who serves it, in the terms of OpenTelemetry's `gen_ai.provider.name`.
        model: the provider's name of the model.
        stream: whether the answer is streamed.
        request: what is asked.
    """

    type_name: ClassVar[str] = "LLMRequestEvent"
    span_field: ClassVar[str | None] = "command_id"
    command_id: str
    llm: str
    provider: str
    model: str
    stream: bool
    request: LLMRequest


@attrs.frozen
class LLMResponseEvent(Event):
    """A language model has answered, or failed to.

    Attributes:
        time_to_first_chunk: seconds until the first event of a streamed answer.
        response: the answer; None where there is none.
        chunks: how many events of a streamed answer there were.
    """

    type_name: ClassVar[str] = "LLMResponseEvent"
    span_field: ClassVar[str | None] = "command_id"
    command_id: str
    llm: str
    provider: str
    model: str
    outcome: Outcome = outcome_field()
    duration: float = 0.0
    time_to_first_chunk: float | None = None
    response: LLMResponse | None = None
    error: ErrorInfo | None = None
    chunks: int = 0


@attrs.frozen
class LLMStreamChunkEvent(Event):
    """One step of a streamed answer; published only if somebody subscribes to this very type."""

    type_name: ClassVar[str] = "LLMStreamChunkEvent"
    span_field: ClassVar[str | None] = "command_id"
    command_id: str
    index: int
    chunk: LLMStreamEvent


@attrs.frozen
class ToolExecuteStartEvent(Event):
    """A tool call begins. What the tool does meanwhile names this event as its cause.

    Attributes:
        call: the call.
        description: the tool's, as the model is told of it; empty where there is no such tool.
    """

    type_name: ClassVar[str] = "ToolExecuteStartEvent"
    call: ToolCall
    description: str = ""


@attrs.frozen
class ToolExecuteResultEvent(Event):
    """A tool call has ended; there is exactly one for each call.

    Attributes:
        start_id: id of the call's `ToolExecuteStartEvent`.
        call: the call.
        result: what the model is told, with the call's outcome.
        outcome: `ok`, `error`, `cancelled` or `timeout`; `result.outcome` says more.
        duration: seconds.
        error: the exception, where one was raised.
    """

    type_name: ClassVar[str] = "ToolExecuteResultEvent"
    span_field: ClassVar[str | None] = "start_id"
    start_id: str
    call: ToolCall
    result: ToolResult
    outcome: Outcome = outcome_field()
    duration: float = 0.0
    error: ErrorInfo | None = None


@attrs.frozen
class ChatHistoryUpdatedEvent(Event):
    """A session's history has changed, durably.

    Attributes:
        operation: what was done.
        messages: the messages that were added; empty for `clear`.
        version: the history's version afterwards.
    """

    type_name: ClassVar[str] = "ChatHistoryUpdatedEvent"
    operation: Literal["append", "clear", "fork", "replace"]
    messages: tuple[ChatMessage, ...] = ()
    version: int = 0
