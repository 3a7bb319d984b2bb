"""The page of the command shows what the command prints, and has every key of its JSON."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "reference" / "cli.md").read_text(encoding="utf-8")
(FILE,) = re.findall(r"^```toml\n# llmgine\.toml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
SECTIONS = dict(re.findall(r"^## `llmgine ([\w ]+)`\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL))
EXAMPLES = [
    (command, output)
    for block in re.findall(r"^```console\n(.*?)^```$", "\n".join(SECTIONS.values()), re.MULTILINE | re.DOTALL)
    for command, output in re.findall(r"^\$ (.+)\n((?:(?!\$ ).*\n)*)", block, re.MULTILINE)
]


@pytest.fixture(autouse=True)
def _in_the_folder_of_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("LLMGINE_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    Path("llmgine.toml").write_text(FILE, encoding="utf-8")


def run(line: str) -> str:
    """Standard output of a line such as `VARIABLE=value llmgine plugins list`."""
    words = shlex.split(line)
    start = words.index("llmgine")
    variables = dict(word.split("=", 1) for word in words[:start])
    command = [sys.executable, "-m", "llmgine_core.cli", *words[start + 1 :]]
    done = subprocess.run(
        command, env={**os.environ, **variables}, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode in {0, 1}, done.stderr
    return done.stdout


def keys(section: str) -> set[str]:
    """What a section's table has."""
    return set(re.findall(r"^\| `(\w+)` \|", SECTIONS[section], re.MULTILINE))


def answer(command: str) -> Any:
    return json.loads(run(f"llmgine {command} --json"))


def test_it_has_examples() -> None:
    assert {command.split("llmgine ")[1].split(" --")[0].rpartition(" ")[0] for command, _ in EXAMPLES} >= {
        "plugins show",
        "plugins why",
        "config",
    }


@pytest.mark.parametrize(("command", "output"), EXAMPLES)
def test_its_examples_print_what_it_shows(command: str, output: str) -> None:
    """`…` stands for anything."""
    pattern = ".*".join(map(re.escape, output.split("…")))
    assert re.fullmatch(pattern, run(command), re.DOTALL)


def test_it_has_the_keys_of_every_answer() -> None:
    entry = {"kind", "name", "target", "distribution", "version"}
    assert keys("plugins list") == set(answer("plugins list")[0])
    assert keys("plugins show") | entry == set(answer("plugins show otel")[0])
    assert keys("plugins why") == set(answer("plugins why otel")[0])
    shown = answer("config show")
    assert keys("config show") == set(shown)
    assert set(shown["values"][0]) == {"key", "value", "where", "overrides"}
    examined = answer("doctor")
    assert keys("doctor") == set(examined)
    assert set(examined["plugins"][0]) == {"kind", "name", "plugin", "fit", "steps"}
    assert set(examined["plugins"][0]["steps"][0]) == {"step", "ok", "seconds", "error", "facts"}
