"""`Providers`: tracer, meter and logger of one handler, private to it; nothing global is set."""

from __future__ import annotations

import threading
from importlib.metadata import PackageNotFoundError, version

import attrs
from opentelemetry._logs import Logger
from opentelemetry.metrics import Meter
from opentelemetry.sdk._logs import LoggerProvider, LogRecordProcessor, ReadableLogRecord, ReadWriteLogRecord
from opentelemetry.sdk._logs.export import LogRecordExportResult
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SpanExportResult
from opentelemetry.trace import Tracer

from llmgine_core.errors import LlmgineError
from llmgine_obs_otel import semconv
from llmgine_obs_otel.exporters import Exporters
from llmgine_obs_otel.ids import RecordIds

__all__ = ["ExportError", "Providers", "make_resource"]


@attrs.define
class ExportError(LlmgineError):
    """A collector did not take what it was sent; `lost` says how much of each signal."""

    lost: dict[str, int]

    def __str__(self) -> str:
        what = " and ".join(f"{count} {signal}" for signal, count in self.lost.items())
        return f"the collector did not take {what}; is its address right, and is it running?"


class Providers:
    """Makes spans, measurements and logs, and sends them when told.

    Args:
        exporters: where to.
        resource: who sends.
        ids: gives spans their ids.
    """

    def __init__(self, exporters: Exporters, resource: Resource, ids: RecordIds) -> None:
        self._exporters = exporters
        self._spans, self._logs = _EndedSpans(), _EmittedLogs()
        self._shut = threading.Lock()
        traces = TracerProvider(resource=resource, shutdown_on_exit=False, id_generator=ids)
        if exporters.spans:
            traces.add_span_processor(self._spans)
        readers = [exporters.metrics] if exporters.metrics else []
        self._meters = MeterProvider(readers, resource, shutdown_on_exit=False)
        logs = LoggerProvider(resource, shutdown_on_exit=False)
        if exporters.logs:
            logs.add_log_record_processor(self._logs)
        scope = (semconv.SCOPE, _own_version())
        self.tracer: Tracer = traces.get_tracer(*scope, schema_url=semconv.SCHEMA_URL)
        self.meter: Meter = self._meters.get_meter(*scope, schema_url=semconv.SCHEMA_URL)
        self.logger: Logger = logs.get_logger(*scope, schema_url=semconv.SCHEMA_URL)

    def send(self) -> None:
        """Send the spans that have ended and the logs that were written since the last time.

        Raises:
            ExportError: the collector did not take them; they are given up.
        """
        spans, logs = self._spans.empty(), self._logs.empty()
        lost: dict[str, int] = {}
        if spans and self._exporters.spans and self._exporters.spans.export(spans) is not SpanExportResult.SUCCESS:
            lost["spans"] = len(spans)
        if logs and self._exporters.logs and self._exporters.logs.export(logs) is not LogRecordExportResult.SUCCESS:
            lost["logs"] = len(logs)
        if lost:
            raise ExportError(lost)

    def shutdown(self) -> None:
        """Send the last metrics and close the connections."""
        self._meters.shutdown()
        self.abandon()

    def abandon(self) -> None:
        """Close the connections of traces and logs; an export that waits to be repeated gives up."""
        # once, by whoever comes first: the handler's thread, or who waits for its end
        if self._shut.acquire(blocking=False):
            for exporter in (self._exporters.spans, self._exporters.logs):
                if exporter:
                    exporter.shutdown()


class _EndedSpans(SpanProcessor):
    """Collects ended spans until they are sent, on the thread that ends them: the handler's own."""

    def __init__(self) -> None:
        self._spans: list[ReadableSpan] = []

    def on_end(self, span: ReadableSpan) -> None:
        if span.context and span.context.trace_flags.sampled:
            self._spans.append(span)

    def empty(self) -> list[ReadableSpan]:
        spans, self._spans = self._spans, []
        return spans


class _EmittedLogs(LogRecordProcessor):
    """Collects log records until they are sent."""

    def __init__(self) -> None:
        self._logs: list[ReadableLogRecord] = []

    def on_emit(self, log_record: ReadWriteLogRecord) -> None:
        self._logs.append(
            ReadableLogRecord(
                log_record=log_record.log_record,
                resource=log_record.resource or Resource.get_empty(),
                instrumentation_scope=log_record.instrumentation_scope,
                limits=log_record.limits,
            )
        )

    def shutdown(self) -> None:
        """Nothing to release."""

    def force_flush(self, timeout_millis: int = 30_000) -> bool:  # noqa: ARG002 - the SDK's signature
        """Nothing to flush: `empty` does it."""
        return True

    def empty(self) -> list[ReadableLogRecord]:
        logs, self._logs = self._logs, []
        return logs


def make_resource(service_name: str | None, application: str) -> Resource:
    """Who sends, by the settings, else the environment (`OTEL_SERVICE_NAME`), else the application's name."""
    resource = Resource.create({semconv.LLMGINE_VERSION: _own_version()})
    known = str(resource.attributes.get(semconv.SERVICE_NAME, ""))
    if service_name is None and known and not known.startswith("unknown_service"):
        return resource
    return resource.merge(Resource({semconv.SERVICE_NAME: service_name or application}))


def _own_version() -> str:
    try:
        return version("llmgine-obs-otel")
    except PackageNotFoundError:  # run from its sources
        return "0"
