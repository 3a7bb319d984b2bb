"""`FileEventHandler`: each event one line of JSON."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Sequence
from pathlib import Path

from llmgine_core.observability import EventRecord, ObservabilityEventHandler
from llmgine_obs_file.journal import Journal
from llmgine_obs_file.line import line_of
from llmgine_obs_file.settings import FileSettings, Fsync

__all__ = ["FileEventHandler"]


class FileEventHandler(ObservabilityEventHandler):
    """Appends events to a file of JSON lines; several processes may share it.

    Args:
        path: the file; `~` is the home directory, missing directories are made.
        fsync: `never`, `interval` or `always`; see `FileSettings`.
        fsync_interval: seconds between two, for `interval`.
        name: the instance's name, for stats and health.

    Raises:
        ValueError: an option has no such value.
    """

    def __init__(
        self,
        path: str | os.PathLike[str] = "llmgine-events.jsonl",
        *,
        fsync: Fsync = "interval",
        fsync_interval: float = 1.0,
        name: str = "file",
    ) -> None:
        super().__init__(name=name)
        self._settings = FileSettings(path=os.fspath(path), fsync=fsync, fsync_interval=fsync_interval)
        self._journal: Journal | None = None
        self._synced_at = -math.inf  # the clock may stand anywhere: at 0 where the machine has just started

    @property
    def path(self) -> Path:
        """The file."""
        return Path(self._settings.path).expanduser()

    def open_exporter(self) -> None:
        """Open the file.

        Raises:
            OSError: it cannot be opened for appending.
        """
        self._journal = Journal(self.path)

    def export(self, batch: Sequence[EventRecord]) -> None:
        """Append the batch in one write.

        Raises:
            OSError: it could not be written, or not be forced to the disk.
        """
        journal = self._opened()
        journal.append(b"".join(map(line_of, batch)))
        if self._is_sync_due():
            journal.sync()
            self._synced_at = time.monotonic()

    def close_exporter(self) -> None:
        """Force what is left to the disk, unless told never to, and close the file.

        Raises:
            OSError: it could not be forced to the disk.
        """
        journal, self._journal = self._opened(), None
        try:
            if self._settings.fsync != "never":
                journal.sync()
        finally:
            journal.close()

    def _opened(self) -> Journal:
        if self._journal is None:
            raise RuntimeError("the file is not open; call start() first")
        return self._journal

    def _is_sync_due(self) -> bool:
        if self._settings.fsync == "interval":
            return time.monotonic() - self._synced_at >= self._settings.fsync_interval
        return self._settings.fsync == "always"
