"""The plugin behind the entry point `llmgine.observability: otel`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmgine_core.hookspecs import Build, impl
from llmgine_obs_otel.settings import OtelSettings

if TYPE_CHECKING:
    from llmgine_core.observability import ObservabilityEventHandler


@impl.llmgine_settings
def llmgine_settings() -> type[OtelSettings]:
    """The class that the plugin's table in the configuration is read into."""
    return OtelSettings


@impl.llmgine_create_event_handler
def llmgine_create_event_handler(build: Build[OtelSettings]) -> ObservabilityEventHandler:
    """Make a handler that sends to a collector."""
    from llmgine_obs_otel.handler import OpenTelemetryEventHandler

    settings = build.settings
    return OpenTelemetryEventHandler(
        settings.endpoint,
        protocol=settings.protocol,
        headers=settings.headers,
        timeout=settings.timeout,
        service_name=settings.service_name,
        signals=settings.signals,
        interval=settings.interval,
        application=build.application,
        name=build.name,
    )
