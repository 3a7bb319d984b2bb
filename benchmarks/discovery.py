"""Shows what it costs to know which plugins are installed: `uv run --group dev python benchmarks/discovery.py`.

The scan for plugins is measured beside `importlib.metadata.entry_points()`, which reads every entry point that there
is, over the same path in the same process. Both take turns, round by round, each with all caches empty as in a new
process; of all rounds the one with the least CPU time counts.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
import tempfile
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from time import process_time
from typing import Any

import attrs

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.table import aligned, number
from llmgine_core import _discovery

__all__ = ["Figure", "main", "measure"]

CASES = ((0, 0), (300, 0), (300, 40))
"""How many other distributions there are, and how many of these offer a plugin."""

METADATA = "Metadata-Version: 2.4\nName: {name}\nVersion: 1.0\n{requires}\n{description}"
REQUIRES = "".join(f"Requires-Dist: dependency-{each}>=1\n" for each in range(20))
DESCRIPTION = "A line of a description that is as long as most of them are.\n" * 200
RECORD = "".join(f"package/module_{each}.py,sha256={'x' * 43},4096\n" for each in range(60))


@attrs.frozen
class Figure:
    """What was measured of one path.

    Attributes:
        others: distributions that were added to those of the environment.
        offering: how many of them offer a plugin.
        distributions: how many there were in all.
        limit: CPU seconds of `importlib.metadata.entry_points()`.
        scan: CPU seconds of the scan for plugins.
    """

    others: int
    offering: int
    distributions: int
    limit: float
    scan: float

    @property
    def ratio(self) -> float:
        """The scan in calls of `entry_points()`."""
        return self.scan / self.limit

    def cells(self) -> tuple[str, ...]:
        """Its row of the table."""
        counts = str(self.others), str(self.offering), str(self.distributions)
        return *counts, number(self.limit, 1e3), number(self.scan, 1e3), f"{number(self.ratio)}x"


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description="Measure the scan for plugins.")
    parser.add_argument("--repeat", type=int, default=20, metavar="N", help="rounds of each (default: 20)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too, in seconds")
    given = parser.parse_args(arguments)
    figures = [measure(others, offering, given.repeat) for others, offering in CASES]
    head = ("others", "with a plugin", "distributions", "entry_points() ms", "scan ms", "ratio")
    print(f"{platform.python_implementation()} {platform.python_version()}; CPU time, best of {given.repeat} rounds\n")
    print(aligned([head, *(figure.cells() for figure in figures)], left=0))
    if given.json:
        rows: list[dict[str, Any]] = [{**attrs.asdict(figure), "ratio": figure.ratio} for figure in figures]
        given.json.write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")


def measure(others: int, offering: int, repeat: int) -> Figure:
    """Measure the scan with so many other distributions on the path.

    Args:
        others: how many.
        offering: how many of them offer a plugin.
        repeat: rounds.
    """
    with site(others, offering):
        count = sum(1 for _ in metadata.distributions())
        rounds = [(time_of(metadata.entry_points), time_of(_discovery.installed)) for _ in range(repeat)]
    limit, scan = map(min, zip(*rounds, strict=True))
    return Figure(others, offering, count, limit, scan)


@contextmanager
def site(others: int, offering: int) -> Generator[None]:
    """A folder on the path with that many distributions."""
    with tempfile.TemporaryDirectory() as folder:
        for each in range(others):
            install(Path(folder), f"other-{each}", "llmgine.llm" if each < offering else "console_scripts")
        sys.path.append(folder)
        try:
            yield
        finally:
            sys.path.remove(folder)
            forget()


def install(folder: Path, name: str, group: str) -> None:
    """Write what an installer leaves of a distribution with one entry point in that group."""
    info = folder / f"{name.replace('-', '_')}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(METADATA.format(name=name, requires=REQUIRES, description=DESCRIPTION))
    (info / "entry_points.txt").write_text(f"[{group}]\n{name} = package:main\n")
    (info / "RECORD").write_text(RECORD)


def time_of(function: Callable[[], object]) -> float:
    """CPU seconds of a call for which nothing is known yet."""
    forget()
    start = process_time()
    function()
    return process_time() - start


def forget() -> None:
    """Empty our cache of what is installed, and Python's of what lies in the folders of the path."""
    _discovery._scan.cache_clear()  # pyright: ignore[reportPrivateUsage]
    metadata.MetadataPathFinder().invalidate_caches()  # of an object, since Python 3.11 lacks the @classmethod


if __name__ == "__main__":
    main()
