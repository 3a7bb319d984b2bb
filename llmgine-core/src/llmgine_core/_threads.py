"""Worker threads for handlers that would block the loop."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import anyio
import anyio.to_thread

__all__ = ["Threads"]


class Threads:
    """Runs functions in worker threads, and counts those that nobody waits for any more."""

    def __init__(self) -> None:
        self._abandoned: set[object] = set()

    @property
    def abandoned(self) -> int:
        """How many still run although their handler's time was up or its session has ended."""
        return len(self._abandoned)

    async def run(self, function: Callable[[Any], object], argument: Any) -> object:
        """Run the function; cancelled, it is left to itself, since Python cannot stop a thread."""
        call, over = object(), threading.Event()

        def work() -> object:
            try:
                return function(argument)
            finally:
                over.set()
                self._abandoned.discard(call)

        try:
            return await anyio.to_thread.run_sync(work, abandon_on_cancel=True)
        except anyio.get_cancelled_exc_class():
            self._abandoned.add(call)
            if over.is_set():  # it ended while it was being given up
                self._abandoned.discard(call)
            raise
