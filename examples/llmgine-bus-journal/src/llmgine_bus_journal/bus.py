"""`JournalBus`: the core's bus, with a journal."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from llmgine_bus_journal.journal import Journal
from llmgine_core import Event, MessageBus, StopReport
from llmgine_core.abc import Middleware
from llmgine_core.contracts import Message, Overflow

__all__ = ["JournalBus"]

Step = Callable[[Message], Awaitable[Any]]


class JournalBus(MessageBus):
    """Writes every event that is published to a journal, before any handler gets it.

    What cannot be written is refused: `publish` raises, and nobody gets the event. What the runtime tells of itself
    (`emit`) is not written.

    Args:
        path: the journal's file.
        fsync: whether each event is forced to the disk, so that it survives a power cut too.
        capacity: as of `MessageBus`.
        overflow: as of `MessageBus`.
        stall_after: as of `MessageBus`.

    Attributes:
        journal: the journal.
    """

    def __init__(
        self,
        path: Path,
        *,
        fsync: bool = False,
        capacity: int = 10_000,
        overflow: Overflow = "wait",
        stall_after: float | None = 1.0,
    ) -> None:
        super().__init__(capacity=capacity, overflow=overflow, stall_after=stall_after)
        self.journal: Journal = Journal(path, fsync=fsync)
        self._middleware: list[Middleware] = []
        super().add_middleware(self._pass_on)

    async def start(self) -> None:
        """Open the journal, and begin to take work.

        Raises:
            OSError: the journal cannot be opened.
            BusClosedError: the bus is stopping.
        """
        self.journal.open()
        await super().start()

    async def stop(self, *, drain: float = 10.0) -> StopReport:
        """Finish what was accepted, and close the journal.

        Args:
            drain: seconds for what was accepted.

        Returns:
            What had to be left.
        """
        report = await super().stop(drain=drain)
        self.journal.close()
        return report

    def add_middleware(self, middleware: Middleware) -> None:
        """As of `MessageBus`; the journal comes behind all of it, and has what the handlers get."""
        self._middleware.append(middleware)

    async def _pass_on(self, message: Message, call_next: Step) -> Any:
        step: Step = functools.partial(self._write, call_next)
        for middleware in reversed(self._middleware):
            step = functools.partial(_call, middleware, step)
        return await step(message)

    async def _write(self, call_next: Step, message: Message) -> Any:
        if not isinstance(message, Event):
            return await call_next(message)
        self.journal.append(message)
        try:
            return await call_next(message)
        except BaseException:  # no room, a bus that stops, a publisher that is cancelled: it was not accepted
            self.journal.strike(message)
            raise


def _call(middleware: Middleware, call_next: Step, message: Message) -> Awaitable[Any]:
    return middleware(message, call_next)
