"""Waiting until something is over: conditions that are looked at whenever something ends."""

from __future__ import annotations

from collections.abc import Callable

import anyio

__all__ = ["Idle"]


class Idle:
    """Who waits for what.

    Attributes:
        waiting: whether anybody does.
    """

    def __init__(self) -> None:
        self.waiting: list[tuple[Callable[[], bool], anyio.Event]] = []

    async def wait_until(self, condition: Callable[[], bool]) -> None:
        """Wait until the condition holds."""
        if condition():
            return
        entry = (condition, anyio.Event())
        self.waiting.append(entry)
        try:
            await entry[1].wait()
        finally:
            self.waiting.remove(entry)

    def check(self) -> None:
        """Wake those whose condition holds now."""
        for condition, event in self.waiting:
            if condition():
                event.set()
