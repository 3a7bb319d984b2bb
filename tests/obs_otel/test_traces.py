"""Pairs of records become spans: at a collector that decodes them, and in memory."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import attrs
import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span as ProtoSpan
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from llmgine_core import (
    Approval,
    ApproveToolCall,
    BootstrapReadyEvent,
    BootstrapStartEvent,
    BootstrapStopEvent,
    Command,
    ErrorInfo,
    Event,
    LLMRequestEvent,
    LLMResponseEvent,
    LLMStreamChunkEvent,
    LLMTextDelta,
    LogEvent,
    Outcome,
    PluginFailedEvent,
    PluginLoadedEvent,
    RunTurn,
    SpanEndEvent,
    SpanStartEvent,
    StreamTurn,
    ToolCall,
    ToolExecuteResultEvent,
    ToolOutcome,
    ToolResult,
)
from llmgine_core.observability import trace_ids
from llmgine_obs_otel import OpenTelemetryEventHandler, semconv
from llmgine_obs_otel.lineage import Lineage
from tests.obs_otel.collector import Collector, attributes, collector
from tests.obs_otel.story import SECRET, SESSION, Collecting, Story, about, below, command_events, run


@pytest.fixture(scope="module")
def story() -> Story:
    return Story.told()


@pytest.fixture(scope="module")
def arrived(story: Story) -> Iterator[Collector]:
    with collector() as running:
        handler = OpenTelemetryEventHandler(running.endpoint, application="clock", headers={"X-Key": "abc"}, interval=0)
        run(handler, *story.events, content=True)
        yield running


@attrs.frozen
class LookUp(Command[str]):
    """A command of the user's own."""


def spans_of(*events: Event, content: bool = False) -> dict[str, ReadableSpan]:
    """The spans that the events make, by name, each once."""
    exporter = InMemorySpanExporter()
    run(OpenTelemetryEventHandler(span_exporter=exporter, interval=0), *events, content=content)
    spans = exporter.get_finished_spans()
    assert len({span.name for span in spans}) == len(spans)
    return {span.name: span for span in spans}


def said(span: ReadableSpan) -> dict[str, object]:
    return dict(span.attributes or {})


def id_of(span: ReadableSpan) -> str:
    assert span.context
    return f"{span.context.span_id:016x}"


def parent_of(span: ReadableSpan) -> str | None:
    return f"{span.parent.span_id:016x}" if span.parent else None


# ── a whole turn at a collector ──────────────────────────────────────────────────────────────────


def test_a_turn_is_one_span_for_the_agent_the_model_call_the_tool_call_and_the_users_own(arrived: Collector) -> None:
    names = sorted(span.name for span in arrived.spans())
    assert names == ["chat gpt-5-mini", "execute_tool get_time", "invoke_agent clock", "look up"]


def test_only_the_model_call_is_a_client_span(arrived: Collector) -> None:
    clients = [span.name for span in arrived.spans() if span.kind == ProtoSpan.SPAN_KIND_CLIENT]
    assert clients == ["chat gpt-5-mini"]
    assert {span.kind for span in arrived.spans()} == {ProtoSpan.SPAN_KIND_CLIENT, ProtoSpan.SPAN_KIND_INTERNAL}


def test_spans_have_the_ids_of_their_events_and_hang_below_the_turn(arrived: Collector, story: Story) -> None:
    turn = arrived.span("invoke_agent clock")
    assert turn.trace_id.hex() == story.turn.id
    assert turn.span_id.hex() == story.turn.id[16:]
    assert turn.parent_span_id == b""
    children = {
        "chat gpt-5-mini": story.generate.id,
        "execute_tool get_time": story.tool_start.id,
        "look up": story.span_start.id,
    }
    for name, message_id in children.items():
        span = arrived.span(name)
        assert (span.trace_id.hex(), span.span_id.hex()) == (story.turn.id, message_id[16:])
        assert span.parent_span_id == turn.span_id


def test_spans_last_as_long_as_the_events_say(arrived: Collector, story: Story) -> None:
    lengths = {span.name: span.end_time_unix_nano - span.start_time_unix_nano for span in arrived.spans()}
    assert lengths == {
        "invoke_agent clock": 2_000_000_000,
        "chat gpt-5-mini": 1_500_000_000,
        "execute_tool get_time": 500_000_000,
        "look up": 125_000_000,
    }
    started = story.tool_start.timestamp.timestamp()
    assert arrived.span("execute_tool get_time").start_time_unix_nano == pytest.approx(started * 1e9, abs=1_000)


def test_the_model_call_says_what_was_asked_and_answered_in_the_words_of_the_conventions(arrived: Collector) -> None:
    found = attributes(arrived.span("chat gpt-5-mini").attributes)
    messages = json.loads(found.pop("gen_ai.input.messages"))
    answer = json.loads(found.pop("gen_ai.output.messages"))
    definitions = json.loads(found.pop("gen_ai.tool.definitions"))
    assert found == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-5-mini",
        "gen_ai.request.temperature": 0.5,
        "gen_ai.request.max_tokens": 100,
        "gen_ai.request.seed": 7,
        "gen_ai.request.stop_sequences": ["END"],
        "gen_ai.response.id": "resp-1",
        "gen_ai.response.model": "gpt-5-mini-2026",
        "gen_ai.response.finish_reasons": ["tool_calls"],
        "gen_ai.response.time_to_first_chunk": 0.2,
        "llmgine.stream.chunk_count": 4,
        "gen_ai.usage.input_tokens": 120,
        "gen_ai.usage.output_tokens": 30,
        "gen_ai.usage.cache_read.input_tokens": 100,
        "gen_ai.usage.cache_creation.input_tokens": 5,
        "gen_ai.usage.reasoning.output_tokens": 10,
        "gen_ai.conversation.id": SESSION,
        "session.id": SESSION,
        "llmgine.llm.name": "default",
    }
    assert messages[1] == {"role": "user", "parts": [{"type": "text", "content": f"ask {SECRET}"}]}
    assert answer == [
        {
            "role": "assistant",
            "parts": [
                {"type": "text", "content": f"answer {SECRET}"},
                {"type": "tool_call", "id": "call-1", "name": "get_time", "arguments": {"city": SECRET}},
            ],
            "finish_reason": "tool_call",
        }
    ]
    assert definitions[0]["name"] == "get_time"


def test_tokens_stand_on_the_model_call_alone(arrived: Collector) -> None:
    counting = [
        span.name for span in arrived.spans() if any(a.key.startswith("gen_ai.usage.") for a in span.attributes)
    ]
    assert counting == ["chat gpt-5-mini"]


def test_a_failed_tool_call_says_so_with_its_arguments_and_result(arrived: Collector) -> None:
    span = arrived.span("execute_tool get_time")
    found = attributes(span.attributes)
    assert found["gen_ai.tool.name"] == "get_time"
    assert found["gen_ai.tool.call.id"] == "call-1"
    assert found["gen_ai.tool.description"] == "The time."
    assert found["gen_ai.tool.call.arguments"] == f'{{"city":"{SECRET}"}}'
    assert found["gen_ai.tool.call.result"] == f"tool says {SECRET}"
    assert found["error.type"] == "ValueError"
    assert span.status.code == span.status.STATUS_CODE_ERROR
    assert span.status.message == f"no such city: {SECRET}"


def test_what_went_well_has_no_status(arrived: Collector) -> None:
    span = arrived.span("chat gpt-5-mini")
    assert span.status.code == span.status.STATUS_CODE_UNSET
    assert "error.type" not in attributes(span.attributes)


def test_a_users_own_span_has_its_attributes(arrived: Collector) -> None:
    found = attributes(arrived.span("look up").attributes)
    assert found == {"attempt": 1, "tags": '["a","b"]', "session.id": SESSION, "gen_ai.conversation.id": SESSION}


def test_requests_bear_the_configured_headers_and_the_applications_name(arrived: Collector) -> None:
    assert {headers.get("x-key") for _, headers, _ in arrived.requests} == {"abc"}
    assert {attributes(resource.attributes)["service.name"] for resource in arrived.resources()} == {"clock"}


# ── how things end ───────────────────────────────────────────────────────────────────────────────


def test_a_cancelled_command_keeps_no_status_and_says_that_it_was_cancelled() -> None:
    (span,) = spans_of(*command_events(RunTurn("hi"), outcome=Outcome.CANCELLED)).values()
    assert span.status.status_code is StatusCode.UNSET
    assert said(span)[semconv.OUTCOME] == "cancelled"


def test_a_timeout_is_an_error_of_type_timeout() -> None:
    error = ErrorInfo("TimeoutError", "too late")
    (span,) = spans_of(*command_events(RunTurn("hi"), outcome=Outcome.TIMEOUT, error=error)).values()
    assert span.status.status_code is StatusCode.ERROR
    assert said(span)["error.type"] == "timeout"


@pytest.mark.parametrize(
    ("outcome", "kind"),
    [(ToolOutcome.NOT_FOUND, "tool_not_found"), (ToolOutcome.INVALID_ARGUMENTS, "invalid_arguments")],
)
def test_a_tool_call_that_raised_nothing_fails_with_a_code(story: Story, outcome: ToolOutcome, kind: str) -> None:
    start = story.tool_start
    result = ToolResult("call-1", "get_time", "no", outcome)
    ended = about(ToolExecuteResultEvent(start.id, start.call, result, Outcome.ERROR, 0.1), start)
    (span,) = spans_of(start, ended).values()
    assert said(span)["error.type"] == kind


def test_without_content_an_error_keeps_its_type_and_loses_its_words() -> None:
    error = ErrorInfo("ValueError", SECRET, SECRET)
    (span,) = spans_of(*command_events(RunTurn("hi"), outcome=Outcome.ERROR, error=error)).values()
    assert said(span)["error.type"] == "ValueError"
    assert span.status.description is None


def test_a_span_that_never_ends_is_ended_at_close_and_says_so() -> None:
    started, _ = command_events(RunTurn("hi"))
    (span,) = spans_of(started).values()
    assert said(span)[semconv.OUTCOME] == semconv.OUTCOME_UNFINISHED
    assert span.end_time is not None
    assert span.start_time is not None
    assert span.end_time >= span.start_time


def test_a_span_whose_beginning_was_lost_is_made_from_its_end() -> None:
    _, ended = command_events(RunTurn("hi", session_id=SESSION), 0.25)
    (span,) = spans_of(ended).values()
    assert span.name == "invoke_agent app"
    assert said(span)["session.id"] == SESSION
    assert span.end_time is not None
    assert span.start_time is not None
    assert span.end_time - span.start_time == 250_000_000


def test_a_command_of_the_users_own_is_named_by_its_class() -> None:
    (span,) = spans_of(*command_events(StreamTurn("hi"))).values()
    assert span.name == "invoke_agent app"
    command = LookUp()
    (span,) = spans_of(*command_events(command)).values()
    assert span.name == "execute LookUp"
    assert span.kind is SpanKind.INTERNAL
    assert said(span)["llmgine.command.type"] == LookUp.type_name
    assert said(span)["llmgine.command.id"] == command.id
    assert said(span)["llmgine.handler.name"] == "tests.handle"


# ── where things stand ───────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("header", [{}, {"id": "order-7"}], ids=["minted id", "own id"])
def test_what_an_event_causes_hangs_below_the_span_above_that_event(header: dict[str, Any]) -> None:
    turn = RunTurn("hi")
    event = LogEvent("info", "noted", **below(turn), **header)
    nested = SpanStartEvent("nested", **below(event))
    started, ended = command_events(turn)
    spans = spans_of(started, event, nested, about(SpanEndEvent(nested.id, "nested"), nested), ended)
    assert parent_of(spans["nested"]) == id_of(spans["invoke_agent app"])


def test_the_steps_of_a_stream_leave_its_span_as_it_is(story: Story) -> None:
    request, response = [e for e in story.events if isinstance(e, LLMRequestEvent | LLMResponseEvent)]
    chunk = about(LLMStreamChunkEvent(story.generate.id, 0, LLMTextDelta("The")), story.generate)
    nested = SpanStartEvent("nested", **below(story.generate))
    spans = spans_of(request, chunk, nested, about(SpanEndEvent(nested.id, "nested"), nested), response)
    assert set(spans) == {"chat gpt-5-mini", "nested"}
    assert parent_of(spans["nested"]) == id_of(spans["chat gpt-5-mini"]) == story.generate.id[16:]


def test_a_long_memory_of_events_is_bounded_and_keeps_the_newest() -> None:
    records = Collecting()
    turn = RunTurn("hi")
    events = [LogEvent("info", "x", **below(turn)) for _ in range(5)]
    run(records, *events)
    lineage = Lineage(limit=2)
    for record in records.records:
        lineage.skip(record)
    found = [lineage.nearest(event.id[16:]) for event in events]
    assert found == [*(event.id[16:] for event in events[:3]), turn.id[16:], turn.id[16:]]


def test_a_callers_trace_is_continued() -> None:
    turn = RunTurn("hi", traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", tracestate="a=1")
    (span,) = spans_of(*command_events(turn)).values()
    assert span.context
    assert f"{span.context.trace_id:032x}" == "0af7651916cd43dd8448eb211c80319c"
    assert id_of(span) == turn.id[16:]
    assert parent_of(span) == "b7ad6b7169203331"
    assert span.context.trace_state.get("a") == "1"


def test_a_callers_trace_that_is_not_sampled_exports_nothing() -> None:
    turn = RunTurn("hi", traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00")
    assert spans_of(*command_events(turn)) == {}


def test_a_trace_whose_root_the_sampler_leaves_out_is_left_out_whole(
    story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "parentbased_always_off")
    assert spans_of(*story.events) == {}


def test_every_span_has_the_ids_that_the_core_gives_its_event(story: Story) -> None:
    known = {trace_ids(event).span_id for event in story.events}
    assert {id_of(span) for span in spans_of(*story.events).values()} <= known


# ── approvals, bootstrap, plugins ────────────────────────────────────────────────────────────────


def test_an_approval_is_an_event_on_the_span_of_the_tool_call(story: Story) -> None:
    start = story.tool_start
    approve = ApproveToolCall(ToolCall("call-1", "get_time"), **below(start))
    asked, answered = command_events(approve, result=Approval(True))
    inside = SpanStartEvent("ask", **below(approve))
    result = ToolResult("call-1", "get_time", "ok")
    ended = about(ToolExecuteResultEvent(start.id, start.call, result), start)
    inside_ended = about(SpanEndEvent(inside.id, "ask"), inside)
    spans = spans_of(start, asked, inside, inside_ended, answered, ended, content=True)
    (event,) = spans["execute_tool get_time"].events
    assert event.name == "llmgine.approval"
    assert event.attributes == {"llmgine.outcome": "ok", "llmgine.approval.approved": True}
    assert parent_of(spans["ask"]) == id_of(spans["execute_tool get_time"])


def test_a_start_is_one_span_and_each_plugin_another() -> None:
    start = BootstrapStartEvent("clock")
    loaded = PluginLoadedEvent("llm", "local", "llmgine-llm-local", "0.1", "llmgine_llm_local.plugin", 0.5)
    failed = PluginFailedEvent("bus", "nats", ErrorInfo("ImportError"))
    spans = spans_of(start, loaded, failed, BootstrapReadyEvent("clock", 1.0), BootstrapStopEvent("clock"))
    assert set(spans) == {"bootstrap clock", "load_plugin local", "load_plugin nats"}
    plugin = said(spans["load_plugin local"])
    assert plugin["llmgine.plugin.distribution"] == "llmgine-llm-local"
    assert plugin["llmgine.plugin.outcome"] == "loaded"
    assert said(spans["load_plugin nats"])["error.type"] == "ImportError"
    assert semconv.OUTCOME not in said(spans["bootstrap clock"])


def test_a_start_that_never_got_ready_ends_when_the_application_stops() -> None:
    error = ErrorInfo("OSError")
    stop = BootstrapStopEvent("clock", outcome=Outcome.ERROR, error=error)
    (span,) = spans_of(BootstrapStartEvent("clock"), stop).values()
    assert said(span)["error.type"] == "OSError"
