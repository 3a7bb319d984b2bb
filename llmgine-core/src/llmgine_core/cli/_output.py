"""How the command writes: tables, colours where a terminal shows them, JSON, complaints."""

from __future__ import annotations

import json
import math
import os
import shutil
import sys
import textwrap
from collections.abc import Mapping, Sequence
from itertools import zip_longest
from typing import Any, cast

__all__ = ["complain", "indented", "painted", "print_json", "print_table", "printable"]

_CODES = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33"}
_GAP = "  "
_NARROWEST = 8


def painted(text: str, colour: str) -> str:
    """The text in that colour (`bold`, `dim`, `red`, `green`, `yellow`), where colours are shown."""
    return f"\x1b[{_CODES[colour]}m{text}\x1b[0m" if text and _has_colour() else text


def _has_colour() -> bool:
    """Whether to write colours: see https://no-color.org and https://force-color.org."""
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    return sys.stdout.isatty() and os.environ.get("TERM") != "dumb"


def printable(text: str) -> str:
    """The text with escapes in the place of what would move a terminal's cursor or worse."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def indented(text: str, by: str) -> str:
    """The lines of a text, each made printable, behind a margin."""
    return "\n".join(f"{by}{printable(line)}" for line in text.splitlines())


def complain(text: str) -> None:
    """Write to standard error what is wrong."""
    print(indented(f"llmgine {text}", ""), file=sys.stderr)


def print_json(data: Any) -> None:
    """Write data as JSON; what JSON has no form for is written as text."""
    print(json.dumps(_plain(data), indent=2, default=str))


def _plain(data: Any) -> Any:
    if isinstance(data, Mapping):
        return {str(key): _plain(value) for key, value in cast("Mapping[str, Any]", data).items()}
    if isinstance(data, (list, tuple)):
        return [_plain(each) for each in cast("Sequence[Any]", data)]
    return str(data) if isinstance(data, float) and not math.isfinite(data) else data


def print_table(header: Sequence[str], rows: Sequence[Sequence[str]], colours: Mapping[int, str]) -> None:
    """Write a table. On a terminal it is made to fit; elsewhere each row is one line.

    Args:
        header: the columns' titles.
        rows: the cells.
        colours: the colours of columns, by their number.
    """
    lines = [list(header), *([printable(cell) for cell in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    if sys.stdout.isatty():
        widths = _fitted(widths, shutil.get_terminal_size().columns)
    for number, row in enumerate(lines):
        _print_row(row, widths, colours if number else dict.fromkeys(range(len(row)), "bold"))


def _fitted(widths: Sequence[int], available: int) -> list[int]:
    """The widths, the widest made narrower until the table fits; of two, the one on the right."""
    fitted, room = list(widths), available - len(_GAP) * (len(widths) - 1)
    while sum(fitted) > room and max(fitted) > _NARROWEST:
        fitted[max(range(len(fitted)), key=lambda column: (fitted[column], column))] -= 1
    return fitted


def _print_row(row: Sequence[str], widths: Sequence[int], colours: Mapping[int, str]) -> None:
    folded = [_folded(cell, width) for cell, width in zip(row, widths, strict=True)]
    for parts in zip_longest(*folded, fillvalue=""):
        cells: list[str] = []
        last = max((i for i, part in enumerate(parts) if part), default=-1)
        for i, part in enumerate(parts[: last + 1]):
            padding = "" if i == last else " " * (widths[i] - len(part))
            cells.append((painted(part, colours[i]) if i in colours else part) + padding)
        print(_GAP.join(cells))


def _folded(cell: str, width: int) -> list[str]:
    return [cell] if len(cell) <= width else textwrap.wrap(cell, width, break_on_hyphens=False)
