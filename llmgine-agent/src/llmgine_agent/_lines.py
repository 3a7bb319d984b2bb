"""Lines of standard input, read so that waiting for one can be cancelled."""

from __future__ import annotations

import os
import sys

import anyio
import anyio.to_thread

__all__ = ["Lines"]

_CHUNK = 65_536


class Lines:
    """The lines of a file descriptor: a terminal, a pipe or a file.

    A thread that is blocked in a read would hold up the end of the process, so the event loop waits for the input and a
    thread reads what is there.

    Args:
        descriptor: the file descriptor.
        encoding: of its text; what does not decode is replaced.
    """

    def __init__(self, descriptor: int, encoding: str = "utf-8") -> None:
        self._descriptor, self._encoding = descriptor, encoding
        self._buffer = b""
        self._ended = False

    async def next(self) -> str | None:
        """The next line without its end; None at the end of input."""
        while b"\n" not in self._buffer and not self._ended:
            chunk = await self._read()
            self._buffer += chunk
            self._ended = not chunk
        if not self._buffer:
            return None
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line.decode(self._encoding, "replace").rstrip("\r")

    async def _read(self) -> bytes:
        if sys.platform != "win32":  # which can wait for sockets only
            try:
                await anyio.wait_readable(self._descriptor)
            except OSError:  # a plain file: nothing can wait for it, and nothing needs to
                pass
            else:
                return await anyio.to_thread.run_sync(os.read, self._descriptor, _CHUNK)
        return await anyio.to_thread.run_sync(os.read, self._descriptor, _CHUNK, abandon_on_cancel=True)
