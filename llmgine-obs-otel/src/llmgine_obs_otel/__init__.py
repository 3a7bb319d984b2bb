"""Sends the events of a llmgine application to an OpenTelemetry collector, as traces, metrics and logs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from llmgine_obs_otel.handler import OpenTelemetryEventHandler

__all__ = ["OpenTelemetryEventHandler"]

if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        """Import the handler, and the OpenTelemetry SDK with it, at the first use: the plugin module is light."""
        if name != "OpenTelemetryEventHandler":
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from llmgine_obs_otel.handler import OpenTelemetryEventHandler

        return OpenTelemetryEventHandler
