"""Each event is one line of JSON, whatever happens to the process or the disk."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import attrs
import pytest

from llmgine_core import Event, LogEvent, SessionEndEvent, SessionStartEvent
from llmgine_core.hookspecs import Build
from llmgine_core.observability import EventRecord
from llmgine_obs_file import FileEventHandler, plugin
from llmgine_obs_file.line import line_of
from llmgine_obs_file.settings import FileSettings


def write(handler: FileEventHandler, *events: Event) -> list[dict[str, Any]]:
    """Start, show, close; returns what the file then holds, read strictly."""
    handler.start()
    for event in events:
        handler.accept(event)
    assert handler.close()
    books = handler.stats()
    assert books.accepted == books.exported == len(events)
    return read(handler.path)


def read(path: Path) -> list[dict[str, Any]]:
    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    return [json.loads(line, parse_constant=refuse) for line in path.read_bytes().splitlines()]


@attrs.frozen
class Odd(Event):
    """Holds anything."""

    value: Any


def test_a_line_carries_type_timestamp_session_and_ids(tmp_path: Path) -> None:
    event = SessionEndEvent(duration=1.5, session_id="chat-42")
    (line,) = write(FileEventHandler(tmp_path / "events.jsonl"), event)
    assert line["type"] == "SessionEndEvent"
    assert line["timestamp"] == event.timestamp.isoformat(timespec="microseconds")
    assert line["session_id"] == "chat-42"
    assert line["id"] == event.id
    assert line["trace_id"] == event.id
    assert line["span_id"] == event.id[16:]
    assert line["data"] == {"outcome": "ok", "duration": 1.5, "error": None}


def test_lines_stand_in_the_order_of_their_events(tmp_path: Path) -> None:
    events = [LogEvent("info", str(n)) for n in range(2_000)]
    lines = write(FileEventHandler(tmp_path / "events.jsonl"), *events)
    assert [line["data"]["message"] for line in lines] == [str(n) for n in range(2_000)]


def test_missing_directories_are_made(tmp_path: Path) -> None:
    assert write(FileEventHandler(tmp_path / "a" / "b" / "events.jsonl"), SessionStartEvent())


def test_the_home_directory_is_understood(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert FileEventHandler("~/events.jsonl").path == tmp_path / "events.jsonl"


def test_a_later_run_appends(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    write(FileEventHandler(path), LogEvent("info", "one"))
    lines = write(FileEventHandler(path), LogEvent("info", "two"))
    assert [line["data"]["message"] for line in lines] == ["one", "two"]


def test_a_line_that_was_cut_short_is_ended_before_the_next_is_written(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_bytes(b'{"type":"whole"}\n{"type":"to')
    handler = FileEventHandler(path)
    handler.start()
    handler.accept(LogEvent("info", "next"))
    assert handler.close()
    whole, torn, following = path.read_bytes().splitlines()
    assert json.loads(whole)["type"] == "whole"
    assert torn == b'{"type":"to'
    assert json.loads(following)["data"]["message"] == "next"


def test_opening_alone_leaves_the_file_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_bytes(b"torn")
    handler = FileEventHandler(path)
    handler.start()
    assert handler.close()
    assert path.read_bytes() == b"torn"


def test_a_write_that_fails_midway_harms_no_later_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, real_write, calls = tmp_path / "events.jsonl", os.write, iter((7, None))

    def short_then_full(file: int, data: memoryview) -> int:
        size = next(calls, 0)
        if size is None:
            raise OSError(28, "No space left on device")
        return real_write(file, data[:size] if size else data)

    handler = FileEventHandler(path)
    handler.start()
    with monkeypatch.context() as patched:
        patched.setattr(os, "write", short_then_full)
        handler.accept(LogEvent("info", "lost"))
        assert handler.flush()
    handler.accept(LogEvent("info", "kept"))
    assert handler.close()
    books = handler.stats()
    assert (books.accepted, books.exported, books.failed) == (2, 1, 1)
    torn, whole = path.read_bytes().splitlines()
    assert len(torn) == 7
    assert json.loads(whole)["data"]["message"] == "kept"


def test_a_batch_is_one_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writes: list[int] = []
    real_write = os.write

    def counted(file: int, data: memoryview) -> int:
        writes.append(len(data))
        return real_write(file, data)

    handler = FileEventHandler(tmp_path / "events.jsonl")
    handler.open_exporter()
    monkeypatch.setattr(os, "write", counted)
    handler.export([EventRecord.of(event, {}) for event in (SessionStartEvent(), SessionEndEvent())])
    handler.close_exporter()
    assert len(writes) == 1


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (math.nan, "NaN"),
        (math.inf, "Infinity"),
        ([-math.inf], ["-Infinity"]),
        ({"a": (1, math.nan)}, {"a": [1, "NaN"]}),
        ("\ud800", "\ud800"),
        ("line\nbreak\u2028", "line\nbreak\u2028"),
        ({1: 2}, {"1": 2}),
        (10**10, 10**10),
    ],
)
def test_what_json_cannot_say_is_said_as_text(tmp_path: Path, value: Any, written: Any) -> None:
    (line,) = write(FileEventHandler(tmp_path / "events.jsonl"), Odd(value))
    assert line["data"]["value"] == written


def test_what_a_redactor_puts_in_is_written_even_where_it_is_no_json() -> None:
    line = line_of(EventRecord.of(Odd(1), {"value": {(1, 2): b"bytes"}}))
    assert json.loads(line)["data"]["value"] == {"(1, 2)": "b'bytes'"}


def test_a_number_too_long_to_write_costs_only_its_records_fields() -> None:
    line = json.loads(line_of(EventRecord.of(Odd(1), {"value": 10**5_000})))
    assert "digits" in line["data"]["unwritable"]
    assert line["type"] == Odd.type_name


@pytest.mark.parametrize("bottom", [[], [math.nan]])
def test_fields_too_deep_to_write_cost_only_themselves(tmp_path: Path, bottom: Any) -> None:
    deep = bottom
    for _ in range(100_000):
        deep = [deep]
    handler = FileEventHandler(tmp_path / "events.jsonl")
    handler.open_exporter()
    handler.export([EventRecord.of(Odd(1), {"value": deep}), EventRecord.of(Odd(2), {"value": 2})])
    handler.close_exporter()
    first, second = read(handler.path)
    assert "unwritable" in first["data"]
    assert second["data"] == {"value": 2}
    while deep:  # taken apart by hand: freeing it at once would nest as deep
        deep = deep[0] if isinstance(deep[0], list) else None


@pytest.mark.parametrize(("fsync", "least"), [("always", 3), ("interval", 2), ("never", 0)])
def test_the_disk_is_waited_for_as_often_as_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fsync: Any, least: int
) -> None:
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", synced.append)
    handler = FileEventHandler(tmp_path / "events.jsonl", fsync=fsync, fsync_interval=3600)
    handler.start()
    for message in ("one", "two"):
        handler.accept(LogEvent("info", message))
        assert handler.flush()
    assert handler.close()
    assert len(synced) == least


def test_several_processes_share_a_file(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    code = (
        "import sys; from llmgine_core import LogEvent; from llmgine_obs_file import FileEventHandler\n"
        "handler = FileEventHandler(sys.argv[1]); handler.start()\n"
        "for n in range(500): handler.accept(LogEvent('info', 'x' * 300, {'n': n, 'by': sys.argv[2]}))\n"
        "assert handler.close()\n"
    )
    writers = [subprocess.Popen([sys.executable, "-c", code, str(path), str(n)]) for n in range(3)]
    assert [writer.wait() for writer in writers] == [0, 0, 0]
    lines = read(path)
    for writer in "012":
        fields = [line["data"]["fields"] for line in lines if line["data"]["fields"]["by"] == writer]
        assert [f["n"] for f in fields] == list(range(500))


def test_a_file_that_cannot_be_opened_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError):
        FileEventHandler(tmp_path).start()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_does_for_a_file(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    reader = subprocess.Popen(["cat", str(path)], stdout=subprocess.PIPE)
    handler = FileEventHandler(path, fsync="always")
    handler.start()
    handler.accept(SessionStartEvent())
    assert handler.close()
    output, _ = reader.communicate()
    assert json.loads(output)["type"] == "SessionStartEvent"
    assert handler.stats().exported == 1


def test_an_impossible_setting_is_refused() -> None:
    with pytest.raises(ValueError, match="fsync"):
        FileEventHandler(fsync="sometimes")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def test_exporting_before_the_start_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="call start"):
        FileEventHandler(tmp_path / "events.jsonl").export([])


def test_the_plugin_makes_a_handler_of_its_settings(tmp_path: Path) -> None:
    assert plugin.llmgine_settings() is FileSettings
    settings = FileSettings(path=str(tmp_path / "audit.jsonl"), fsync="always")
    handler = plugin.llmgine_create_event_handler(Build(settings=settings, name="audit"))
    assert isinstance(handler, FileEventHandler)
    assert handler.name == "audit"
    assert write(handler, SessionStartEvent())
