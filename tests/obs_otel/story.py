"""The events of one turn, as a running application publishes them: model, failing tool, history, own telemetry."""

from __future__ import annotations

from typing import Any

import attrs

from llmgine_core import (
    ChatHistoryUpdatedEvent,
    ChatMessage,
    CommandResultEvent,
    CommandStartedEvent,
    ErrorInfo,
    Event,
    FinishReason,
    GenerateCommand,
    LLMRequest,
    LLMRequestEvent,
    LLMResponse,
    LLMResponseEvent,
    LogEvent,
    Message,
    MetricEvent,
    Outcome,
    RunTurn,
    SessionEndEvent,
    SessionStartEvent,
    SpanEndEvent,
    SpanStartEvent,
    ToolCall,
    ToolDefinition,
    ToolExecuteResultEvent,
    ToolExecuteStartEvent,
    ToolOutcome,
    ToolResult,
    Usage,
)
from llmgine_core.contracts import lifecycle_header
from llmgine_core.observability import ContentPolicy, EventRecord, ObservabilityEventHandler

__all__ = ["SECRET", "SESSION", "Collecting", "Story", "about", "below", "command_events", "run"]

SESSION = "chat-42"
SECRET = "canary-7c1f"


def below(cause: Message) -> dict[str, Any]:
    """The header of a message made while `cause` is handled."""
    return {
        "session_id": cause.session_id,
        "correlation_id": cause.correlation_id,
        "causation_id": cause.id,
        "traceparent": cause.traceparent,
        "tracestate": cause.tracestate,
    }


def about(event: Event, message: Message) -> Event:
    """The event with the header of the message that it tells of."""
    return event.with_header(lifecycle_header(message))


def command_events(command: Message, duration: float = 0.25, **result: Any) -> tuple[Event, Event]:
    """A command's beginning and end."""
    started = CommandStartedEvent(command.id, command.type_name, "tests.handle")
    ended = CommandResultEvent(command.id, command.type_name, duration=duration, **result)
    return about(started, command), about(ended, command)


@attrs.frozen
class Story:
    """A turn with its messages at hand."""

    turn: RunTurn
    generate: GenerateCommand
    tool_start: ToolExecuteStartEvent
    span_start: SpanStartEvent
    events: tuple[Event, ...]

    @classmethod
    def told(cls, traceparent: str | None = None) -> Story:
        """The turn, with the secret in every place where users, models and tools speak."""
        turn = RunTurn(f"ask {SECRET}", session_id=SESSION, traceparent=traceparent)
        call = ToolCall("call-1", "get_time", f'{{"city":"{SECRET}"}}')
        request = LLMRequest(
            model="gpt-5-mini",
            messages=(ChatMessage.system(f"system {SECRET}"), ChatMessage.user(turn.text)),
            tools=(ToolDefinition("get_time", "The time in a city."),),
            temperature=0.5,
            max_output_tokens=100,
            stop=("END",),
            seed=7,
        )
        generate = GenerateCommand(request, **below(turn))
        tool_start = ToolExecuteStartEvent(call, "The time.", **below(turn))
        span_start = SpanStartEvent("look up", {"attempt": 1, "tags": ["a", "b"]}, **below(turn))
        error = ErrorInfo.from_exception(RuntimeError(f"failed {SECRET}"))
        turn_started, turn_ended = command_events(turn, 2.0, outcome=Outcome.ERROR, error=error)
        generate_started, generate_ended = command_events(generate, 1.5, result=f"result {SECRET}")
        events = (
            SessionStartEvent(session_id=SESSION),
            turn_started,
            generate_started,
            about(LLMRequestEvent(generate.id, "default", "openai", "gpt-5-mini", False, request), generate),
            about(_response(generate, call), generate),
            generate_ended,
            tool_start,
            about(_tool_result(tool_start, call), tool_start),
            ChatHistoryUpdatedEvent("append", (ChatMessage.user(turn.text),), 1, **below(turn)),
            LogEvent("warning", "the cache is cold", {"size": 0}, **below(turn)),
            MetricEvent("cache.misses", "counter", 2.0, "{miss}", {"cache": "L1"}, **below(turn)),
            span_start,
            about(SpanEndEvent(span_start.id, "look up", duration=0.125), span_start),
            turn_ended,
            SessionEndEvent(duration=3.0, session_id=SESSION),
        )
        return cls(turn, generate, tool_start, span_start, events)


def _response(generate: GenerateCommand, call: ToolCall) -> LLMResponseEvent:
    response = LLMResponse(
        id="resp-1",
        model="gpt-5-mini-2026",
        message=ChatMessage.assistant(f"answer {SECRET}", tool_calls=(call,)),
        finish_reason=FinishReason.TOOL_CALLS,
        usage=Usage(120, 30, 100, 10, 5),
    )
    return LLMResponseEvent(
        generate.id,
        "default",
        "openai",
        "gpt-5-mini",
        duration=1.5,
        time_to_first_chunk=0.2,
        response=response,
        chunks=4,
    )


def _tool_result(start: ToolExecuteStartEvent, call: ToolCall) -> ToolExecuteResultEvent:
    return ToolExecuteResultEvent(
        start.id,
        call,
        ToolResult(call.id, call.name, f"tool says {SECRET}", ToolOutcome.ERROR),
        Outcome.ERROR,
        0.5,
        ErrorInfo.from_exception(ValueError(f"no such city: {SECRET}")),
    )


class Collecting(ObservabilityEventHandler):
    """Keeps the records."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[EventRecord] = []

    def export(self, batch: Any) -> None:
        self.records.extend(batch)


def run(handler: ObservabilityEventHandler, *events: Event, content: bool = False) -> None:
    """Start the handler, show it the events, close it; everything must have been exported."""
    handler.start(ContentPolicy(content=content))
    for event in events:
        handler.accept(event)
    assert handler.close(), "the handler did not close in time"
    books = handler.stats()
    assert books.accepted == books.exported == len(events), books
