"""`ConsoleEventHandler`: one readable line for each event."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from typing import TextIO

from llmgine_core.observability import EventRecord, ObservabilityEventHandler
from llmgine_obs_console.line import LineRenderer
from llmgine_obs_console.settings import Colour, ConsoleSettings, Level, Stream
from llmgine_obs_console.summary import LEVELS, level_of

__all__ = ["ConsoleEventHandler"]


class ConsoleEventHandler(ObservabilityEventHandler):
    """Writes events to standard error or output: time, type, session, subject, outcome, duration, error.

    Args:
        stream: where lines go.
        colour: `auto` colours only a terminal, and not even that where `NO_COLOR` is set.
        level: the least level that is shown.
        events: names of the event types to show; empty for all.
        ids: whether each line ends with its trace and span id.
        width: most characters of one value.
        name: the instance's name, for stats and health.

    Raises:
        ValueError: an option has no such value.
    """

    def __init__(
        self,
        *,
        stream: Stream = "stderr",
        colour: Colour = "auto",
        level: Level = "debug",
        events: Sequence[str] = (),
        ids: bool = True,
        width: int = 120,
        name: str = "console",
    ) -> None:
        super().__init__(name=name)
        self._settings = ConsoleSettings(stream=stream, colour=colour, level=level, events=events, ids=ids, width=width)
        self._levels = frozenset(LEVELS[LEVELS.index(self._settings.level) :])
        self._renderers: dict[bool, LineRenderer] = {}

    def export(self, batch: Sequence[EventRecord]) -> None:
        """Write the batch's lines at once.

        Raises:
            OSError: the stream cannot be written.
        """
        stream = self._stream()
        if stream is None:  # a program without a console
            return
        renderer = self._renderer(use_colours(self._settings.colour, stream))
        lines = [renderer.render(record) + "\n" for record in batch if self._is_shown(record)]
        if lines:
            stream.write(_encodable("".join(lines), stream))
            stream.flush()

    def _is_shown(self, record: EventRecord) -> bool:
        wanted = self._settings.events
        is_wanted = not wanted or record.type in wanted or _short(record.type) in wanted
        return is_wanted and level_of(record) in self._levels

    def _stream(self) -> TextIO | None:
        # looked up for each batch, since programs and test runners replace the streams
        return sys.stdout if self._settings.stream == "stdout" else sys.stderr

    def _renderer(self, colours: bool) -> LineRenderer:
        if colours not in self._renderers:
            settings = self._settings
            self._renderers[colours] = LineRenderer(colours=colours, ids=settings.ids, width=settings.width)
        return self._renderers[colours]


def use_colours(colour: Colour, stream: TextIO) -> bool:
    """Whether to colour: as told, else only a terminal that can, and where `NO_COLOR` is not set."""
    if colour != "auto":
        return colour == "always"
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return False
    return stream.isatty() and (sys.platform != "win32" or find_spec("colorama") is not None)


def _short(type_name: str) -> str:
    return type_name.rpartition(":")[2]


def _encodable(text: str, stream: TextIO) -> str:
    """The text as far as the stream's encoding has its characters, the others escaped."""
    encoding = getattr(stream, "encoding", None) or "utf-8"
    return text.encode(encoding, "backslashreplace").decode(encoding)
