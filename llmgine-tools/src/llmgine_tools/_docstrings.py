"""What a docstring says: of the whole, and of each parameter."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from typing import Any

import attrs

__all__ = ["Documentation", "class_documentation", "read_docstring"]

_SECTIONS = re.compile(
    r"^\s*(:\w+|@\w+|[A-Z][a-z]+( [A-Z][a-z]+)?:\s*$|-{3,}\s*$)",
    re.MULTILINE,
)


@attrs.frozen
class Documentation:
    """A docstring, read.

    Attributes:
        text: its words without the sections.
        parameters: what it says of each parameter or attribute.
    """

    text: str = ""
    parameters: Mapping[str, str] = attrs.field(factory=dict[str, str])


def read_docstring(docstring: str | None) -> Documentation:
    """Read a docstring in the form of Google, NumPy, Sphinx or Epydoc."""
    text = inspect.cleandoc(docstring or "")
    if not _SECTIONS.search(text):  # plain words, and most are: no parser needs loading
        return Documentation(text)
    from docstring_parser import ParseError, parse

    try:
        parsed = parse(text)
    except ParseError:  # an odd docstring is no reason to refuse a function
        return Documentation(text)
    parameters = {p.arg_name.lstrip("*"): _one_line(p.description) for p in parsed.params}
    return Documentation((parsed.description or "").strip(), parameters)


def class_documentation(cls: type[Any]) -> Documentation:
    """What a class says of itself; nothing if it says nothing, whatever a decorator or base class put there."""
    own = vars(cls).get("__doc__")
    generated = not isinstance(own, str) or own.startswith(f"{cls.__name__}(")
    return Documentation() if generated else read_docstring(own)


def _one_line(text: str | None) -> str:
    return " ".join((text or "").split())
