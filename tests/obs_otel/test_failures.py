"""Collectors that are gone, silent or unwilling, and senseless records: nothing hangs, everything is counted."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence

import attrs
import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from llmgine_core import Event, RunTurn
from llmgine_core.observability import EventRecord
from llmgine_obs_otel import OpenTelemetryEventHandler
from llmgine_obs_otel.providers import ExportError
from tests.obs_otel.collector import black_hole, collector, refusing
from tests.obs_otel.story import Story, command_events, run


def assert_balanced(handler: OpenTelemetryEventHandler, accepted: int) -> None:
    books = handler.stats()
    assert books.accepted == accepted
    assert books.accepted == books.exported + books.failed + books.dropped + books.pending
    assert books.pending == 0


def close_in_time(handler: OpenTelemetryEventHandler, deadline: float) -> None:
    began = time.monotonic()
    handler.close(deadline)
    assert time.monotonic() - began < deadline + 0.5


def test_a_dead_collector_does_not_hold_up_the_end() -> None:
    events = Story.told().events
    with refusing() as endpoint:
        handler = OpenTelemetryEventHandler(endpoint, interval=0)
        handler.start()
        for event in events:
            handler.accept(event)
        close_in_time(handler, 1.0)
    assert_balanced(handler, len(events))
    assert handler.stats().failed + handler.stats().dropped > 0


def test_a_collector_that_never_answers_does_not_hold_up_the_end() -> None:
    with black_hole() as endpoint:
        handler = OpenTelemetryEventHandler(endpoint, timeout=2.0, interval=0)
        handler.start()
        events = Story.told().events
        for event in events:
            handler.accept(event)
        close_in_time(handler, 0.5)
        assert_balanced(handler, len(events))


def test_a_thread_that_was_left_behind_gives_up_instead_of_trying_on() -> None:
    with refusing() as endpoint:
        handler = OpenTelemetryEventHandler(endpoint, timeout=60.0, signals=["traces"], interval=0, name="left-behind")
        handler.start()
        (thread,) = [thread for thread in threading.enumerate() if thread.name == "llmgine-left-behind"]
        handler.accept(command_events(RunTurn("hi"))[1])
        assert not handler.close(0.2)
        thread.join(5.0)
    assert not thread.is_alive()


def test_what_a_collector_refuses_is_counted_as_failed(caplog: pytest.LogCaptureFixture) -> None:
    with collector() as running:
        running.status = 400
        handler = OpenTelemetryEventHandler(running.endpoint, signals=["traces"], interval=0)
        handler.start()
        handler.accept(command_events(RunTurn("hi"))[1])
        assert handler.flush()
        assert handler.stats().failed == 1
        assert handler.close()
    assert "the collector did not take 1 spans" in caplog.text


def test_the_error_of_a_failed_export_says_what_was_lost() -> None:
    said = str(ExportError({"spans": 3, "logs": 2}))
    assert said == "the collector did not take 3 spans and 2 logs; is its address right, and is it running?"


def test_a_collector_that_comes_back_gets_what_follows() -> None:
    with collector() as running:
        running.status = 400
        handler = OpenTelemetryEventHandler(running.endpoint, signals=["traces"], interval=0)
        handler.start()
        handler.accept(command_events(RunTurn("hi"))[1])
        assert handler.flush()
        running.status = 200
        handler.accept(command_events(RunTurn("hi"))[1])
        assert handler.close()
        books = handler.stats()
        assert (books.failed, books.exported) == (1, 1)


def test_a_record_that_cannot_be_understood_does_not_cost_the_others() -> None:
    exporter = InMemorySpanExporter()
    handler = OpenTelemetryEventHandler(span_exporter=exporter, interval=0.05)
    strange, good = RunTurn("hi"), RunTurn("hi")

    class Breaking:
        def redact(self, record: EventRecord) -> EventRecord:
            return attrs.evolve(record, trace_id="no id") if record.trace_id == strange.id else record

    events: list[Event] = [*command_events(strange), *command_events(good)]
    handler.start(None, [Breaking()])
    for event in events:
        handler.accept(event)
    assert handler.close()
    assert [span.name for span in exporter.get_finished_spans()] == ["invoke_agent app"]
    assert_balanced(handler, 4)
    assert handler.stats().failed > 0


def test_a_redactor_may_put_anything_in_the_place_of_a_field() -> None:
    class Blunt:
        def redact(self, record: EventRecord) -> EventRecord:
            return attrs.evolve(record, fields=dict.fromkeys(record.fields, "[redacted]"))

    with collector() as running:
        handler = OpenTelemetryEventHandler(running.endpoint, interval=0)
        handler.start(None, [Blunt()])
        events = Story.told().events
        for event in events:
            handler.accept(event)
        assert handler.close()
        assert handler.stats().exported == len(events)
        assert running.spans()


def test_spans_that_are_open_are_bounded() -> None:
    from opentelemetry.sdk.trace import TracerProvider

    from llmgine_obs_otel.ids import RecordIds
    from llmgine_obs_otel.spans import SpanBook
    from tests.obs_otel.story import Collecting

    ids, records = RecordIds(), Collecting()
    book = SpanBook(TracerProvider(id_generator=ids).get_tracer("t"), ids, application="app", max_open=3)
    run(records, *(command_events(RunTurn("hi"))[0] for _ in range(10)))
    for record in records.records:
        book.take(record)
    assert len(book) == 3


def test_exporting_before_the_start_is_a_clear_error() -> None:
    with pytest.raises(RuntimeError, match="call start"):
        OpenTelemetryEventHandler().export([])


def test_exporting_is_not_itself_instrumented() -> None:
    from opentelemetry.context import (
        _SUPPRESS_INSTRUMENTATION_KEY,  # pyright: ignore[reportPrivateUsage]
        get_value,
    )

    seen: list[object] = []

    class Looking(InMemorySpanExporter):
        def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
            seen.append(get_value(_SUPPRESS_INSTRUMENTATION_KEY))
            return super().export(spans)

    run(OpenTelemetryEventHandler(span_exporter=Looking(), interval=0), *command_events(RunTurn("hi")))
    assert seen
    assert all(seen)
    assert get_value(_SUPPRESS_INSTRUMENTATION_KEY) is None


def test_nothing_global_is_set() -> None:
    from opentelemetry import metrics, trace
    from opentelemetry._logs import get_logger_provider

    before = trace.get_tracer_provider(), metrics.get_meter_provider(), get_logger_provider()
    with collector() as running:
        run(OpenTelemetryEventHandler(running.endpoint, interval=0), *Story.told().events)
    assert (trace.get_tracer_provider(), metrics.get_meter_provider(), get_logger_provider()) == before
