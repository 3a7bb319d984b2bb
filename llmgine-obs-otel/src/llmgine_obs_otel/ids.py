"""`RecordIds`: exported spans have the ids that their records have already."""

from __future__ import annotations

from opentelemetry.context import Context
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, TraceState, set_span_in_context

__all__ = ["RecordIds", "span_context"]


class RecordIds(IdGenerator):
    """Hands the SDK, instead of new ids, those of the span that is about to be started."""

    def __init__(self) -> None:
        self._trace_id = self._span_id = 0

    def prepare(self, trace_id: str, span_id: str) -> None:
        """The ids of the next span, in hexadecimal digits."""
        self._trace_id, self._span_id = int(trace_id, 16), int(span_id, 16)

    def generate_trace_id(self) -> int:
        """The trace id of a span without a parent; one with a parent has its parent's."""
        return self._trace_id

    def generate_span_id(self) -> int:
        """The span id."""
        return self._span_id


def span_context(trace_id: str, span_id: str | None, flags: int, tracestate: str | None) -> Context:
    """An OpenTelemetry context in which a span stands that somebody else keeps; an empty one for no span."""
    if span_id is None:
        return Context()
    state = TraceState.from_header([tracestate]) if tracestate else None
    place = SpanContext(int(trace_id, 16), int(span_id, 16), False, TraceFlags(flags), state)
    return set_span_in_context(NonRecordingSpan(place), Context())
