"""What is measured and what is logged, decoded at a collector."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import attrs
import pytest

from llmgine_core import (
    Command,
    ErrorInfo,
    Event,
    EventDroppedEvent,
    EventHandlerFailedEvent,
    LogEvent,
    MetricEvent,
    Outcome,
    PluginFailedEvent,
    SessionEndEvent,
    UnknownEvent,
)
from llmgine_obs_otel import OpenTelemetryEventHandler
from tests.obs_otel.collector import Collector, attributes, collector
from tests.obs_otel.story import SESSION, Story, command_events, run


@attrs.frozen
class Shipped(Event):
    """An event of the application's own."""

    order: int


@attrs.frozen
class Ship(Command[None]):
    """A command of the application's own."""


@pytest.fixture(scope="module")
def story() -> Story:
    return Story.told()


@pytest.fixture(scope="module")
def arrived(story: Story) -> Iterator[Collector]:
    with collector() as running:
        run(
            OpenTelemetryEventHandler(running.endpoint, application="clock", interval=0),
            *story.events,
            *command_events(Ship(), 0.25),
            Shipped(7),
            UnknownEvent("shop:Ordered", {"order": 7}),
            EventDroppedEvent("Shipped", "tests.note", "queue_full", 3),
            EventHandlerFailedEvent("e1", "Shipped", "tests.note", 2, ErrorInfo("KeyError", "x", "stack")),
            PluginFailedEvent("bus", "nats", ErrorInfo("ImportError")),
            MetricEvent("order.size", "histogram", 12.5, "kg", {"lines": [1, 2]}),
            MetricEvent("1st visit €", "counter", 1, "€"),
            LogEvent("info", "plain"),
            SessionEndEvent(Outcome.ERROR, 1.0, ErrorInfo("OSError"), session_id="other"),
        )
        yield running


def points(metric: Any) -> list[tuple[dict[str, Any], Any]]:
    data = getattr(metric, metric.WhichOneof("data"))
    return [(attributes(point.attributes), point) for point in data.data_points]


# ── metrics ──────────────────────────────────────────────────────────────────────────────────────


def test_model_calls_are_timed_by_provider_and_model(arrived: Collector) -> None:
    metric = arrived.metrics()["gen_ai.client.operation.duration"]
    ((found, point),) = points(metric)
    assert metric.unit == "s"
    assert found == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-5-mini",
        "gen_ai.response.model": "gpt-5-mini-2026",
    }
    assert (point.count, point.sum) == (1, 1.5)
    assert list(point.explicit_bounds)[:3] == [0.01, 0.02, 0.04]


def test_tokens_are_counted_by_direction(arrived: Collector) -> None:
    found = {
        kind["gen_ai.token.type"]: point.sum for kind, point in points(arrived.metrics()["gen_ai.client.token.usage"])
    }
    assert found == {"input": 120, "output": 30}


def test_the_first_chunk_of_a_stream_is_timed(arrived: Collector) -> None:
    ((_, point),) = points(arrived.metrics()["gen_ai.client.operation.time_to_first_chunk"])
    assert point.sum == 0.2


def test_tool_calls_turns_and_commands_are_timed_with_their_failures(arrived: Collector) -> None:
    ((tool, tool_point),) = points(arrived.metrics()["gen_ai.execute_tool.duration"])
    assert tool == {"gen_ai.tool.name": "get_time", "gen_ai.tool.type": "function", "error.type": "ValueError"}
    assert tool_point.sum == 0.5
    ((turn, turn_point),) = points(arrived.metrics()["gen_ai.invoke_agent.duration"])
    assert turn == {"gen_ai.agent.name": "clock", "error.type": "RuntimeError"}
    assert turn_point.sum == 2.0
    ((command, command_point),) = points(arrived.metrics()["llmgine.command.duration"])
    assert command == {"llmgine.command.type": Ship.type_name}
    assert command_point.sum == 0.25


def test_the_applications_own_metrics_are_sent(arrived: Collector) -> None:
    metrics = arrived.metrics()
    counter, histogram = metrics["cache.misses"], metrics["order.size"]
    ((found, point),) = points(counter)
    assert (found, point.as_double, counter.unit) == ({"cache": "L1"}, 2.0, "{miss}")
    assert counter.sum.is_monotonic
    ((found, point),) = points(histogram)
    assert (found, point.sum, histogram.unit) == ({"lines": "[1,2]"}, 12.5, "kg")


def test_a_metric_with_a_name_that_cannot_be_is_sent_under_one_that_can(arrived: Collector) -> None:
    assert arrived.metrics()["m1st_visit__"].unit == "?"


def test_no_metric_bears_an_id(arrived: Collector, story: Story) -> None:
    values = [value for metric in arrived.metrics().values() for found, _ in points(metric) for value in found.values()]
    ids = {SESSION, "call-1", "resp-1", *(event.id for event in story.events)}
    assert values
    assert ids.isdisjoint(map(str, values))


def test_a_measurement_leads_to_its_trace(arrived: Collector, story: Story) -> None:
    ((_, point),) = points(arrived.metrics()["gen_ai.client.operation.duration"])
    (exemplar,) = point.exemplars
    assert (exemplar.trace_id.hex(), exemplar.span_id.hex()) == (story.turn.id, story.generate.id[16:])


# ── logs ─────────────────────────────────────────────────────────────────────────────────────────


def logs_named(arrived: Collector, name: str) -> list[Any]:
    return [log for log in arrived.logs() if log.event_name == name]


def test_a_session_leaves_a_log_at_each_end(arrived: Collector) -> None:
    (start,) = logs_named(arrived, "session.start")
    end, broken = logs_named(arrived, "session.end")
    assert attributes(start.attributes)["session.id"] == attributes(end.attributes)["session.id"] == SESSION
    assert attributes(broken.attributes)["exception.type"] == "OSError"
    assert broken.severity_text == "ERROR"


def test_the_applications_own_logs_stand_in_the_span_that_they_were_written_in(
    arrived: Collector, story: Story
) -> None:
    (log,) = [log for log in arrived.logs() if log.body.string_value == "the cache is cold"]
    assert (log.trace_id.hex(), log.span_id.hex()) == (story.turn.id, story.turn.id[16:])
    assert (log.severity_number, log.severity_text) == (13, "WARNING")
    assert attributes(log.attributes)["size"] == 0
    assert log.time_unix_nano > 0


def test_a_log_outside_of_any_span_has_no_place_in_a_trace(arrived: Collector) -> None:
    (log,) = [log for log in arrived.logs() if log.body.string_value == "plain"]
    assert log.span_id in (b"", bytes(8))


@pytest.mark.parametrize(
    ("name", "severity", "kind"),
    [
        ("llmgine.command.exception", "ERROR", "RuntimeError"),
        ("llmgine.tool.exception", "WARNING", "ValueError"),
        ("llmgine.handler.exception", "ERROR", "KeyError"),
        ("llmgine.plugin.failed", "ERROR", "ImportError"),
    ],
)
def test_each_exception_is_a_log(arrived: Collector, name: str, severity: str, kind: str) -> None:
    (log,) = logs_named(arrived, name)
    assert log.severity_text == severity
    assert attributes(log.attributes)["exception.type"] == kind


def test_dropped_events_are_a_log_with_their_number(arrived: Collector) -> None:
    (log,) = logs_named(arrived, "llmgine.event.dropped")
    assert attributes(log.attributes)["llmgine.dropped.count"] == 3


def test_a_change_of_history_is_a_log_without_its_words(arrived: Collector) -> None:
    (log,) = logs_named(arrived, "llmgine.context.updated")
    found = attributes(log.attributes)
    assert (found["llmgine.context.operation"], found["llmgine.context.message_count"]) == ("append", 1)


def test_an_event_of_the_applications_own_is_a_log_with_its_type(arrived: Collector) -> None:
    kinds = [attributes(log.attributes)["llmgine.event.type"] for log in logs_named(arrived, "llmgine.event")]
    assert kinds == [Shipped.type_name, "shop:Ordered"]
