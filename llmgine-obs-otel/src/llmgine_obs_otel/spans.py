"""`SpanBook`: pairs of start and end records become spans."""

from __future__ import annotations

import logging
import time

import attrs
from opentelemetry.context import Context
from opentelemetry.trace import Span, Tracer

from llmgine_core.events import (
    BootstrapReadyEvent,
    BootstrapStartEvent,
    BootstrapStopEvent,
    CommandResultEvent,
    CommandStartedEvent,
    LLMRequestEvent,
    LLMResponseEvent,
    PluginFailedEvent,
    PluginLoadedEvent,
    SpanEndEvent,
    SpanStartEvent,
    ToolExecuteResultEvent,
    ToolExecuteStartEvent,
)
from llmgine_core.observability import EventRecord
from llmgine_obs_otel import semconv
from llmgine_obs_otel.ids import RecordIds, span_context
from llmgine_obs_otel.lineage import Bounded, Lineage
from llmgine_obs_otel.outcome import set_outcome
from llmgine_obs_otel.shapes import APPROVALS, Shape, end_attributes, shape_of
from llmgine_obs_otel.values import as_mapping, nanoseconds, seconds_to_ns, without_nones

__all__ = ["SpanBook"]

_logger = logging.getLogger("llmgine.observability")


@attrs.frozen
class _OpenSpan:
    span: Span
    started: int


class SpanBook:
    """Keeps the spans that have begun, and ends them when their end is recorded.

    Args:
        tracer: starts the spans.
        ids: the tracer's id generator.
        application: the application's name.
        max_open: most spans kept; the oldest is given up for a new one, and made from its end if that comes.
    """

    def __init__(self, tracer: Tracer, ids: RecordIds, *, application: str, max_open: int = 8_192) -> None:
        self._tracer, self._ids, self._application = tracer, ids, application
        self._max_open = max_open
        self._open: dict[str, _OpenSpan] = {}
        self._lineage = Lineage()
        self._unsampled = Bounded(max_open)
        self._bootstraps: dict[str, str] = {}
        self._takers = {
            CommandStartedEvent.type_name: self._begin,
            LLMRequestEvent.type_name: self._begin,
            ToolExecuteStartEvent.type_name: self._begin,
            SpanStartEvent.type_name: self._begin,
            CommandResultEvent.type_name: self._end,
            LLMResponseEvent.type_name: self._end,
            ToolExecuteResultEvent.type_name: self._end,
            SpanEndEvent.type_name: self._end,
            PluginLoadedEvent.type_name: self._end,  # it tells of all of its span
            PluginFailedEvent.type_name: self._end,
            BootstrapStartEvent.type_name: self._begin_bootstrap,
            BootstrapReadyEvent.type_name: self._end_bootstrap,
            BootstrapStopEvent.type_name: self._end_bootstrap,
        }

    def __len__(self) -> int:
        return len(self._open)

    def take(self, record: EventRecord) -> None:
        """Begin or end the record's span, or remember that it has none.

        Raises:
            ValueError: the record's ids are no W3C ids.
        """
        self._takers.get(record.type, self._pass_by)(record)

    def context(self, record: EventRecord) -> Context:
        """The OpenTelemetry context of what the record tells: its span, else the nearest above it."""
        return self._place(record, record.span_id)

    def close(self) -> None:
        """End what never ended, and say so on it."""
        for open_span in self._open.values():
            open_span.span.set_attribute(semconv.OUTCOME, semconv.OUTCOME_UNFINISHED)
            open_span.span.end(max(time.time_ns(), open_span.started))
        self._open.clear()

    # beginnings and ends

    def _begin(self, record: EventRecord) -> None:
        shape = shape_of(record, self._application)
        if shape is None:
            self._pass_by_command(record)
        elif record.span_id not in self._open:
            started = nanoseconds(record)
            self._open[record.span_id] = _OpenSpan(self._start(record, shape, started), started)
            self._keep_bounds()

    def _end(self, record: EventRecord) -> None:
        duration = seconds_to_ns(record.fields.get("duration"))
        open_span = self._open.pop(record.span_id, None)
        if open_span is None:
            shape = shape_of(record, self._application)
            if shape is None:
                self._note_approval(record)
                return
            started = nanoseconds(record) - duration
            open_span = _OpenSpan(self._start(record, shape, started), started)
        self._finish(open_span, record, open_span.started + duration)

    def _finish(self, open_span: _OpenSpan, record: EventRecord, ended: int) -> None:
        open_span.span.set_attributes(end_attributes(record))
        set_outcome(open_span.span, record.fields)
        open_span.span.end(max(ended, open_span.started))

    def _begin_bootstrap(self, record: EventRecord) -> None:
        self._begin(record)
        self._bootstraps[str(record.fields.get("application"))] = record.span_id

    def _end_bootstrap(self, record: EventRecord) -> None:
        """End the bootstrap's span when the application is ready, or stops without ever having been."""
        span_id = self._bootstraps.pop(str(record.fields.get("application")), "")
        if open_span := self._open.pop(span_id, None):
            self._finish(open_span, record, nanoseconds(record))
        self._pass_by(record)

    # what has no span

    def _pass_by(self, record: EventRecord) -> None:
        # A record that tells of another message's span bears the id of that one, which is open. Where a message's id is
        # no W3C id, its span id is a digest instead of the id's end, but not one of an open span.
        if record.id.endswith(record.span_id) or record.span_id not in self._open:
            self._lineage.skip(record)

    def _pass_by_command(self, record: EventRecord) -> None:
        if record.fields.get("command_type") in APPROVALS:
            self._lineage.skip(record)

    def _note_approval(self, record: EventRecord) -> None:
        parent = self._open.get(self._lineage.nearest(record.parent_span_id) or "")
        if parent is None or record.fields.get("command_type") not in APPROVALS:
            return
        answer = as_mapping(record.fields.get("result"))
        attributes = {
            semconv.OUTCOME: record.fields.get("outcome"),
            semconv.APPROVAL_APPROVED: answer.get("approved"),
        }
        parent.span.add_event(semconv.APPROVAL, without_nones(attributes), nanoseconds(record))

    # places

    def _start(self, record: EventRecord, shape: Shape, started: int) -> Span:
        self._ids.prepare(record.trace_id, record.span_id)
        context = self._place(record, record.parent_span_id)
        span = self._tracer.start_span(shape.name, context, shape.kind, shape.attributes, start_time=started)
        if not span.get_span_context().trace_flags.sampled:
            # Records do not know what the sampler said; the rest of the trace must follow its root.
            self._unsampled[record.trace_id] = None
        return span

    def _place(self, record: EventRecord, span_id: str | None) -> Context:
        flags = 0 if record.trace_id in self._unsampled else record.trace_flags
        return span_context(record.trace_id, self._lineage.nearest(span_id), flags, record.tracestate)

    def _keep_bounds(self) -> None:
        if len(self._open) > self._max_open:
            del self._open[next(iter(self._open))]
            _logger.debug("more than %d spans are open; the oldest was given up", self._max_open)
