"""How events leave the process: records, content policy, the base of handlers, and the application's own telemetry."""

from llmgine_core.observability.client import ObservabilityClient
from llmgine_core.observability.content import ContentPolicy
from llmgine_core.observability.handler import HandlerStats, ObservabilityEventHandler
from llmgine_core.observability.record import EventRecord, TraceIds, trace_ids

__all__ = [
    "ContentPolicy",
    "EventRecord",
    "HandlerStats",
    "ObservabilityClient",
    "ObservabilityEventHandler",
    "TraceIds",
    "trace_ids",
]
