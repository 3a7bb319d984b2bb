"""Lines of standard input."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import anyio
import pytest

from llmgine_agent._lines import Lines


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """A pipe: the end to read and the end to write."""
    reader, writer = os.pipe()
    yield reader, writer
    for end in (reader, writer):
        try:
            os.close(end)
        except OSError:
            assert end == writer  # a test has closed it to end the input


async def test_lines_come_one_by_one_while_the_pipe_stays_open(pipe: tuple[int, int]) -> None:
    """Two lines that arrive at once are two lines, without waiting for more."""
    reader, writer = pipe
    os.write(writer, b"one\ntwo\r\nthr")
    lines = Lines(reader)
    with anyio.fail_after(5):
        assert [await lines.next(), await lines.next()] == ["one", "two"]
    os.write(writer, "ee ü\n".encode())
    assert await lines.next() == "three ü"


async def test_the_last_line_needs_no_end_and_then_there_is_none(pipe: tuple[int, int]) -> None:
    """At the end of input the rest is a line, and then nothing."""
    reader, writer = pipe
    os.write(writer, b"last")
    os.close(writer)
    lines = Lines(reader)
    assert [await lines.next(), await lines.next(), await lines.next()] == ["last", None, None]


async def test_a_plain_file_is_read_too(tmp_path: Path) -> None:
    """No event loop can wait for a file; it is read all the same."""
    (tmp_path / "input").write_bytes(b"a\n\nb\n\xff\n")
    with (tmp_path / "input").open("rb") as file:
        lines = Lines(file.fileno())
        assert [await lines.next() for _ in range(5)] == ["a", "", "b", "\N{REPLACEMENT CHARACTER}", None]


async def test_waiting_for_a_line_can_be_cancelled(pipe: tuple[int, int]) -> None:
    """Nothing is left behind, and nothing is lost: the line that comes later is read."""
    reader, writer = pipe
    lines = Lines(reader)
    with anyio.move_on_after(0.01) as scope:
        await lines.next()
    assert scope.cancelled_caught
    os.write(writer, b"late\n")
    assert await lines.next() == "late"
