"""One switch for content, and one set of ids, on the console, in the file and over OTLP."""

from __future__ import annotations

import json
from pathlib import Path

import attrs
import pytest

from llmgine_core.observability import ObservabilityEventHandler
from llmgine_obs_console import ConsoleEventHandler
from llmgine_obs_file import FileEventHandler
from llmgine_obs_otel import OpenTelemetryEventHandler
from tests.obs_otel.collector import Collector, collector
from tests.obs_otel.story import SECRET, Story, run


@attrs.frozen
class Told:
    """What each of the three made of one turn."""

    console: str
    file: bytes
    collector: Collector


def tell(story: Story, folder: Path, capsys: pytest.CaptureFixture[str], *, content: bool) -> Told:
    path = folder / "events.jsonl"
    with collector() as running:
        handlers: list[ObservabilityEventHandler] = [
            ConsoleEventHandler(width=10_000),
            FileEventHandler(path),
            OpenTelemetryEventHandler(running.endpoint, interval=0),
        ]
        for handler in handlers:
            run(handler, *story.events, content=content)
        return Told(capsys.readouterr().err, path.read_bytes(), running)


def test_without_content_no_word_of_users_models_or_tools_leaves_the_process(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = tell(Story.told(), tmp_path, capsys, content=False)
    assert SECRET not in told.console
    assert SECRET.encode() not in told.file
    assert SECRET.encode() not in told.collector.raw()
    assert told.console
    assert told.file
    assert told.collector.raw()


def test_with_content_all_three_tell_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = tell(Story.told(), tmp_path, capsys, content=True)
    for words in (f"tool says {SECRET}", f"no such city: {SECRET}", f"failed {SECRET}"):
        assert words in told.console
    for words in (f"ask {SECRET}", f"system {SECRET}", f"answer {SECRET}", f"tool says {SECRET}", f"failed {SECRET}"):
        assert words.encode() in told.file
        assert words.encode() in told.collector.raw()


def test_one_event_has_the_same_ids_on_the_console_in_the_file_and_as_a_span(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = tell(Story.told(), tmp_path, capsys, content=False)
    by_type = {line["type"]: line for line in map(json.loads, told.file.splitlines())}
    spans = {"LLMResponseEvent": "chat gpt-5-mini", "ToolExecuteResultEvent": "execute_tool get_time"}
    for event_type, name in spans.items():
        line, span = by_type[event_type], told.collector.span(name)
        assert (line["trace_id"], line["span_id"]) == (span.trace_id.hex(), span.span_id.hex())
        (shown,) = [text for text in told.console.splitlines() if f" {event_type} " in text]
        assert f"trace={line['trace_id']} span={line['span_id']}" in shown
