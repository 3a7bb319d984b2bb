"""`EventRecord`: an event as observability sees it, as JSON data with its place in the trace.

Ids follow the W3C Trace Context (https://www.w3.org/TR/trace-context/) and are read off the message ids, so the console
line, the JSONL line and the exported span of one event agree without asking each other: the trace is the chain's
correlation id (128 bits), a span is the lower half of the id of the message that opened it (64 bits).
"""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import attrs

from llmgine_core.contracts import Event

__all__ = ["EventRecord", "TraceIds", "trace_ids"]

_SPAN_DIGITS = 16
_ID = re.compile(r"(?!0{32})(?!.{16}0{16})[0-9a-f]{32}")  # neither half of an id may be all zero
# https://www.w3.org/TR/trace-context/#traceparent-header: a later version may have more behind the flags
_TRACEPARENT = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(?:-|$)")


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
    trace_id, outer_span, flags = _outer(header.traceparent) or (_hexadecimal(event.correlation_id), None, 1)
    parent = _span_id(header.causation_id) if header.causation_id else outer_span
    return TraceIds(trace_id, _span_id(owner), parent, flags)


def _span_id(message_id: str) -> str:
    return _hexadecimal(message_id)[-_SPAN_DIGITS:]


def _hexadecimal(message_id: str) -> str:
    """The message's id where it is 32 hexadecimal digits, as those are that we mint; else a digest of it that is."""
    if _ID.fullmatch(message_id):
        return message_id
    return hashlib.blake2b(message_id.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def _outer(traceparent: str | None) -> tuple[str, str, int] | None:
    """Trace id, span id and flags of a `traceparent`; None if there is none, or it is malformed and must be ignored."""
    if not (found := _TRACEPARENT.match(traceparent or "")):
        return None
    version, trace_id, span_id, flags = found.groups()
    if version == "ff" or not int(trace_id, 16) or not int(span_id, 16):
        return None
    return trace_id, span_id, int(flags, 16)


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
