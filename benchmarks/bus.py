"""Measures llmgine's bus: `uv run --group dev python benchmarks/bus.py`.

Every figure stands beside a limit, taken in turns with it in the same process: what asyncio alone needs for the same.
What each measure is, is told in docs/reference/benchmarks.md.
"""

from __future__ import annotations

import argparse
import difflib
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

# The modules beside this file are imported by their full names, also when it is run by its path.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import attrs

from benchmarks.loops import Size
from benchmarks.measures import MEASURES, Measure
from benchmarks.ours import OURS
from benchmarks.peers import registry
from benchmarks.profiling import profile
from benchmarks.running import Row, missed, run
from benchmarks.table import as_json, describe, peers_table, table

__all__ = ["main"]


class UnknownMeasureError(argparse.ArgumentTypeError):
    """No measure has that name."""

    def __init__(self, name: str) -> None:
        known = [measure.name for measure in MEASURES]
        near = difflib.get_close_matches(name, known)
        hint = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(known)}"
        super().__init__(f"no measure is called {name!r}; {hint}")


def measure_named(name: str) -> Measure:
    """The measure of that name.

    Raises:
        UnknownMeasureError: there is none.
    """
    for measure in MEASURES:
        if measure.name == name:
            return measure
    raise UnknownMeasureError(name)


def override(text: str) -> tuple[str, float]:
    """A measure's name and another `must` for it, of `NAME=FIGURE`.

    Raises:
        ArgumentTypeError: the text is something else, or there is no such measure.
    """
    name, equals, figure = text.partition("=")
    try:
        return measure_named(name).name, float(figure)
    except ValueError:
        told = f"{figure!r} is no number" if equals else "there is no '='"
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=FIGURE: {told}") from None


def positive(text: str) -> int:
    """A number of at least 1.

    Raises:
        ArgumentTypeError: it is less.
        ValueError: it is no number.
    """
    if (number := int(text)) < 1:
        raise argparse.ArgumentTypeError(f"{number} is less than 1")
    return number


def parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(prog="benchmarks/bus.py", description=__doc__)
    parser.add_argument("--only", nargs="+", type=measure_named, metavar="NAME", help="measure these only")
    parser.add_argument("--repeat", type=positive, default=20, help="rounds, of which the best counts (%(default)s)")
    parser.add_argument("--operations", type=positive, default=10_000, help="operations in a round (%(default)s)")
    parser.add_argument("--live", type=positive, default=100_000, help="what `many` sessions are (%(default)s)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    parser.add_argument("--gate", action="store_true", help="exit with 1 if a figure misses what it must reach")
    parser.add_argument(
        "--must", nargs="+", type=override, default=[], metavar="NAME=FIGURE", help="hold a measure to another figure"
    )
    parser.add_argument("--peers", action="store_true", help="measure the other buses that are installed, too")
    parser.add_argument(
        "--profile", type=measure_named, metavar="NAME", help="show what takes the time, and nothing else"
    )
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Measure what the command line asks for; returns the exit status.

    Args:
        argv: the arguments; by default the process's.
    """
    options = parser().parse_args(argv)
    size = Size(operations=options.operations, live=options.live)
    if options.profile:
        print(profile(options.profile, OURS, size))
        return 0
    musts = dict(options.must)
    measures = [attrs.evolve(each, must=musts.get(each.name, each.must)) for each in options.only or MEASURES]
    rows = [told(run(measure, OURS, size, options.repeat)) for measure in measures]
    print(f"{describe(size, options.repeat)}\n\n{table(rows)}")
    document: dict[str, Any] = {"setting": describe(size, options.repeat), "rows": as_json(rows)}
    if options.peers:
        document["peers"] = beside_peers(rows, size, options.repeat)
    if options.json:
        options.json.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return verdict(rows) if options.gate else 0


def told(row: Row) -> Row:
    """Say on the standard error output which measure is done, for who waits."""
    print(f"{row.measure.name}: {row.verdict}", file=sys.stderr, flush=True)
    return row


def beside_peers(rows: Sequence[Row], size: Size, repeat: int) -> dict[str, Any]:
    """Measure the peers, print them beside our rows; returns them as JSON data."""
    comparable = [row for row in rows if row.measure.peers]
    measures = [row.measure for row in comparable]
    peers, absent = registry.load()
    results = {peer.name: registry.figures(peer, measures, size, repeat) for peer in peers}
    print(f"\n{peers_table({OURS.name: comparable, **results})}")
    for name, reason in absent.items():
        print(f"{name}: {reason}")
    return {"measured": {name: as_json(figures) for name, figures in results.items()}, "absent": absent}


def verdict(rows: list[Row]) -> int:
    """The exit status of `--gate`, said on the standard error output."""
    failures = missed(rows)
    for row in failures:
        print(f"missed: {row.measure.name} {row.note}".rstrip(), file=sys.stderr)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
