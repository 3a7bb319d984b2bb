"""The table of what it costs to know which plugins are installed."""

import json
import sys
from importlib import metadata
from pathlib import Path

import pytest

from benchmarks import discovery
from llmgine_core import _discovery


def test_each_number_of_distributions_gets_a_line_and_the_figures_can_be_had_as_json(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """The ratio is that of both times, and the distributions are those of the environment and the others."""
    monkeypatch.setattr(discovery, "CASES", ((0, 0), (5, 2)))
    installed = sum(1 for _ in metadata.distributions())
    discovery.main(["--repeat", "1", "--json", str(tmp_path / "figures.json")])
    bare, others = json.loads((tmp_path / "figures.json").read_text())
    assert (bare["distributions"], others["distributions"]) == (installed, installed + 5)
    assert others["ratio"] == others["scan"] / others["limit"] > 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[:3] for line in lines[-2:]] == [["0", "0", str(installed)], ["5", "2", str(installed + 5)]]


def test_the_others_are_found_meanwhile_and_gone_afterwards() -> None:
    """Those that offer a plugin are what the scan finds more."""
    before = _discovery.installed()
    path = [*sys.path]
    with discovery.site(5, 2):
        discovery.forget()
        more = {entry.name for entry in _discovery.installed()} - {entry.name for entry in before}
    assert more == {"other-0", "other-1"}
    assert sys.path == path
    assert _discovery.installed() == before
