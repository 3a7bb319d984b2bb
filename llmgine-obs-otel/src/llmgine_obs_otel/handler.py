"""`OpenTelemetryEventHandler`: traces, metrics and logs over OTLP."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

# The key is private in OpenTelemetry's Python packages, yet it is what every instrumentation asks for.
from opentelemetry.context import (
    _SUPPRESS_INSTRUMENTATION_KEY,  # pyright: ignore[reportPrivateUsage]
    attach,
    set_value,
)
from opentelemetry.sdk._logs.export import LogRecordExporter
from opentelemetry.sdk.metrics.export import MetricReader
from opentelemetry.sdk.trace.export import SpanExporter

from llmgine_core.observability import EventRecord, ObservabilityEventHandler
from llmgine_obs_otel.exporters import Exporters, make_exporters
from llmgine_obs_otel.ids import RecordIds
from llmgine_obs_otel.logs import LogBook
from llmgine_obs_otel.metrics import Instruments
from llmgine_obs_otel.providers import Providers, make_resource
from llmgine_obs_otel.settings import OtelSettings, Protocol, Signal
from llmgine_obs_otel.spans import SpanBook

__all__ = ["OpenTelemetryEventHandler"]


class OpenTelemetryEventHandler(ObservabilityEventHandler):
    """Turns events into OpenTelemetry spans, metrics and logs, with the ids that the events have elsewhere.

    Args:
        endpoint: the collector's base address; None takes `OTEL_EXPORTER_OTLP_ENDPOINT`, else this machine.
        protocol: `http/protobuf` or `grpc`.
        headers: sent with each request.
        timeout: seconds that one export may take, its repetitions included.
        service_name: who sends; None takes `OTEL_SERVICE_NAME`, else the application's name.
        signals: what is sent.
        interval: seconds to wait for a batch to fill; 0 exports at once.
        application: the application's name, which is its agent's too.
        name: the instance's name, for stats and health.
        span_exporter: takes the spans. If any of these three is given, nothing else is sent anywhere.
        metric_reader: takes the metrics.
        log_exporter: takes the logs.

    Raises:
        ValueError: an option has no such value.
    """

    def __init__(
        self,
        endpoint: str | None = None,
        *,
        protocol: Protocol = "http/protobuf",
        headers: Mapping[str, str] | None = None,
        timeout: float = 5.0,
        service_name: str | None = None,
        signals: Sequence[Signal] = ("traces", "metrics", "logs"),
        interval: float = 1.0,
        application: str = "app",
        name: str = "otel",
        span_exporter: SpanExporter | None = None,
        metric_reader: MetricReader | None = None,
        log_exporter: LogRecordExporter | None = None,
    ) -> None:
        super().__init__(name=name, interval=interval)
        self._settings = OtelSettings(
            endpoint=endpoint,
            protocol=protocol,
            headers=headers or {},
            timeout=timeout,
            service_name=service_name,
            signals=signals,
            interval=interval,
        )
        self._application = application
        self._given = Exporters(spans=span_exporter, metrics=metric_reader, logs=log_exporter)
        self._providers: Providers | None = None

    def open_exporter(self) -> None:
        """Make the exporters; no connection is made before there is something to send.

        Raises:
            ImportError: the protocol's packages are not installed.
        """
        # On this thread, which is ours alone, nothing is ever traced: exporting must not make more spans.
        attach(set_value(_SUPPRESS_INSTRUMENTATION_KEY, True))
        ids = RecordIds()
        resource = make_resource(self._settings.service_name, self._application)
        providers = Providers(self._given or make_exporters(self._settings), resource, ids)
        self._spans = SpanBook(providers.tracer, ids, application=self._application)
        self._instruments = Instruments(providers.meter, application=self._application)
        self._logs = LogBook(providers.logger)
        self._providers = providers

    def export(self, batch: Sequence[EventRecord]) -> None:
        """Send the spans that the batch ends, and its logs; measure what it tells.

        Raises:
            ExportError: the collector did not take them.
            Exception: a record could not be understood; the others were sent.
        """
        faults: list[Exception] = []
        for record in batch:
            try:
                self._take(record)
            except Exception as fault:  # one record must not cost us the others
                faults.append(fault)
        self._opened().send()
        if faults:
            raise faults[0]

    def close_exporter(self) -> None:
        """End the spans that never ended, send what is left, close the connections.

        Raises:
            ExportError: the collector did not take it.
        """
        providers = self._opened()
        self._spans.close()
        try:
            providers.send()
        finally:
            providers.shutdown()

    def close(self, timeout: float = 5.0) -> bool:
        """Export what waits, close the exporter; returns whether all was done within `timeout` seconds."""
        ended = super().close(timeout)
        if not ended and self._providers:  # the thread is left behind, and need not go on trying
            self._providers.abandon()
        return ended

    def _take(self, record: EventRecord) -> None:
        self._spans.take(record)
        context = self._spans.context(record)
        self._instruments.take(record, context)
        self._logs.take(record, context)

    def _opened(self) -> Providers:
        if self._providers is None:
            raise RuntimeError("the exporters are not open; call start() first")
        return self._providers
