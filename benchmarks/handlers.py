"""The handlers that limits, our bus and the peers all call; frozen as `limits.py` is."""

from __future__ import annotations

import asyncio
from time import perf_counter
from typing import Any

__all__ = ["Answerer", "Clocked", "Gate", "Tally", "Witness"]


class Answerer:
    """A command handler that does next to nothing."""

    def __init__(self) -> None:
        self.seen = 0

    async def answer(self, command: Any) -> int:
        """Count the command, and answer with its number."""
        self.seen += 1
        number: int = command.number
        return number


class Tally:
    """An event handler that counts, and tells when it has seen as many as it was told to expect."""

    def __init__(self) -> None:
        self.seen = self.goal = 0
        self.reached = asyncio.Event()

    def expect(self, more: int) -> None:
        """Tell, by `reached`, when so many more have been seen."""
        self.goal = self.seen + more
        self.reached.clear()

    async def accept(self, _event: Any) -> None:
        """Count the event, as an async handler."""
        self.seen += 1
        if self.seen == self.goal:
            self.reached.set()

    def note(self, _event: Any) -> None:
        """Count the event, as a sync handler."""
        self.seen += 1
        if self.seen == self.goal:
            self.reached.set()


class Clocked:
    """An event handler that looks at the clock before anything else."""

    def __init__(self) -> None:
        self.seen_at = 0.0
        self.reached = asyncio.Event()

    async def accept(self, _event: Any) -> None:
        """Keep the time, and tell."""
        self.seen_at = perf_counter()
        self.reached.set()


class Witness:
    """An event handler that keeps which events it saw, in order, and when."""

    def __init__(self, awaited: int) -> None:
        self._awaited = awaited
        self.seen: list[tuple[int, float]] = []
        self.reached = asyncio.Event()

    async def accept(self, event: Any) -> None:
        """Keep the event's number and the time; tell when all have been seen."""
        self.seen.append((event.number, perf_counter()))
        if len(self.seen) == self._awaited:
            self.reached.set()


class Gate:
    """An event handler that stays with its first event until the gate is opened.

    Attributes:
        entered: set when the first event has come.
        open: what lets the handler go on.
        seen: events that have come.
    """

    def __init__(self) -> None:
        self.entered, self.open = asyncio.Event(), asyncio.Event()
        self.seen = 0

    async def accept(self, _event: Any) -> None:
        """Wait at the gate."""
        self.seen += 1
        self.entered.set()
        await self.open.wait()
