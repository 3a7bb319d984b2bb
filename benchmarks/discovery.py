"""What it costs to know which plugins are installed: `uv run python -m benchmarks.discovery`.

CPU time, the best of several scans in one process, with many other distributions on the path; beside it the time in
which `importlib.metadata.entry_points()` reads every entry point that there is.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

from benchmarks.table import aligned
from llmgine_core import _discovery

__all__ = ["main"]

ROUNDS = 9
METADATA = "Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n{requires}\n{description}"
REQUIRES = "".join(f"Requires-Dist: dependency-{number}>=1\n" for number in range(20))
DESCRIPTION = "A line of a description as long as most.\n" * 200


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description="Measure the scan for plugins.")
    parser.add_argument("--others", type=int, default=300, help="other distributions on the path (default: 300)")
    parser.add_argument("--offering", type=int, default=40, help="those of them that offer a plugin (default: 40)")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for number in range(given.others):
            install(Path(folder), f"other_{number}", "llmgine.llm" if number < given.offering else "console_scripts")
        sys.path.append(folder)
        limit, ours = best(metadata.entry_points), best(scan)
    rows = [("entry_points()", limit), ("plugins", ours)]
    print(aligned([("scan", "ms", "ratio"), *((n, f"{s * 1e3:.1f}", f"{s / limit:.2f}x") for n, s in rows)], left=1))


def install(folder: Path, name: str, group: str) -> None:
    """Write the metadata of a distribution with one entry point in that group."""
    info = folder / f"{name}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(METADATA.format(name=name, requires=REQUIRES, description=DESCRIPTION))
    (info / "entry_points.txt").write_text(f"[{group}]\n{name} = {name}:main\n")
    (info / "RECORD").write_text("".join(f"{name}/module_{number}.py,,\n" for number in range(60)))


def scan() -> None:
    """What the plugin host does once per process."""
    _discovery._scan.cache_clear()  # pyright: ignore[reportPrivateUsage]
    _discovery.installed()


def best(measured: Callable[[], object]) -> float:
    """The least CPU time, in seconds, of several calls."""
    times: list[float] = []
    for _ in range(ROUNDS):
        began = time.process_time()
        measured()
        times.append(time.process_time() - began)
    return min(times)


if __name__ == "__main__":
    main()
