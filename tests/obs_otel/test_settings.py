"""What the handler can be told, by its plugin, its constructor and the environment."""

from __future__ import annotations

import subprocess
import sys

import pytest
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter

from llmgine_core import RunTurn
from llmgine_core.hookspecs import Build
from llmgine_obs_otel import OpenTelemetryEventHandler, plugin
from llmgine_obs_otel.settings import OtelSettings
from tests.obs_otel.collector import attributes, collector
from tests.obs_otel.story import Story, command_events, run


def service_of(**options: str | None) -> str:
    with collector() as running:
        handler = OpenTelemetryEventHandler(running.endpoint, interval=0, application="clock", **options)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        run(handler, *command_events(RunTurn("hi")))
        return str(attributes(running.resources()[0].attributes)["service.name"])


def test_the_plugin_makes_a_handler_that_sends_where_its_settings_say() -> None:
    with collector() as running:
        settings = OtelSettings(endpoint=running.endpoint, interval=0, signals=("traces",))
        handler = plugin.llmgine_create_event_handler(Build(settings=settings, name="audit", application="clock"))
        assert isinstance(handler, OpenTelemetryEventHandler)
        assert handler.name == "audit"
        run(handler, *command_events(RunTurn("hi")))
        assert [span.name for span in running.spans()] == ["invoke_agent clock"]
        assert {path for path, _, _ in running.requests} == {"/v1/traces"}


def test_the_plugin_says_what_its_settings_are() -> None:
    assert plugin.llmgine_settings() is OtelSettings


def test_the_address_of_traces_does_for_the_base_address() -> None:
    with collector() as running:
        run(OpenTelemetryEventHandler(f"{running.endpoint}/v1/traces", interval=0), *Story.told().events)
        assert {path for path, _, _ in running.requests} == {"/v1/traces", "/v1/metrics", "/v1/logs"}


def test_the_environment_gives_the_address_where_the_settings_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    with collector() as running:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", running.endpoint)
        run(OpenTelemetryEventHandler(interval=0), *Story.told().events)
        assert running.spans()


def test_the_services_name_is_the_settings_then_the_environments_then_the_applications(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert service_of() == "clock"
    monkeypatch.setenv("OTEL_SERVICE_NAME", "from-environment")
    assert service_of() == "from-environment"
    assert service_of(service_name="from-settings") == "from-settings"


def test_a_disabled_sdk_sends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    with collector() as running:
        run(OpenTelemetryEventHandler(running.endpoint, interval=0), *Story.told().events)
        assert running.requests == []


def test_a_ready_exporter_is_the_only_place_to_which_anything_is_sent() -> None:
    exporter = InMemoryLogRecordExporter()  # type: ignore[no-untyped-call]
    run(OpenTelemetryEventHandler(log_exporter=exporter, interval=0), *Story.told().events)
    assert exporter.get_finished_logs()


@pytest.mark.parametrize(
    "options", [{"protocol": "http/json"}, {"timeout": 0}, {"signals": ["profiles"]}, {"interval": -1}]
)
def test_an_impossible_setting_is_refused(options: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=next(iter(options))):
        OtelSettings(**options)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def test_headers_stay_out_of_what_is_shown_of_the_settings() -> None:
    assert "secret" not in repr(OtelSettings(headers={"authorization": "secret"}))


def modules_after(code: str) -> set[str]:
    listing = f"import sys; {code}; print(*sys.modules)"
    return set(
        subprocess.run([sys.executable, "-c", listing], capture_output=True, text=True, check=True).stdout.split()
    )


def test_the_plugin_module_imports_no_sdk() -> None:
    assert not any(name.startswith("opentelemetry") for name in modules_after("import llmgine_obs_otel.plugin"))


def test_grpc_is_imported_only_where_it_is_configured() -> None:
    use = "from llmgine_obs_otel import OpenTelemetryEventHandler as H; h = H({options}); h.start(); h.close()"
    assert "grpc" not in modules_after(use.format(options=""))
    assert "grpc" in modules_after(use.format(options="protocol='grpc'"))


@pytest.mark.parametrize("endpoint", ["", "localhost:4318", "ftp://x", "http://", "http://x:port"])
def test_an_address_that_is_none_is_refused_at_once(endpoint: str) -> None:
    """A misspelt endpoint stops the start instead of failing with each export."""
    with pytest.raises(ValueError, match="endpoint is an address such as http://localhost:4318"):
        OtelSettings(endpoint=endpoint)
