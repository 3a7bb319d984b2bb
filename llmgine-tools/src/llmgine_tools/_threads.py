"""Worker threads for plain functions."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

import anyio
import anyio.to_thread

from llmgine_tools._attempt import Attempt
from llmgine_tools._settings import ToolSettings

__all__ = ["Threads"]

T = TypeVar("T")


class _Job(Generic[T]):
    """One function in one thread, which its caller may leave behind."""

    def __init__(self, function: Callable[[], T], threads: Threads) -> None:
        self._function = function
        self._threads = threads
        self._running = False
        self._abandoned = False

    def run(self) -> Attempt[T]:
        """In the thread: keep whatever is raised, for some of it the event loop would not survive."""
        with self._threads.lock:
            if self._abandoned:  # the caller left before the thread got here
                return Attempt()
            self._running = True
        try:
            return Attempt((self._function(),))
        except BaseException as error:
            return Attempt(error=error)
        finally:
            with self._threads.lock:
                self._running = False
                self._threads.abandoned -= self._abandoned

    def abandon(self) -> None:
        """On the loop: the caller waits no longer."""
        with self._threads.lock:
            self._abandoned = True
            self._threads.abandoned += self._running


class Threads:
    """Runs plain functions in threads, a limited number at a time.

    Python cannot stop a thread. One whose caller was cancelled goes on, gives back its place, and is counted.

    Args:
        settings: the limits.

    Attributes:
        abandoned: threads left behind that are still running.
        lock: guards the count.
    """

    def __init__(self, settings: ToolSettings) -> None:
        self._places = anyio.CapacityLimiter(settings.max_threads)
        # The place is given back here: Trio's own limiter would keep an abandoned thread's until it ends.
        self._unlimited = anyio.CapacityLimiter(math.inf)
        self._max_abandoned = settings.max_abandoned
        self.abandoned = 0
        self.lock: threading.Lock = threading.Lock()

    @property
    def exhausted(self) -> bool:
        """Whether so many threads were left behind that no more should be started."""
        return self.abandoned >= self._max_abandoned

    async def attempt(self, function: Callable[[], T], *, timeout: float | None) -> Attempt[T]:
        """Call a function in a thread, in a copy of the caller's context.

        Args:
            function: what to call.
            timeout: seconds that it may take, waiting for a thread included; None for no limit.

        Raises:
            CancelledError (asyncio) or Cancelled (Trio): the caller was cancelled.
        """
        job = _Job(function, self)
        with anyio.move_on_after(timeout):
            async with self._places:
                try:
                    return await anyio.to_thread.run_sync(job.run, abandon_on_cancel=True, limiter=self._unlimited)
                except anyio.get_cancelled_exc_class():
                    job.abandon()
                    raise
        return Attempt()
