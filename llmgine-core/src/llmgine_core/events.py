"""The events that the runtime publishes about itself.

Every Result, Response and End event has `outcome`, `duration` (seconds) and `error`. Lifecycle events of a command
share the command's header, so they stand where the command stands in the chain of causes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import attrs

from llmgine_core.contracts import (
    CONTENT,
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

__all__ = [
    "BootstrapReadyEvent",
    "BootstrapStartEvent",
    "BootstrapStopEvent",
    "ChatHistoryUpdatedEvent",
    "CommandResultEvent",
    "CommandStartedEvent",
    "EventDroppedEvent",
    "EventHandlerFailedEvent",
    "EventHandlerResultEvent",
    "EventHandlerStartEvent",
    "LLMRequestEvent",
    "LLMResponseEvent",
    "LLMStreamChunkEvent",
    "LogEvent",
    "MetricEvent",
    "PluginFailedEvent",
    "PluginLoadedEvent",
    "SessionEndEvent",
    "SessionStartEvent",
    "SpanEndEvent",
    "SpanStartEvent",
    "ToolExecuteResultEvent",
    "ToolExecuteStartEvent",
    "UnknownEvent",
]


def _outcome() -> Any:
    return attrs.field(default=Outcome.OK, converter=_to_outcome)


def _to_outcome(value: Any) -> Outcome:
    return value if type(value) is Outcome else Outcome(value)  # to ask the class costs more than to make the event


# ── sessions ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@attrs.frozen
class SessionStartEvent(Event):
    """A session has been opened; the first event of the session."""

    type_name: ClassVar[str] = "SessionStartEvent"


@attrs.frozen
class SessionEndEvent(Event):
    """A session has ended; the last event of the session."""

    type_name: ClassVar[str] = "SessionEndEvent"
    outcome: Outcome = _outcome()
    duration: float = 0.0
    error: ErrorInfo | None = None


# ── commands ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@attrs.frozen
class CommandStartedEvent(Event):
    """A handler is about to run a command."""

    type_name: ClassVar[str] = "CommandStartedEvent"
    span_field: ClassVar[str | None] = "command_id"
    command_id: str
    command_type: str
    handler: str


@attrs.frozen
class CommandResultEvent(Event):
    """A command has ended, in whatever way."""

    type_name: ClassVar[str] = "CommandResultEvent"
    span_field: ClassVar[str | None] = "command_id"
    command_id: str
    command_type: str
    outcome: Outcome = _outcome()
    duration: float = 0.0
    result: Any = attrs.field(default=None, metadata=CONTENT)
    error: ErrorInfo | None = None


# ── event handlers ───────────────────────────────────────────────────────────────────────────────────────────────────


@attrs.frozen
class EventHandlerStartEvent(Event):
    """An event handler is about to run."""

    type_name: ClassVar[str] = "EventHandlerStartEvent"
    event_id: str
    event_type: str
    handler: str


@attrs.frozen
class EventHandlerResultEvent(Event):
    """An event handler has ended, in whatever way."""

    type_name: ClassVar[str] = "EventHandlerResultEvent"
    event_id: str
    event_type: str
    handler: str
    outcome: Outcome = _outcome()
    duration: float = 0.0
    error: ErrorInfo | None = None


@attrs.frozen
class EventHandlerFailedEvent(Event):
    """An event handler failed on an event, after all its attempts."""

    type_name: ClassVar[str] = "EventHandlerFailedEvent"
    event_id: str
    event_type: str
    handler: str
    attempts: int
    error: ErrorInfo


@attrs.frozen
class EventDroppedEvent(Event):
    """Deliveries were given up; one event tells of all that one subscription lost since the last."""

    type_name: ClassVar[str] = "EventDroppedEvent"
    event_type: str
    subscription: str
    reason: str
    count: int = 1


# ── models and tools ─────────────────────────────────────────────────────────────────────────────────────────────────


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
    outcome: Outcome = _outcome()
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
    outcome: Outcome = _outcome()
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


# ── the application's life ───────────────────────────────────────────────────────────────────────────────────────────


@attrs.frozen
class PluginLoadedEvent(Event):
    """A selected plugin was imported and built.

    Attributes:
        kind: the kind, as configuration names it (`bus`, `observability` …).
        name: the instance's name.
        distribution: the distribution that offers it; empty for a ready object.
        version: that distribution's version.
        entry_point: where it was found (`group: name = module`).
        duration: seconds that loading and building took.
    """

    type_name: ClassVar[str] = "PluginLoadedEvent"
    kind: str
    name: str
    distribution: str = ""
    version: str = ""
    entry_point: str = ""
    duration: float = 0.0


@attrs.frozen
class PluginFailedEvent(Event):
    """A selected plugin could not be used; the start ends with this error."""

    type_name: ClassVar[str] = "PluginFailedEvent"
    kind: str
    name: str
    error: ErrorInfo
    distribution: str = ""
    version: str = ""
    entry_point: str = ""
    duration: float = 0.0


@attrs.frozen
class BootstrapStartEvent(Event):
    """An application begins to start; published once its bus can carry it."""

    type_name: ClassVar[str] = "BootstrapStartEvent"
    application: str


@attrs.frozen
class BootstrapReadyEvent(Event):
    """An application is ready."""

    type_name: ClassVar[str] = "BootstrapReadyEvent"
    application: str
    duration: float = 0.0


@attrs.frozen
class BootstrapStopEvent(Event):
    """An application has stopped, but for its bus; or it failed to start."""

    type_name: ClassVar[str] = "BootstrapStopEvent"
    application: str
    outcome: Outcome = _outcome()
    duration: float = 0.0
    error: ErrorInfo | None = None


# ── the application's own telemetry ──────────────────────────────────────────────────────────────────────────────────


@attrs.frozen
class LogEvent(Event):
    """The application says something."""

    type_name: ClassVar[str] = "LogEvent"
    level: Literal["debug", "info", "warning", "error", "critical"]
    message: str
    fields: Mapping[str, Any] = attrs.field(factory=dict[str, Any])


@attrs.frozen
class MetricEvent(Event):
    """The application measures something."""

    type_name: ClassVar[str] = "MetricEvent"
    name: str
    kind: Literal["counter", "histogram"]
    value: float
    unit: str = "1"
    attributes: Mapping[str, Any] = attrs.field(factory=dict[str, Any])


@attrs.frozen
class SpanStartEvent(Event):
    """The application begins something that takes time."""

    type_name: ClassVar[str] = "SpanStartEvent"
    name: str
    attributes: Mapping[str, Any] = attrs.field(factory=dict[str, Any])


@attrs.frozen
class SpanEndEvent(Event):
    """The application has ended what `start_id` began."""

    type_name: ClassVar[str] = "SpanEndEvent"
    span_field: ClassVar[str | None] = "start_id"
    start_id: str
    name: str
    outcome: Outcome = _outcome()
    duration: float = 0.0
    error: ErrorInfo | None = None


# ── reading what somebody else wrote ─────────────────────────────────────────────────────────────────────────────────


@attrs.frozen
class UnknownEvent(Event):
    """A stored message of a type that is not known here, kept as it was read.

    Attributes:
        original_type: its stored type name.
        data: its fields; JSON data.
    """

    type_name: ClassVar[str] = "UnknownEvent"
    original_type: str
    data: Mapping[str, Any] = attrs.field(factory=dict[str, Any], metadata=CONTENT)
