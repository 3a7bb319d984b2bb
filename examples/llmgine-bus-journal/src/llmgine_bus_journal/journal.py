"""`Journal`: a file of events, one JSON document a line, and how to read it."""

from __future__ import annotations

import json
import os
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from llmgine_core.contracts import Event, Message
from llmgine_core.serialization import dumps, loads

__all__ = ["Journal", "read_journal"]

_REFUSED = "refused"  # what the line of an event that was not accepted says, with its id


class Journal:
    """Appends events to a file, each as one whole line.

    Args:
        path: the file; missing directories are made.
        fsync: whether an event is on the disk, and not just with the operating system, when `append` returns.

    Attributes:
        written: events that this journal has put into the file.
        failed: events that could not be written.
    """

    def __init__(self, path: Path, *, fsync: bool = False) -> None:
        self.path: Path = path
        self.written: int = 0
        self.failed: int = 0
        self._fsync = fsync
        self._closer: weakref.finalize[[int], Journal] | None = None
        self._file = -1

    def open(self) -> None:
        """Open the file, if it is not open.

        Raises:
            OSError: it cannot be opened for appending.
        """
        if self._closer is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
            # Also where nobody stops the bus: the file goes when the journal does.
            self._closer = weakref.finalize(self, os.close, self._file)
            if _ends_mid_line(self.path):
                os.write(self._file, b"\n")

    def append(self, event: Event) -> None:
        """Write an event; a journal that is closed opens for it.

        Raises:
            OSError: the file cannot be opened or written.
            SerializationError: the event holds what cannot be written as JSON.
        """
        try:
            self._write(dumps(event))
        except BaseException:
            self.failed += 1
            raise
        self.written += 1

    def strike(self, event: Event) -> None:
        """Take back an event that was written, but is not accepted.

        Raises:
            OSError: the file cannot be opened or written.
        """
        self._write(json.dumps({_REFUSED: event.id}))
        self.written -= 1

    def _write(self, document: str) -> None:
        self.open()
        line = f"{document}\n".encode()
        if (taken := os.write(self._file, line)) < len(line):  # the disk is full; the next opening ends the line
            self.close()
            raise OSError(f"{self.path} took {taken} of {len(line)} bytes")
        if self._fsync:
            os.fsync(self._file)

    def close(self) -> None:
        """Close the file, if it is open."""
        if self._closer is not None:
            self._closer()
            self._closer = None


def read_journal(path: Path) -> Iterator[Message]:
    """The events of a journal, oldest first. What a crash cut short was never delivered, and is left out.

    Raises:
        OSError: the file cannot be read.
        SerializationError: a whole line is no event.
    """
    refused = {document[_REFUSED] for _, document in _lines(path) if _REFUSED in document}
    for line, document in _lines(path):
        if _REFUSED not in document and document.get("id") not in refused:
            yield loads(line)


def _lines(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    with path.open(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            try:
                yield line, json.loads(line)
            except ValueError:  # the process that wrote it died over it
                continue


def _ends_mid_line(path: Path) -> bool:
    with path.open("rb") as file:
        if file.seek(0, os.SEEK_END) == 0:
            return False
        file.seek(-1, os.SEEK_END)
        return file.read(1) != b"\n"
