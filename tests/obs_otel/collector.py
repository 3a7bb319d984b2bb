"""A collector that speaks OTLP over HTTP, decodes what it gets with the protocol's own classes, and can misbehave."""

from __future__ import annotations

import socket
import threading
from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import Span

__all__ = ["Collector", "attributes", "black_hole", "collector", "refusing"]


class Collector:
    """What arrived."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, dict[str, str], bytes]] = []
        self.status = 200
        self.endpoint = ""

    def spans(self) -> list[Span]:
        """All spans, in the order of their arrival."""
        return [span for batch in self._traces() for scope in batch.scope_spans for span in scope.spans]

    def span(self, name: str) -> Span:
        """The one span of that name."""
        (span,) = [span for span in self.spans() if span.name == name]
        return span

    def resources(self) -> list[Resource]:
        """The resources of all batches of spans."""
        return [batch.resource for batch in self._traces()]

    def logs(self) -> list[LogRecord]:
        """All log records."""
        requests = map(ExportLogsServiceRequest.FromString, self._bodies("/v1/logs"))
        return [
            log
            for r in requests
            for batch in r.resource_logs
            for scope in batch.scope_logs
            for log in scope.log_records
        ]

    def metrics(self) -> dict[str, Metric]:
        """The last state of each metric."""
        requests = map(ExportMetricsServiceRequest.FromString, self._bodies("/v1/metrics"))
        batches = [batch for request in requests for batch in request.resource_metrics]
        return {metric.name: metric for batch in batches for scope in batch.scope_metrics for metric in scope.metrics}

    def raw(self) -> bytes:
        """Everything that came over the wire."""
        return b"".join(body for _, _, body in self.requests)

    def _traces(self) -> list[Any]:
        requests = map(ExportTraceServiceRequest.FromString, self._bodies("/v1/traces"))
        return [batch for request in requests for batch in request.resource_spans]

    def _bodies(self, path: str) -> list[bytes]:
        return [body for where, _, body in self.requests if where == path]


@contextmanager
def collector() -> Generator[Collector]:
    """A collector that runs."""
    arrived = Collector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            arrived.requests.append((self.path, {k.lower(): v for k, v in self.headers.items()}, body))
            self.send_response(arrived.status)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    arrived.endpoint = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield arrived
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def black_hole() -> Generator[str]:
    """The address of something that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


@contextmanager
def refusing() -> Generator[str]:
    """An address at which nobody listens, nor can anybody else on the machine meanwhile."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{held.getsockname()[1]}"


def attributes(pairs: Any) -> dict[str, Any]:
    """Attributes as a dictionary."""
    return {pair.key: _value(pair.value) for pair in _checked(pairs)}


def _checked(pairs: Any) -> list[KeyValue]:
    found = list(pairs)
    assert len({pair.key for pair in found}) == len(found), "a key is there twice"
    return found


def _value(value: AnyValue) -> Any:
    kind = value.WhichOneof("value")
    assert kind is not None, "an attribute without a value"
    if kind == "array_value":
        return [_value(item) for item in value.array_value.values]
    return getattr(value, kind)
