"""Every Python block of README and docs runs, and prints what the `text` block behind it says."""

from __future__ import annotations

import itertools
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
Block = tuple[str, str]


def blocks(page: Path) -> list[Block]:
    return BLOCK.findall(page.read_text(encoding="utf-8"))


def programs() -> list[object]:
    """Each complete program (it runs something) with the output that the page states, if it does."""
    found: list[object] = []
    for page in PAGES:
        rows = [*blocks(page), ("", "")]
        for number, ((language, code), (next_language, text)) in enumerate(itertools.pairwise(rows)):
            if language == "python" and "asyncio.run(" in code:
                output = text if next_language == "text" else ""
                found.append(pytest.param(code, output, id=f"{page.relative_to(ROOT)}-{number}"))
    return found


@pytest.mark.parametrize(("code", "output"), programs())
def test_programs_run_and_print_what_the_page_says(code: str, output: str, tmp_path: Path) -> None:
    """A page's program exits 0, and each line of the output it promises is printed, in order."""
    (tmp_path / "program.py").write_text(code, encoding="utf-8")
    command = [sys.executable, "-W", "error", "program.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    printed = done.stdout.splitlines()
    promised = output.splitlines()
    assert [line for line in printed if line in promised] == promised


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    """A relative link names a file that exists."""
    links = re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text(encoding="utf-8"))
    assert [link for link in links if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_toml_blocks_are_toml(page: Path) -> None:
    """A `toml` block parses."""
    for language, text in blocks(page):
        if language == "toml":
            tomllib.loads(text)
