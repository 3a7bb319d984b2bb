"""`EventRecord`: an event as observability sees it, as JSON data with its place in the trace.

Ids follow the W3C Trace Context (https://www.w3.org/TR/trace-context/) and are read off the message ids, so the console
line, the JSONL line and the exported span of one event agree without asking each other: the trace is the chain's
correlation id (128 bits), a span is the lower half of the id of the message that opened it (64 bits).
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import attrs

from llmgine_core.contracts import Event

__all__ = ["EventRecord", "TraceIds", "trace_ids"]

_SPAN_DIGITS = 16


@attrs.frozen
class TraceIds:
    """An event's place in its trace, in lower-case hexadecimal digits.

    Attributes:
        trace_id: 32 digits.
        span_id: 16 digits.
        parent_span_id: 16 digits; None at the root.
        trace_flags: W3C trace flags; 1 means sampled.
    """

    trace_id: str
    span_id: str
    parent_span_id: str | None
    trace_flags: int = 1


def trace_ids(event: Event) -> TraceIds:
    """Where the event stands: in the span of the message it tells of, else in one of its own."""
    header = event.header
    owner = getattr(event, event.span_field) if event.span_field else event.id
    trace_id, outer_span, flags = _outer(header.traceparent) or (event.correlation_id, None, 1)
    parent = header.causation_id[-_SPAN_DIGITS:] if header.causation_id else outer_span
    return TraceIds(trace_id, owner[-_SPAN_DIGITS:], parent, flags)


def _outer(traceparent: str | None) -> tuple[str, str, int] | None:
    """Trace id, span id and flags of a `traceparent`; None if there is none, or it is malformed and must be ignored."""
    parts = (traceparent or "").split("-")
    if len(parts) < 4 or [len(p) for p in parts[:4]] != [2, 32, 16, 2]:
        return None
    try:
        ids = [int(part, 16) for part in parts[:4]]
    except ValueError:
        return None
    return (parts[1], parts[2], ids[3]) if ids[1] and ids[2] and ids[0] != 0xFF else None


@attrs.frozen(kw_only=True)
class EventRecord:
    """One accepted event, ready to be written anywhere.

    Attributes:
        type: the event's stored type name.
        id: the event's id.
        timestamp: when it was made (aware, UTC).
        session_id: its session.
        correlation_id: id of the message that began the chain.
        causation_id: id of the message that was being handled.
        fields: its fields as JSON data, content omitted or redacted as the application says.
        metadata: the header's metadata; JSON data.
        trace_id: W3C trace id, 32 hexadecimal digits.
        span_id: W3C span id, 16 hexadecimal digits.
        parent_span_id: the span above, None at the root.
        trace_flags: W3C trace flags.
        tracestate: W3C trace state.
        monotonic_ns: the monotonic clock, in nanoseconds, when the event was accepted.
    """

    type: str
    id: str
    timestamp: datetime
    session_id: str | None
    correlation_id: str
    causation_id: str | None
    fields: Mapping[str, Any]
    metadata: Mapping[str, Any] = attrs.field(factory=dict[str, Any])
    trace_id: str
    span_id: str
    parent_span_id: str | None = None
    trace_flags: int = 1
    tracestate: str | None = None
    monotonic_ns: int = attrs.field(factory=time.monotonic_ns)

    @classmethod
    def of(cls, event: Event, fields: Mapping[str, Any]) -> EventRecord:
        """The record of an event whose fields have been made JSON data."""
        header, trace = event.header, trace_ids(event)
        return cls(
            type=event.type_name,
            id=event.id,
            timestamp=event.timestamp,
            session_id=header.session_id,
            correlation_id=event.correlation_id,
            causation_id=header.causation_id,
            fields=fields,
            metadata=header.metadata,
            trace_id=trace.trace_id,
            span_id=trace.span_id,
            parent_span_id=trace.parent_span_id,
            trace_flags=trace.trace_flags,
            tracestate=header.tracestate,
        )

    def to_document(self) -> dict[str, Any]:
        """The record as one JSON object: the header's names, the trace's, and the fields under `data`."""
        document: dict[str, Any] = {
            "type": self.type,
            "timestamp": self.timestamp.isoformat(timespec="microseconds"),
            "session_id": self.session_id,
            "id": self.id,
            "correlation_id": self.correlation_id,
            "causation_id": self.causation_id,
            "trace_id": self.trace_id,
            "span_id": self.span_id,
            "parent_span_id": self.parent_span_id,
        }
        if self.metadata:
            document["metadata"] = dict(self.metadata)
        return {**document, "data": dict(self.fields)}
