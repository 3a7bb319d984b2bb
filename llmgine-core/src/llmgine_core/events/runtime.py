"""What the bus says of itself: its sessions, commands, handlers and losses; and what applications say through it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import attrs

from llmgine_core.contracts import CONTENT, ErrorInfo, Event, Outcome
from llmgine_core.events._outcome import outcome_field

__all__ = [
    "CommandResultEvent",
    "CommandStartedEvent",
    "EventDroppedEvent",
    "EventHandlerFailedEvent",
    "EventHandlerResultEvent",
    "EventHandlerStartEvent",
    "LogEvent",
    "MetricEvent",
    "SessionEndEvent",
    "SessionStartEvent",
    "SpanEndEvent",
    "SpanStartEvent",
]


# ── sessions ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@attrs.frozen
class SessionStartEvent(Event):
    """A session has been opened; the first event of the session."""

    type_name: ClassVar[str] = "SessionStartEvent"


@attrs.frozen
class SessionEndEvent(Event):
    """A session has ended; the last event of the session."""

    type_name: ClassVar[str] = "SessionEndEvent"
    outcome: Outcome = outcome_field()
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
    outcome: Outcome = outcome_field()
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
    outcome: Outcome = outcome_field()
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


# ── the application's own telemetry ─────────────────────────────────────────────────────────────────────────────────


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
    outcome: Outcome = outcome_field()
    duration: float = 0.0
    error: ErrorInfo | None = None
