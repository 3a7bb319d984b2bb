"""`LineRenderer`: an event record as one line of text, through a structlog renderer of its own."""

from __future__ import annotations

from typing import Any

from structlog.dev import BRIGHT, CYAN, DIM, GREEN, MAGENTA, RED, RESET_ALL, YELLOW, Column, ConsoleRenderer

from llmgine_core.observability import EventRecord
from llmgine_obs_console.summary import level_of, summary_of

__all__ = ["LineRenderer"]

_TYPE_WIDTH = 24
_LEVEL_STYLES = {
    "debug": DIM,
    "info": BRIGHT,
    "warning": BRIGHT + YELLOW,
    "error": BRIGHT + RED,
    "critical": BRIGHT + RED,
}
_OUTCOME_STYLES = {"ok": GREEN, "error": RED, "timeout": RED, "cancelled": YELLOW}


class LineRenderer:
    """Renders records. Nothing of structlog is configured: the renderer is private to the instance.

    Args:
        colours: whether to colour.
        ids: whether to end each line with the trace and span id.
        width: most characters of one value.
    """

    def __init__(self, *, colours: bool, ids: bool = True, width: int = 120) -> None:
        self._colours, self._ids, self._width = colours, ids, width
        columns = {"timestamp": self._timestamp, "type": self._type, "": self._pair}
        self._renderer = ConsoleRenderer(
            columns=[Column(key, formatter) for key, formatter in columns.items()],
            sort_keys=False,
        )

    def render(self, record: EventRecord) -> str:
        """The line, without its end. Control characters are escaped, so no value can forge a line or a colour."""
        entry: dict[str, Any] = {
            "timestamp": record.timestamp.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "type": f"{level_of(record)} {record.type}",
            "session": record.session_id or "-",
            **{f"{name}_" if name in _OWN else name: value for name, value in summary_of(record).items()},
        }
        if self._ids:
            entry |= {"trace": record.trace_id, "span": record.span_id}
        return self._renderer(None, "", entry)

    # the columns

    def _timestamp(self, key: str, value: object) -> str:  # noqa: ARG002 - structlog's signature, as below
        return self._styled(DIM, str(value))

    def _type(self, key: str, value: object) -> str:  # noqa: ARG002
        level, _, name = str(value).partition(" ")
        shown = self._trimmed(name.rpartition(":")[2])
        return self._styled(_LEVEL_STYLES[level], shown.ljust(_TYPE_WIDTH))

    def _pair(self, key: str, value: object) -> str:
        if key in ("trace", "span"):
            return self._styled(DIM, f"{key}={value}")
        shown = self._trimmed(value)
        style = {"session": CYAN, "error": RED, "outcome": _OUTCOME_STYLES.get(shown, "")}.get(key, MAGENTA)
        return f"{_escaped(key)}={self._styled(style, shown)}"

    def _styled(self, style: str, text: str) -> str:
        return f"{style}{text}{RESET_ALL}" if self._colours and style else text

    def _trimmed(self, value: object) -> str:
        text = _escaped(str(value))
        return text if len(text) <= self._width else f"{text[: self._width - 1]}…"


_OWN = frozenset({"timestamp", "type", "session", "trace", "span", "exc_info", "exception", "stack"})
"""Keys that a field cannot have: the line's own, and those from which structlog makes further lines."""


def _escaped(text: str) -> str:
    """The text with what is not printable (line ends, terminal sequences) as Python would write it."""
    return text if text.isprintable() else "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)
