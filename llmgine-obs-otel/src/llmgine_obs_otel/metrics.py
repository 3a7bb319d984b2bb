"""`Instruments`: what is measured, from records that end something and from the application's own metrics.

No id is an attribute of a metric: each would be a time series of its own.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from opentelemetry.context import Context
from opentelemetry.metrics import Counter, Histogram, Meter

from llmgine_core.events import CommandResultEvent, LLMResponseEvent, MetricEvent, ToolExecuteResultEvent
from llmgine_core.observability import EventRecord
from llmgine_obs_otel import semconv
from llmgine_obs_otel.outcome import error_type
from llmgine_obs_otel.shapes import APPROVALS, GENERATIONS, TURNS
from llmgine_obs_otel.values import Fields, as_attributes, as_mapping, as_number, without_nones

__all__ = ["Instruments"]

_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9_.\-/]")


class Instruments:
    """Measures.

    Args:
        meter: makes the instruments.
        application: the application's name, which is its agent's too.
    """

    def __init__(self, meter: Meter, *, application: str) -> None:
        self._meter, self._application = meter, application
        self._operation = self._seconds(semconv.METRIC_OPERATION_DURATION, "Duration of model calls.")
        self._first_chunk = self._seconds(semconv.METRIC_TIME_TO_FIRST_CHUNK, "Time until a model's first words.")
        self._tool = self._seconds(semconv.METRIC_TOOL_DURATION, "Duration of tool calls.")
        self._command = self._seconds(semconv.METRIC_COMMAND_DURATION, "Duration of commands.")
        self._turn = meter.create_histogram(
            semconv.METRIC_AGENT_DURATION,
            semconv.UNIT_SECONDS,
            "Duration of turns.",
            explicit_bucket_boundaries_advisory=semconv.BUCKETS_AGENT,
        )
        self._tokens = meter.create_histogram(
            semconv.METRIC_TOKEN_USAGE,
            semconv.UNIT_TOKENS,
            "Tokens that model calls read and wrote.",
            explicit_bucket_boundaries_advisory=semconv.BUCKETS_TOKENS,
        )
        self._own: dict[tuple[str, ...], Counter | Histogram] = {}
        self._takers: dict[str, Callable[[Fields, Context], None]] = {
            LLMResponseEvent.type_name: self._take_response,
            ToolExecuteResultEvent.type_name: self._take_tool_result,
            CommandResultEvent.type_name: self._take_command_result,
            MetricEvent.type_name: self._take_own,
        }

    def take(self, record: EventRecord, context: Context) -> None:
        """Measure what the record tells of.

        Args:
            record: any record.
            context: its place in the trace, for exemplars.
        """
        if taker := self._takers.get(record.type):
            taker(record.fields, context)

    def _take_response(self, fields: Fields, context: Context) -> None:
        response = as_mapping(fields.get("response"))
        attributes = without_nones(
            {
                semconv.OPERATION_NAME: semconv.OPERATION_CHAT,
                semconv.PROVIDER_NAME: fields.get("provider"),
                semconv.REQUEST_MODEL: fields.get("model"),
                semconv.RESPONSE_MODEL: response.get("model"),
            }
        )
        failure = without_nones({semconv.ERROR_TYPE: error_type(fields)})
        self._operation.record(as_number(fields.get("duration")), {**attributes, **failure}, context)
        if (first := fields.get("time_to_first_chunk")) is not None:
            self._first_chunk.record(as_number(first), attributes, context)
        usage = as_mapping(response.get("usage"))
        for kind in (semconv.TOKEN_TYPE_INPUT, semconv.TOKEN_TYPE_OUTPUT):
            if (tokens := usage.get(f"{kind}_tokens")) is not None:
                self._tokens.record(as_number(tokens), {**attributes, semconv.TOKEN_TYPE: kind}, context)

    def _take_tool_result(self, fields: Fields, context: Context) -> None:
        attributes = {
            semconv.TOOL_NAME: as_mapping(fields.get("call")).get("name"),
            semconv.TOOL_TYPE: semconv.TOOL_TYPE_FUNCTION,
            semconv.ERROR_TYPE: error_type(fields),
        }
        self._tool.record(as_number(fields.get("duration")), without_nones(attributes), context)

    def _take_command_result(self, fields: Fields, context: Context) -> None:
        kind, seconds = str(fields.get("command_type")), as_number(fields.get("duration"))
        failure: dict[str, Any] = without_nones({semconv.ERROR_TYPE: error_type(fields)})
        if kind in TURNS:
            self._turn.record(seconds, {semconv.AGENT_NAME: self._application, **failure}, context)
        elif kind not in GENERATIONS | APPROVALS:
            self._command.record(seconds, {semconv.COMMAND_TYPE: kind, **failure}, context)

    def _take_own(self, fields: Fields, context: Context) -> None:
        value, attributes = (
            as_number(fields.get("value")),
            as_attributes(as_mapping(fields.get("attributes"))),
        )
        instrument = self._instrument(str(fields.get("kind")), str(fields.get("name")), str(fields.get("unit")))
        if isinstance(instrument, Counter):
            instrument.add(value, attributes, context)
        else:
            instrument.record(value, attributes, context)

    def _instrument(self, kind: str, name: str, unit: str) -> Counter | Histogram:
        key = (kind, name, unit)
        if key not in self._own:
            make = self._meter.create_counter if kind == "counter" else self._meter.create_histogram
            self._own[key] = make(_instrument_name(name), unit.encode("ascii", "replace").decode()[:63])
        return self._own[key]

    def _seconds(self, name: str, description: str) -> Histogram:
        return self._meter.create_histogram(
            name,
            semconv.UNIT_SECONDS,
            description,
            explicit_bucket_boundaries_advisory=semconv.BUCKETS_DURATION,
        )


def _instrument_name(name: str) -> str:
    """The name as OpenTelemetry allows it: a letter, then letters, digits and `_.-/`, at most 255 in all."""
    allowed = _NOT_IN_NAMES.sub("_", name)
    return (allowed if allowed[:1].isalpha() else f"m{allowed}")[:255]
