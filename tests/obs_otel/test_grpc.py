"""The same over gRPC."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc  # type: ignore[import-untyped]
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import (
    TraceServiceServicer,
    add_TraceServiceServicer_to_server,  # pyright: ignore[reportUnknownVariableType]
)

from llmgine_obs_otel import OpenTelemetryEventHandler
from tests.obs_otel.story import Story, run


class Traces(TraceServiceServicer):
    def __init__(self) -> None:
        self.requests: list[ExportTraceServiceRequest] = []
        self.metadata: dict[str, Any] = {}

    def Export(self, request: ExportTraceServiceRequest, context: grpc.ServicerContext) -> ExportTraceServiceResponse:
        self.requests.append(request)
        self.metadata |= dict(context.invocation_metadata())
        return ExportTraceServiceResponse()


@pytest.fixture
def traces() -> Iterator[tuple[Traces, str]]:
    server, service = grpc.server(ThreadPoolExecutor(1)), Traces()
    add_TraceServiceServicer_to_server(service, server)  # type: ignore[no-untyped-call]
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield service, f"http://127.0.0.1:{port}"
    server.stop(None).wait()


def test_spans_arrive_over_grpc_with_their_headers(traces: tuple[Traces, str]) -> None:
    service, endpoint = traces
    handler = OpenTelemetryEventHandler(
        endpoint, protocol="grpc", headers={"X-Key": "abc"}, signals=["traces"], interval=0
    )
    run(handler, *Story.told().events)
    spans = [
        s for r in service.requests for batch in r.resource_spans for scope in batch.scope_spans for s in scope.spans
    ]
    assert sorted(span.name for span in spans) == [
        "chat gpt-5-mini",
        "execute_tool get_time",
        "invoke_agent app",
        "look up",
    ]
    assert service.metadata["x-key"] == "abc"
