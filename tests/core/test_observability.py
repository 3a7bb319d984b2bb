"""Records, content, handlers and the application's own telemetry."""

import re
import threading
from collections.abc import Sequence
from typing import Annotated, Any

import attrs
import pytest

from llmgine_core import (
    ChatMessage,
    CommandResultEvent,
    CommandStartedEvent,
    ContentPolicy,
    ErrorInfo,
    Event,
    EventRecord,
    FilePart,
    HandlerStats,
    ImagePart,
    LLMRequest,
    LLMRequestEvent,
    LogEvent,
    MetricEvent,
    ObservabilityClient,
    ObservabilityEventHandler,
    ReasoningPart,
    RefusalPart,
    SpanEndEvent,
    SpanStartEvent,
    TextPart,
    ToolCall,
    ToolExecuteResultEvent,
    ToolResult,
    UnknownPart,
    content,
    current_message,
)
from llmgine_core.contracts import lifecycle_header
from llmgine_core.observability import trace_ids
from llmgine_core.testing import RecordingEventHandler
from tests.core.messages import Ask, Noted, Said

# ── records ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_start_and_result_of_one_command_share_trace_span_and_parent() -> None:
    command = Ask(causation_id="ab" * 16)
    header = lifecycle_header(command)
    started = CommandStartedEvent(command.id, "Ask", "h").with_header(header)
    ended = CommandResultEvent(command.id, "Ask").with_header(header)
    assert trace_ids(started) == trace_ids(ended)
    ids = trace_ids(started)
    assert ids.trace_id == command.correlation_id
    assert ids.span_id == command.id[-16:]
    assert ids.parent_span_id == "ab" * 8


@pytest.mark.parametrize("given", ["chat-42", "", "ü" * 40, "0" * 32, "ABCDEF" * 6, "f" * 31])
def test_ids_are_w3c_whatever_ids_the_messages_bear(given: str) -> None:
    ids = trace_ids(Said(id=given or "x", correlation_id=given or "x", causation_id=given or None))
    assert re.fullmatch("[0-9a-f]{32}", ids.trace_id)
    assert re.fullmatch("[0-9a-f]{16}", ids.span_id)
    assert int(ids.trace_id, 16) != 0
    assert ids.parent_span_id is None or re.fullmatch("[0-9a-f]{16}", ids.parent_span_id)


TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


@pytest.mark.parametrize(
    ("traceparent", "is_good"),
    [
        (f"00-{TRACE}-00f067aa0ba902b7-01", True),
        (f"01-{TRACE}-00f067aa0ba902b7-00-later", True),
        (f"ff-{TRACE}-00f067aa0ba902b7-01", False),
        (f"00-{'0' * 32}-00f067aa0ba902b7-01", False),
        (f"00-{TRACE}-{'0' * 16}-01", False),
        (f"00-{TRACE.upper()}-00f067aa0ba902b7-01", False),
        (f"00-{TRACE}-00f067aa0ba902b7-+1", False),
        (f"00-{TRACE}-00f067aa0ba902b7-01x", False),
        ("nonsense", False),
        ("", False),
    ],
)
def test_an_outer_trace_is_continued_and_a_malformed_one_ignored(traceparent: str, is_good: bool) -> None:
    ids = trace_ids(Said(traceparent=traceparent))
    if is_good:
        assert (ids.trace_id, ids.parent_span_id) == (TRACE, "00f067aa0ba902b7")
        assert ids.trace_flags == int(traceparent.split("-")[3], 16)
    else:
        assert (ids.trace_id != TRACE, ids.parent_span_id) == (True, None)


def test_a_record_states_the_events_header_and_fields_as_one_document() -> None:
    event = Said("x", session_id="s", metadata={"a": 1}, tracestate="t=1")
    record = EventRecord.of(event, {"text": "x"})
    document = record.to_document()
    assert (document["type"], document["session_id"], document["data"]) == (Said.type_name, "s", {"text": "x"})
    assert document["metadata"] == {"a": 1}
    assert document["timestamp"].endswith("+00:00")
    assert record.tracestate == "t=1"
    assert "metadata" not in EventRecord.of(Said(), {}).to_document()


# ── content ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@attrs.frozen
class Secretive(Event):
    plain: str = "plain"
    hidden: str = content(default="hush-hush")
    annotated: Annotated[str, content()] = "hush-hush"
    nested: tuple[ChatMessage, ...] = ()
    anything: Any = None
    table: dict[str, Any] = attrs.field(factory=dict[str, Any])


SECRET = "hush-hush"
DEEP = Secretive(
    nested=(
        ChatMessage.user(SECRET),
        ChatMessage.tool(ToolResult("1", "t", SECRET, parts=[TextPart(SECRET)])),
        ChatMessage(
            "assistant",
            [
                TextPart("", annotations=[{"cited": SECRET}], extra={"x": SECRET}),
                ImagePart(SECRET, SECRET),
                FilePart(url=SECRET, data=SECRET, name=SECRET),
                ReasoningPart(SECRET, summary=[SECRET]),
                RefusalPart(SECRET),
                UnknownPart("smell", {"of": SECRET}),
            ],
            extra={"x": SECRET},
        ),
    ),
    anything=[{"deep": ChatMessage.assistant(SECRET, tool_calls=(ToolCall("1", "t", SECRET),))}],
    table={"x": [TextPart(SECRET)]},
)


def test_content_is_omitted_at_any_depth_and_its_size_told() -> None:
    fields = ContentPolicy().project(DEEP)
    assert SECRET not in str(fields)
    assert fields["plain"] == "plain"
    assert fields["hidden"] == {"omitted": "content", "bytes": 9}
    assert fields["nested"][0]["parts"][0]["text"] == {"omitted": "content", "bytes": 9}


def test_content_is_written_in_full_where_it_is_switched_on() -> None:
    fields = ContentPolicy(content=True).project(DEEP)
    assert fields["hidden"] == SECRET
    assert fields["anything"][0]["deep"]["parts"][1]["call"]["arguments"] == SECRET


@pytest.mark.parametrize(
    "event",
    [
        LLMRequestEvent("1", "l", "p", "m", False, LLMRequest(messages=[ChatMessage.user(SECRET)])),
        CommandResultEvent("1", "t", result={"x": SECRET}, error=ErrorInfo("E", SECRET, SECRET)),
        ToolExecuteResultEvent("1", ToolCall("1", "t", SECRET), ToolResult("1", "t", SECRET)),
        Noted(SECRET),
    ],
)
def test_the_cores_own_events_keep_content_to_themselves(event: Event) -> None:
    assert SECRET not in str(ContentPolicy().project(event))
    assert SECRET in str(ContentPolicy(content=True).project(event))


def test_empty_content_is_written_as_it_is_and_what_json_cannot_say_as_its_repr() -> None:
    class Odd:
        def __repr__(self) -> str:
            return "<odd>"

    fields = ContentPolicy().project(Secretive(hidden="", anything=Odd()))
    assert (fields["hidden"], fields["anything"]) == ("", "<odd>")
    said = ContentPolicy().project(Secretive(nested=(ChatMessage("assistant", [TextPart("", extra={"x": 1})]),)))
    [part] = said["nested"][0]["parts"]
    assert (part["text"], list(part["annotations"]), part["extra"]["omitted"]) == ("", [], "content")
    assert ContentPolicy(content=True).project(Said("\ud800"))["text"] == "\ud800"
    assert ContentPolicy().project(Noted("\ud800"))["text"]["bytes"] == 3


# ── handlers ─────────────────────────────────────────────────────────────────────────────────────────────────────────


class Gated(ObservabilityEventHandler):
    """Exports when it is let."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.entered, self.release = threading.Event(), threading.Event()
        self.records: list[EventRecord] = []

    def export(self, batch: Sequence[EventRecord]) -> None:
        self.entered.set()
        assert self.release.wait(10)
        self.records += batch


def adds_up(stats: HandlerStats) -> bool:
    return stats.accepted == stats.exported + stats.failed + stats.dropped + stats.pending


def test_what_is_accepted_is_exported_in_order_by_the_time_it_closes() -> None:
    handler = RecordingEventHandler()
    handler.start()
    for number in range(2000):
        handler.accept(Said(number=number))
    assert handler.flush()
    assert handler.close()
    assert handler.close()
    assert [r.fields["number"] for r in handler.records] == list(range(2000))
    assert handler.stats() == HandlerStats(accepted=2000, exported=2000)


def test_what_has_no_room_or_comes_too_early_or_late_is_dropped_and_counted() -> None:
    handler = Gated(capacity=2)
    handler.accept(Said())
    handler.start()
    handler.accept(Said())
    assert handler.entered.wait(5)
    for _ in range(5):
        handler.accept(Said())
        assert adds_up(handler.stats())
    assert handler.stats() == HandlerStats(accepted=7, dropped=4, pending=3)
    handler.release.set()
    assert handler.close()
    handler.accept(Said())
    assert handler.stats() == HandlerStats(accepted=8, exported=3, dropped=5)


@pytest.mark.parametrize("error", [ValueError("bad"), SystemExit(3)])
def test_an_export_that_fails_counts_its_batch_and_the_next_goes_on(
    error: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    class Failing(RecordingEventHandler):
        def export(self, batch: Sequence[EventRecord]) -> None:
            if batch[0].fields["number"] == 0:
                raise error
            super().export(batch)

    handler = Failing()
    handler.start()
    handler.accept(Said(number=0))
    assert handler.flush()
    handler.accept(Said(number=1))
    assert handler.close()
    assert handler.stats() == HandlerStats(accepted=2, exported=1, failed=1)
    assert "could not be exported" in caplog.text


def test_closing_keeps_its_deadline_against_an_export_that_hangs() -> None:
    handler = Gated()
    handler.start()
    handler.accept(Said())
    assert handler.entered.wait(5)
    handler.accept(Said())
    assert not handler.flush(timeout=0)
    assert not handler.close(timeout=0)
    assert handler.stats() == HandlerStats(accepted=2, dropped=2)
    thread = next(t for t in threading.enumerate() if t.name == "llmgine-Gated")
    handler.release.set()
    thread.join(5)
    assert handler.stats() == HandlerStats(accepted=2, dropped=2)


def test_two_may_close_a_handler_at_once() -> None:
    handler = Gated()
    handler.start()
    handler.accept(Said())
    assert handler.entered.wait(5)
    results: list[bool] = []
    threads = [threading.Thread(target=lambda: results.append(handler.close())) for _ in range(3)]
    for thread in threads:
        thread.start()
    handler.release.set()
    for thread in threads:
        thread.join(5)
    assert results == [True, True, True]
    assert handler.stats() == HandlerStats(accepted=1, exported=1)


def test_many_threads_may_show_events_at_once_and_the_books_add_up() -> None:
    handler = RecordingEventHandler()
    handler.start()

    def show() -> None:
        for _ in range(200):
            handler.accept(Said())

    threads = [threading.Thread(target=show) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        assert adds_up(handler.stats())
        thread.join(10)
    assert handler.close()
    assert handler.stats().exported == 1600
    assert len({r.id for r in handler.records}) == 1600


def test_redactors_run_in_order_and_one_that_fails_loses_the_record_and_counts_it() -> None:
    class Redactor:
        def __init__(self, mark: str) -> None:
            self.mark = mark

        def redact(self, record: EventRecord) -> EventRecord:
            if record.fields["number"] == 1:
                raise ValueError("cannot redact")
            return attrs.evolve(record, fields={**record.fields, "text": record.fields["text"] + self.mark})

    handler = RecordingEventHandler()
    handler.start(ContentPolicy(content=True), [Redactor("a"), Redactor("b")])
    handler.accept(Said("x"))
    handler.accept(Said("x", 1))
    assert handler.close()
    assert [r.fields["text"] for r in handler.records] == ["xab"]
    assert handler.stats() == HandlerStats(accepted=2, exported=1, failed=1)


def test_a_handler_that_cannot_open_raises_at_its_start_and_one_that_cannot_close_only_warns(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Torn(RecordingEventHandler):
        torn = True

        def open_exporter(self) -> None:
            if self.torn:
                raise OSError("no disk")

        def close_exporter(self) -> None:
            raise OSError("still no disk")

    handler = Torn(name="torn")
    with pytest.raises(OSError, match="no disk"):
        handler.start()
    handler.torn = False
    handler.start()
    assert handler.close()
    assert "closing failed" in caplog.text


def test_an_interval_collects_a_batch_and_closing_does_not_wait_for_it() -> None:
    batches: list[int] = []

    class Batches(RecordingEventHandler):
        def __init__(self) -> None:
            ObservabilityEventHandler.__init__(self, batch_size=3, interval=1000)

        def export(self, batch: Sequence[EventRecord]) -> None:
            batches.append(len(batch))

    handler = Batches()
    assert handler.name == "Batches"
    handler.start()
    for _ in range(4):
        handler.accept(Said())
    assert handler.close()
    assert sum(batches) == 4
    assert max(batches) <= 3


def test_a_flush_does_not_wait_for_the_interval() -> None:
    class Slow(RecordingEventHandler):
        def __init__(self) -> None:
            ObservabilityEventHandler.__init__(self, interval=1000)
            self.records = []

    handler = Slow()
    handler.start()
    handler.accept(Said())
    assert handler.flush(timeout=30)
    assert len(handler.records) == 1
    assert handler.close()


# ── the client ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_client_publishes_logs_and_metrics() -> None:
    told: list[Event] = []
    client = ObservabilityClient(told.append)
    client.log("warning", "careful", user="u")
    client.counter("tokens", 3, "{token}", model="m")
    client.histogram("latency", 0.5, "s")
    assert told == [
        LogEvent("warning", "careful", {"user": "u"}),
        MetricEvent("tokens", "counter", 3, "{token}", {"model": "m"}),
        MetricEvent("latency", "histogram", 0.5, "s", {}),
    ]


@pytest.mark.parametrize(
    ("error", "outcome"), [(None, "ok"), (ValueError("bad"), "error"), (KeyboardInterrupt(), "cancelled")]
)
def test_a_span_has_one_start_and_one_end_that_agree_however_its_block_ends(
    error: BaseException | None, outcome: str
) -> None:
    told: list[Any] = []
    client = ObservabilityClient(told.append)
    raised: BaseException | None = None
    try:
        with client.span("work", size=1):
            assert current_message() is told[0]
            if error is not None:
                raise error
    except BaseException as caught:
        raised = caught
    assert raised is error
    start, end = told
    assert isinstance(start, SpanStartEvent)
    assert isinstance(end, SpanEndEvent)
    assert (end.start_id, end.outcome, end.name) == (start.id, outcome, "work")
    assert trace_ids(start) == trace_ids(end)
    assert (end.error is not None) == (outcome == "error")
