"""Worker threads for handlers that would block the loop."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anyio
import anyio.to_thread

__all__ = ["Threads"]


class _Call:
    """A call of a function that runs in a worker thread."""

    given_up = False


class Threads:
    """Runs functions in worker threads, and counts those that nobody waits for any more."""

    def __init__(self) -> None:
        self._running: set[_Call] = set()

    @property
    def abandoned(self) -> int:
        """How many still run although their handler's time was up or its session has ended."""
        return sum(call.given_up for call in tuple(self._running))

    async def run(self, function: Callable[[Any], object], argument: Any) -> object:
        """Run the function; cancelled, it is left to itself, since Python cannot stop a thread."""
        call = _Call()

        def work() -> object:
            self._running.add(call)  # here, since a call that is cancelled before it has a thread never runs
            try:
                return function(argument)
            finally:
                self._running.discard(call)

        try:
            return await anyio.to_thread.run_sync(work, abandon_on_cancel=True)
        except anyio.get_cancelled_exc_class():
            call.given_up = True
            raise
