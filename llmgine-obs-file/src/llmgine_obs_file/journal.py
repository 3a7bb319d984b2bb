"""`Journal`: a file of lines that several processes may append to, and that a crash may have cut short."""

from __future__ import annotations

import os
import stat
from pathlib import Path

__all__ = ["Journal"]


class Journal:
    """Appends whole lines. Opening makes missing directories, and the file.

    Args:
        path: the file.

    Raises:
        OSError: the file cannot be opened for appending.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._torn = path.is_file() and _ends_mid_line(path)
        # Without O_APPEND the lines of two processes would overwrite each other.
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o666)
        self._is_regular = stat.S_ISREG(os.fstat(self._file).st_mode)

    def append(self, lines: bytes) -> None:
        """Append lines in one write; where the last writer was cut off in mid-line, end its line first.

        Raises:
            OSError: not everything could be written; what was begun is ended by the next `append`.
        """
        rest = memoryview(b"\n" + lines if self._torn else lines)
        self._torn = True  # until all of it is out
        while rest:  # a write is only ever short where the disk is nearly full or a signal came
            rest = rest[os.write(self._file, rest) :]
        self._torn = False

    def sync(self) -> None:
        """Force what was appended to the disk; a pipe or a terminal has none.

        Raises:
            OSError: the system cannot say that it is there.
        """
        if self._is_regular:
            os.fsync(self._file)

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)


def _ends_mid_line(path: Path) -> bool:
    with path.open("rb") as file:
        if file.seek(0, os.SEEK_END) == 0:
            return False
        file.seek(-1, os.SEEK_END)
        return file.read(1) != b"\n"
