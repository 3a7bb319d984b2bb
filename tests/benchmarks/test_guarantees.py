"""The table of what each guarantee costs."""

import re

import anyio
import pytest

from benchmarks import guarantees


def test_each_step_gets_a_line_with_what_it_adds(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """From the bare handler to the bus, and from making an event to its delivery."""
    monkeypatch.setattr(guarantees, "OPERATIONS", 5)
    monkeypatch.setattr(guarantees, "ROUNDS", 2)
    anyio.run(guarantees.main)
    lines = capsys.readouterr().out.splitlines()
    assert len([line for line in lines if re.search(r"\S +\d+ +[+-]\d+$", line)]) == 12
