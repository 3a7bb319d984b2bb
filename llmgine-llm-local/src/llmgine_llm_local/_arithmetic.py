"""Arithmetic in words, in symbols."""

from __future__ import annotations

import re

__all__ = ["arithmetic"]

_SYMBOLS = {
    "plus": "+",
    "minus": "-",
    "times": "*",
    "multiplied by": "*",
    "x": "*",
    "divided by": "/",
    "over": "/",
    "to the power of": "**",
}
_WORDS = re.compile(
    rf"(?<=[\d)])\s*\b({'|'.join(sorted(_SYMBOLS, key=len, reverse=True))})\b\s*(?=[\d(-])", re.IGNORECASE
)
_NUMBER = r"\(*-?\d+(?:\.\d+)?\)*"
# A minus stands apart: "10-12" is as likely a range or part of a date.
_SUM = re.compile(rf"{_NUMBER}(?:(?:\s*(?:\*\*|[+*/%^])\s*|\s+-\s+){_NUMBER})+")


def arithmetic(text: str) -> list[str]:
    """The calculations in a text, in symbols: "how much is 12 times 7?" holds "12 * 7"."""
    return _SUM.findall(_WORDS.sub(lambda found: f" {_SYMBOLS[found[1].lower()]} ", text))
