"""`OtelSettings`: what the OpenTelemetry handler can be told."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal
from urllib.parse import urlsplit

import attrs

__all__ = ["OtelSettings", "Protocol", "Signal"]

Protocol = Literal["http/protobuf", "grpc"]
Signal = Literal["traces", "metrics", "logs"]


def _signals(given: Iterable[Signal]) -> tuple[Signal, ...]:
    return (given,) if isinstance(given, str) else tuple(given)  # type: ignore[return-value]


def _is_address(_: object, __: object, endpoint: str | None) -> None:
    if endpoint is None:
        return
    try:
        parts = urlsplit(endpoint)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        good = False
    if not good:
        raise ValueError(f"endpoint is an address such as http://localhost:4318, not {endpoint!r}")


@attrs.frozen(kw_only=True)
class OtelSettings:
    """The table `otel` of the configuration. What it leaves out is taken from `OTEL_*` environment variables.

    Attributes:
        endpoint: the collector's base address; None takes `OTEL_EXPORTER_OTLP_ENDPOINT`, else the protocol's
            default on this machine (http://localhost:4318, for gRPC http://localhost:4317).
        protocol: `http/protobuf` or `grpc`.
        headers: sent with each request, for instance `authorization`.
        timeout: seconds that one export may take, its repetitions included.
        service_name: who sends; None takes `OTEL_SERVICE_NAME`, else the application's name.
        signals: what is sent.
        interval: seconds to wait for a batch to fill; 0 exports at once.
    """

    endpoint: str | None = attrs.field(default=None, validator=_is_address)
    protocol: Protocol = attrs.field(default="http/protobuf", validator=attrs.validators.in_(("http/protobuf", "grpc")))
    headers: Mapping[str, str] = attrs.field(factory=dict[str, str], repr=False)
    timeout: float = attrs.field(default=5.0, validator=attrs.validators.gt(0))
    service_name: str | None = None
    signals: tuple[Signal, ...] = attrs.field(
        default=("traces", "metrics", "logs"),
        converter=_signals,
        validator=attrs.validators.deep_iterable(attrs.validators.in_(("traces", "metrics", "logs"))),
    )
    interval: float = attrs.field(default=1.0, validator=attrs.validators.ge(0))
