"""The OTLP exporters for a protocol; gRPC is imported only where it is configured."""

from __future__ import annotations

from typing import Literal

import attrs
from opentelemetry.sdk._logs.export import LogRecordExporter
from opentelemetry.sdk.metrics.export import MetricReader, PeriodicExportingMetricReader
from opentelemetry.sdk.trace.export import SpanExporter

from llmgine_obs_otel.settings import OtelSettings

__all__ = ["Exporters", "make_exporters"]


@attrs.frozen(kw_only=True)
class Exporters:
    """Where each signal goes; None where it is not wanted."""

    spans: SpanExporter | None = None
    metrics: MetricReader | None = None
    logs: LogRecordExporter | None = None

    def __bool__(self) -> bool:
        return any((self.spans, self.metrics, self.logs))


def make_exporters(settings: OtelSettings) -> Exporters:
    """The exporters for what the settings want.

    Raises:
        ImportError: the protocol's packages are not installed.
    """
    return _grpc_exporters(settings) if settings.protocol == "grpc" else _http_exporters(settings)


def _http_exporters(settings: OtelSettings) -> Exporters:
    from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    headers, timeout, wanted = dict(settings.headers), settings.timeout, settings.signals

    def address(signal: Literal["traces", "metrics", "logs"]) -> str | None:
        return _signal_address(settings.endpoint, signal)

    spans = OTLPSpanExporter(address("traces"), headers=headers, timeout=timeout)  # type: ignore[arg-type,unused-ignore]
    metrics = OTLPMetricExporter(address("metrics"), headers=headers, timeout=timeout)  # type: ignore[arg-type,unused-ignore]
    logs = OTLPLogExporter(address("logs"), headers=headers, timeout=timeout)  # type: ignore[arg-type,unused-ignore]
    return Exporters(
        spans=spans if "traces" in wanted else None,
        metrics=PeriodicExportingMetricReader(metrics) if "metrics" in wanted else None,
        logs=logs if "logs" in wanted else None,
    )


def _grpc_exporters(settings: OtelSettings) -> Exporters:
    from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter
    from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter

    endpoint, timeout, wanted = settings.endpoint, settings.timeout, settings.signals
    headers = {key.lower(): value for key, value in settings.headers.items()}  # gRPC refuses capitals in metadata
    return Exporters(
        spans=OTLPSpanExporter(endpoint, headers=headers, timeout=timeout) if "traces" in wanted else None,
        metrics=PeriodicExportingMetricReader(OTLPMetricExporter(endpoint, headers=headers, timeout=timeout))
        if "metrics" in wanted
        else None,
        logs=OTLPLogExporter(endpoint, headers=headers, timeout=timeout) if "logs" in wanted else None,
    )


def _signal_address(endpoint: str | None, signal: str) -> str | None:
    """The address of one signal below the base address; None leaves it to the environment."""
    if endpoint is None:
        return None
    base = endpoint.rstrip("/").removesuffix("/v1/traces")  # some give the address of traces for the base
    return f"{base}/v1/{signal}"
