"""What is wrong with a plugin, in words: what happened and how to mend it, each on one line."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Iterable, Sequence
from typing import Any, cast

import attrs

from llmgine_core.contracts.outcomes import exception_message
from llmgine_core.errors import PluginLoadError

__all__ = ["Fault", "cure_for", "joined", "nearest", "printed", "said", "shown"]

_LONGEST = 200


@attrs.frozen
class Fault:
    """One thing that is wrong with a plugin.

    Attributes:
        what: what is wrong.
        cure: how to mend it.
    """

    what: str
    cure: str


def joined(faults: Sequence[Fault], plugin: str) -> PluginLoadError:
    """All faults of one plugin as one error of three lines; what several have in common is said once."""
    what, cure = (dict.fromkeys(lines) for lines in zip(*((f.what, f.cure) for f in faults), strict=True))
    return PluginLoadError("; ".join(what), plugin, "; ".join(cure))


def nearest(name: str, known: Iterable[str]) -> str:
    """The known name that is closest, or nothing."""
    return next(iter(difflib.get_close_matches(name, sorted(known), n=1)), "")


def said(error: BaseException) -> str:
    """An exception's class and message, on one line."""
    message = _place(error) if isinstance(error, SyntaxError) else exception_message(error)
    return f"{type(error).__name__}: {_one_line(message)}".removesuffix(": ")


def printed(error: BaseException) -> str:
    """All messages that are printed of an exception: those of its causes, and of a group's members, too."""
    found: list[BaseException] = []
    left: list[BaseException | None] = [error]
    while left:
        each = left.pop()
        if each is not None and each not in found:
            found.append(each)
            left += [each.__cause__, each.__context__]
            if isinstance(each, BaseExceptionGroup):
                left += cast("BaseExceptionGroup[BaseException]", each).exceptions
    return "\n".join(map(said, found))


def shown(value: Any) -> str:
    """A value, on one line that is not too long."""
    try:
        text = _one_line(repr(value))
    except Exception:  # its own __repr__ is broken
        text = f"an object of {type(value).__module__}.{type(value).__qualname__}"
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def cure_for(error: BaseException, otherwise: str = "fix or upgrade the distribution") -> str:
    """How to mend what a plugin raised.

    Args:
        error: what it raised.
        otherwise: what to do where the error itself does not tell.
    """
    cure = f"{otherwise}, or select another plugin"
    if isinstance(error, ModuleNotFoundError) and error.name:
        cure = f"install what offers the module {error.name!r}, or select another plugin"
    elif isinstance(error, SyntaxError):
        python = ".".join(map(str, sys.version_info[:2]))
        cure = f"mend that line, or install a release of the distribution that fits Python {python}"
    elif near := _near_name(error):
        cure = f"did you mean {near!r}? Otherwise {cure}"
    return cure


def _near_name(error: BaseException) -> str:
    """What was meant by a name that an object does not have, or that a module does not offer."""
    if isinstance(error, AttributeError) and error.name and error.obj is not None:
        return nearest(error.name, dir(error.obj))
    if isinstance(error, ImportError) and error.name in sys.modules and (quoted := str(error).split("'"))[1:]:
        return nearest(quoted[1], dir(sys.modules[error.name]))
    return ""


def _place(error: SyntaxError) -> str:
    return f"{error.msg} ({error.filename}, line {error.lineno})" if error.filename else exception_message(error)


def _one_line(text: str) -> str:
    return " ".join(text.split())
