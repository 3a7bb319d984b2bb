"""Shows rows: as a table for readers, as JSON for programs. Units are turned into readable ones here."""

from __future__ import annotations

import platform
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from benchmarks.loops import Size
from benchmarks.running import Row

__all__ = ["as_json", "describe", "peers_table", "table"]

SCALE: Final = {"µs": 1e6, "ms": 1e3, "bytes": 1.0, "MB": 1.0, "": 1.0}
HEAD: Final = ("name", "measure", "limit", "llmgine", "unit", "ratio", "must", "aim", "verdict")


def table(rows: Iterable[Row]) -> str:
    """The table of our own figures."""
    return aligned([HEAD, *map(cells, rows)], left=2)


def cells(row: Row) -> tuple[str, ...]:
    """One row, as text."""
    measure, scale = row.measure, SCALE[row.measure.unit]
    times, factor = ("x", 1.0) if measure.bound == "ratio" else ("", scale)
    return (
        measure.name,
        measure.title,
        number(row.limit, scale),
        number(row.value, scale),
        measure.unit,
        f"{number(row.ratio)}x" if row.ratio is not None else "-",
        f"≤ {number(measure.must, factor)}{times}" if measure.must is not None else "-",
        f"≤ {number(measure.aim, factor)}{times}" if measure.aim is not None else "-",
        row.verdict.upper() if row.verdict == "missed" else row.verdict,
    )


def peers_table(results: Mapping[str, Sequence[Row]]) -> str:
    """The table of buses side by side: the ratio where a limit exists, else the figure.

    Args:
        results: by name of the bus, a row for each measure, in the same order.
    """
    columns = [[row.measure.title for row in next(iter(results.values()))]]
    columns += [[ratio_or_value(row) for row in rows] for rows in results.values()]
    return aligned([("measure", *results), *zip(*columns, strict=True)], left=1)


def ratio_or_value(row: Row) -> str:
    """What compares best between buses."""
    if row.ratio is not None and row.measure.bound == "ratio":
        return f"{number(row.ratio)}x"
    return f"{number(row.value, SCALE[row.measure.unit])} {row.measure.unit}".rstrip()


def number(value: float | None, scale: float = 1.0) -> str:
    """Three significant digits, without exponent; a dash for none."""
    if value is None:
        return "-"
    scaled = value * scale
    if scaled >= 100 or scaled == int(scaled):
        return f"{scaled:,.0f}"
    return f"{scaled:.1f}" if scaled >= 10 else f"{scaled:.2f}"


def aligned(lines: Sequence[Sequence[str]], *, left: int) -> str:
    """Columns below one another.

    Args:
        lines: the first is the head.
        left: how many columns are flush left; the others are flush right.
    """
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    rule = ["─" * width for width in widths]
    shown = [lines[0], rule, *lines[1:]]
    return "\n".join("  ".join(pad(line, widths, left)).rstrip() for line in shown)


def pad(line: Sequence[str], widths: Sequence[int], left: int) -> Iterable[str]:
    """The cells of a line, each as wide as its column."""
    for position, (cell, width) in enumerate(zip(line, widths, strict=True)):
        yield cell.ljust(width) if position < left else cell.rjust(width)


def describe(size: Size, repeat: int) -> str:
    """What the figures were taken with."""
    interpreter = f"{platform.python_implementation()} {platform.python_version()}, {platform.system()}"
    return f"{interpreter} {platform.machine()}; best of {repeat} rounds of {size.operations:,}; many = {size.live:,}"


def as_json(rows: Iterable[Row]) -> list[dict[str, Any]]:
    """The rows as JSON data, in the units that each names."""
    return [row_as_json(row) for row in rows]


def row_as_json(row: Row) -> dict[str, Any]:
    """One row as JSON data."""
    measure, scale = row.measure, SCALE[row.measure.unit]
    factor = 1.0 if measure.bound == "ratio" else scale
    return {
        "name": measure.name,
        "title": measure.title,
        "unit": measure.unit,
        "limit": scaled(row.limit, scale),
        "value": scaled(row.value, scale),
        "ratio": row.ratio,
        "must": scaled(measure.must, factor),
        "aim": scaled(measure.aim, factor),
        "bound": measure.bound,
        "verdict": row.verdict,
        "note": row.note,
    }


def scaled(value: float | None, scale: float) -> float | None:
    """The value in another unit; none stays none."""
    return None if value is None else value * scale
