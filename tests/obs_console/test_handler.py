"""Each event is one readable line."""

from __future__ import annotations

import io
import subprocess
import sys
from typing import Any

import attrs
import pytest

from llmgine_core import (
    ErrorInfo,
    Event,
    EventDroppedEvent,
    EventHandlerStartEvent,
    LLMRequest,
    LLMRequestEvent,
    LogEvent,
    Outcome,
    PluginFailedEvent,
    SessionEndEvent,
    SessionStartEvent,
)
from llmgine_core.hookspecs import Build
from llmgine_core.observability import ContentPolicy
from llmgine_obs_console import ConsoleEventHandler, plugin
from llmgine_obs_console.settings import ConsoleSettings
from tests.obs_otel.story import Story


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@attrs.frozen
class Shipped(Event):
    """An event of the application's own."""

    order: int
    lines: tuple[str, ...]


def show(handler: ConsoleEventHandler, *events: Event, content: bool = False) -> None:
    handler.start(ContentPolicy(content=content))
    for event in events:
        handler.accept(event)
    assert handler.close()
    books = handler.stats()
    assert books.accepted == books.exported == len(events)


def line_of(capsys: pytest.CaptureFixture[str], event: Event, *, content: bool = True, **options: Any) -> str:
    show(ConsoleEventHandler(**options), event, content=content)
    return capsys.readouterr().err


def test_a_line_carries_time_type_session_outcome_duration_and_ids(capsys: pytest.CaptureFixture[str]) -> None:
    event = SessionEndEvent(duration=1.5, session_id="chat-42")
    time = event.timestamp.strftime("%Y-%m-%dT%H:%M:%S.") + f"{event.timestamp.microsecond // 1000:03}Z"
    assert line_of(capsys, event) == (
        f"{time} SessionEndEvent          session=chat-42 outcome=ok duration=1.50s "
        f"trace={event.id} span={event.id[16:]}\n"
    )


def test_a_turn_reads_line_by_line(capsys: pytest.CaptureFixture[str]) -> None:
    show(ConsoleEventHandler(ids=False), *Story.told().events)
    lines = [line.partition("session=chat-42 ")[2] for line in capsys.readouterr().err.splitlines()]
    assert lines == [
        "",
        "command_type=RunTurn handler=tests.handle",
        "command_type=GenerateCommand handler=tests.handle",
        "model=gpt-5-mini provider=openai messages=2 tools=1",
        "model=gpt-5-mini-2026 finish=tool_calls tokens=120+30 first_chunk=200.0ms outcome=ok duration=1.50s",
        "command_type=GenerateCommand result=<18 bytes> outcome=ok duration=1.50s",
        "tool=get_time arguments=<22 bytes>",
        "tool=get_time content=<21 bytes> outcome=error duration=500.0ms error=ValueError: <25 bytes>",
        "operation=append messages=[1] version=1",
        "level=warning message=the cache is cold size=0",
        "name=cache.misses kind=counter value=2.0 unit={miss} attributes={1}",
        "name=look up attributes={2}",
        "name=look up outcome=ok duration=125.0ms",
        "command_type=RunTurn outcome=error duration=2.00s error=RuntimeError: <18 bytes>",
        "outcome=ok duration=3.00s",
    ]


def test_an_event_of_the_applications_own_shows_its_fields(capsys: pytest.CaptureFixture[str]) -> None:
    assert " Shipped                  session=- order=7 lines=[2] trace=" in line_of(capsys, Shipped(7, ("a", "b")))


@pytest.mark.parametrize("text", ["two\nlines", "\x1b[31mred", "back\rspace", "\u2028", "\ud800"])
def test_no_value_can_forge_a_line_or_a_colour(capsys: pytest.CaptureFixture[str], text: str) -> None:
    for event in (LogEvent("info", text), LogEvent("info", "x", {text: text}), SessionStartEvent(session_id=text)):
        line = line_of(capsys, event, colour="never")
        assert line.count("\n") == 1
        assert line[:-1].isprintable()
        assert repr(text)[1:-1] in line


def test_long_values_are_trimmed(capsys: pytest.CaptureFixture[str]) -> None:
    line = line_of(capsys, LogEvent("info", "x" * 1_000), width=20)
    assert f"message={'x' * 19}… " in line


def test_a_log_may_have_fields_that_are_called_like_the_lines_own(capsys: pytest.CaptureFixture[str]) -> None:
    line = line_of(capsys, LogEvent("info", "x", {"session": 1, "exc_info": True, "type": "t"}))
    assert "session_=1 exc_info_=True type_=t" in line


@pytest.mark.parametrize(("seconds", "shown"), [(0.0, "0us"), (0.00025, "250us"), (0.0123, "12.3ms"), (4.56, "4.56s")])
def test_durations_are_in_the_unit_that_reads_best(
    capsys: pytest.CaptureFixture[str], seconds: float, shown: str
) -> None:
    assert f"duration={shown} " in line_of(capsys, SessionEndEvent(duration=seconds))


# ── colours ──────────────────────────────────────────────────────────────────────────────────────


def on_terminal(monkeypatch: pytest.MonkeyPatch, *events: Event, **options: Any) -> str:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    show(ConsoleEventHandler(**options), *events)
    return terminal.getvalue()


@pytest.fixture
def capable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")


@pytest.mark.usefixtures("capable")
def test_a_terminal_gets_colours(monkeypatch: pytest.MonkeyPatch) -> None:
    failed = SessionEndEvent(Outcome.ERROR, 1.0, ErrorInfo("ValueError"))
    shown = on_terminal(monkeypatch, failed)
    assert "\x1b[31mValueError\x1b[0m" in shown


@pytest.mark.usefixtures("capable")
def test_a_file_gets_none(capsys: pytest.CaptureFixture[str]) -> None:
    assert "\x1b" not in line_of(capsys, SessionStartEvent())


@pytest.mark.usefixtures("capable")
@pytest.mark.parametrize(("variable", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")])
def test_a_terminal_that_wants_none_gets_none(monkeypatch: pytest.MonkeyPatch, variable: str, value: str) -> None:
    monkeypatch.setenv(variable, value)
    assert "\x1b" not in on_terminal(monkeypatch, SessionStartEvent())


@pytest.mark.usefixtures("capable")
def test_the_setting_beats_what_the_terminal_says(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "\x1b" in line_of(capsys, SessionStartEvent(), colour="always")
    assert "\x1b" not in on_terminal(monkeypatch, SessionStartEvent(), colour="never")


# ── where and what ───────────────────────────────────────────────────────────────────────────────


def test_standard_output_is_a_choice(capsys: pytest.CaptureFixture[str]) -> None:
    show(ConsoleEventHandler(stream="stdout"), SessionStartEvent())
    shown = capsys.readouterr()
    assert "SessionStartEvent" in shown.out
    assert shown.err == ""


def test_a_program_without_a_console_runs_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", None)
    show(ConsoleEventHandler(), SessionStartEvent())


def test_a_console_without_the_characters_gets_them_escaped(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stderr", stream)
    show(ConsoleEventHandler(), SessionStartEvent(session_id="東京"))
    stream.seek(0)
    assert "session=\\u6771\\u4eac" in stream.read()


@pytest.mark.parametrize(
    ("event", "level"),
    [
        (EventHandlerStartEvent("e", "Shipped", "h"), "debug"),
        (SessionStartEvent(), "info"),
        (LogEvent("warning", "x"), "warning"),
        (LogEvent("critical", "x"), "critical"),
        (SessionEndEvent(Outcome.CANCELLED), "warning"),
        (SessionEndEvent(Outcome.ERROR), "error"),
        (EventDroppedEvent("Shipped", "h", "queue_full"), "warning"),
        (PluginFailedEvent("bus", "nats", ErrorInfo("ImportError")), "error"),
    ],
)
def test_events_below_the_level_are_not_shown(capsys: pytest.CaptureFixture[str], event: Event, level: str) -> None:
    levels = ["debug", "info", "warning", "error", "critical"]
    shown_at = [least for least in levels if line_of(capsys, event, level=least)]
    assert shown_at == levels[: levels.index(level) + 1]


def test_only_the_events_that_are_named_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    handler = ConsoleEventHandler(events=["Shipped", "SessionEndEvent"])
    show(handler, SessionStartEvent(), Shipped(1, ()), SessionEndEvent())
    shown = [line.split()[1] for line in capsys.readouterr().err.splitlines()]
    assert shown == ["Shipped", "SessionEndEvent"]


def test_a_redactor_may_put_anything_in_the_place_of_a_field(capsys: pytest.CaptureFixture[str]) -> None:
    class Blunt:
        def redact(self, record: Any) -> Any:
            return attrs.evolve(record, fields=dict.fromkeys(record.fields, "[redacted]"))

    handler = ConsoleEventHandler()
    handler.start(None, [Blunt()])
    for event in Story.told().events:
        handler.accept(event)
    assert handler.close()
    assert handler.stats().exported == len(Story.told().events)
    assert "error=[redacted]" in capsys.readouterr().err


def test_a_request_without_tools_says_nothing_of_tools(capsys: pytest.CaptureFixture[str]) -> None:
    request = LLMRequest(messages=())
    assert "tools" not in line_of(capsys, LLMRequestEvent("c", "default", "openai", "m", True, request))


def test_structlog_is_not_configured() -> None:
    import structlog

    show(ConsoleEventHandler(), SessionStartEvent())
    assert not structlog.is_configured()


@pytest.mark.parametrize("options", [{"stream": "file"}, {"colour": "red"}, {"level": "loud"}, {"width": 1}])
def test_an_impossible_setting_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(options))):
        ConsoleEventHandler(**options)


def test_the_plugin_makes_a_handler_of_its_settings(capsys: pytest.CaptureFixture[str]) -> None:
    assert plugin.llmgine_settings() is ConsoleSettings
    settings = ConsoleSettings(stream="stdout", events=("Shipped",), ids=False)
    handler = plugin.llmgine_create_event_handler(Build(settings=settings, name="screen"))
    assert isinstance(handler, ConsoleEventHandler)
    assert handler.name == "screen"
    show(handler, SessionStartEvent(), Shipped(1, ()))
    assert "trace=" not in (shown := capsys.readouterr().out)
    assert shown.count("\n") == 1


def test_the_plugin_module_does_not_import_structlog() -> None:
    code = "import sys, llmgine_obs_console.plugin; sys.exit('structlog' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
