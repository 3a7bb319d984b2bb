"""Words of a message: their stems, spans and numbers, as the stages need them."""

from __future__ import annotations

import re
from collections.abc import Iterator

__all__ = ["numbers", "spans", "split_name", "stems"]

_COMMON = """
a about an and any are at be by can could did do does for from give had has have here how i if in is it let like many me
more much my need no not now of on or our out please right show so some tell that the there this times to today up us
want was we what when where which will with would you your
"""
_NO_EDGES = """
a about an and are at by can could do does for from how in is like me of on or please tell than the to was were what
what's which will with would
"""
_NUMERALS = """
zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen
nineteen twenty
"""
# They say nothing of what a message is about.
_common = frozenset(_COMMON.split())
# No value of an argument begins or ends with one of these; "I am late" is a value, "in Tokyo" is not.
_no_edges = frozenset(_NO_EDGES.split())
_numerals = _NUMERALS.split()
_MARKS = ".,;:?!\"'`()[]{}<>“”"
_SUFFIXES = ("ing", "ies", "ed", "es", "s")
_LONGEST_SPAN = 8
_SHORT = 3


def split_name(name: str) -> list[str]:
    """The words of an identifier: `get_time`, `getTime` and `get-time` are get and time."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|[^A-Za-z0-9]+", " ", name).lower().split()


def stems(text: str) -> frozenset[str]:
    """The stems of the words that say what a text is about."""
    return frozenset(_stem(word) for word in re.findall(r"[^\W\d_]+", text.lower()) if word not in _common)


def _stem(word: str) -> str:
    suffix = next((end for end in _SUFFIXES if word.endswith(end) and len(word) - len(end) >= 3), "")
    stem = word.removesuffix(suffix)
    doubled = len(stem) > 4 and stem[-1] == stem[-2]
    return (stem[:-1] if doubled else stem).rstrip("e") or word


def spans(text: str) -> list[str]:
    """Runs of words that may be the value of an argument, each once: what is quoted first, then in order."""
    quoted = re.findall(r"[\"“]([^\"“”]+)[\"”]", text)
    words = text.split()
    runs = (
        " ".join(words[start:end]).strip(_MARKS)
        for start in range(len(words))
        for end in range(start + 1, min(start + _LONGEST_SPAN, len(words)) + 1)
        # A whole sentence asks for something; what it asks for is a part of it.
        if end - start < len(words) or len(words) <= _SHORT
    )
    return list(dict.fromkeys([*quoted, *filter(_may_be_value, runs)]))


def _may_be_value(span: str) -> bool:
    words = [word.strip(_MARKS).lower() for word in span.split()]
    return bool(words) and words[0] not in _no_edges and words[-1] not in _no_edges and bool(words[0] and words[-1])


def numbers(text: str) -> list[int | float]:
    """The numbers in a text, in digits or in words up to twenty, each once, in order."""
    return list(dict.fromkeys(_numbers(text)))


def _numbers(text: str) -> Iterator[int | float]:
    # A hyphen after a letter or a digit joins ("20-sided", "3-4"); elsewhere it is a sign.
    for digits, word in re.findall(r"((?<![\w.])-?\d[\d,]*(?:\.\d+)?|\d[\d,]*(?:\.\d+)?)|([A-Za-z]+)", text):
        if digits:
            plain = digits.replace(",", "")
            yield float(plain) if "." in plain else int(plain)
        elif word.lower() in _numerals:
            yield _numerals.index(word.lower())
