"""Room in the queue: how publishers wait their turn, in order, and who may not wait."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import anyio
import attrs

from llmgine_core._delivery import Frame
from llmgine_core.errors import QueueFullError

__all__ = ["Room"]

_RESERVE = 2


@attrs.define(eq=False)
class Turn:
    """A publisher's place in the queue for room."""

    frame: Frame | None
    came: anyio.Event = attrs.field(factory=anyio.Event)
    granted: bool = False


class Room:
    """The bound on deliveries that wait.

    Args:
        capacity: most of them.
        queued: how many there are.
    """

    def __init__(self, capacity: int, queued: Callable[[], int]) -> None:
        self._capacity, self._queued = capacity, queued
        self._waiting: deque[Turn] = deque()
        self._granted = 0

    @property
    def has_reserve(self) -> bool:
        """Whether there is room for what must not wait: a reserve of twice the capacity on top of it."""
        return self._queued() < (1 + _RESERVE) * self._capacity

    async def enter(self, frame: Frame | None) -> bool:
        """Wait for room.

        Args:
            frame: the handler's call in which the publisher stands.

        Returns:
            False if the publisher was turned away.

        Raises:
            QueueFullError: below an event handler, which must not wait: the reserve is used up too.
        """
        if frame is not None and frame.deliveries:
            if not self.has_reserve:
                raise QueueFullError(self._capacity, "an event handler's publications must not wait for room")
            return True
        if not self._waiting and self._is_free():
            return True
        turn = Turn(frame)
        self._waiting.append(turn)
        try:
            await turn.came.wait()
        except BaseException:
            if turn in self._waiting:
                self._waiting.remove(turn)
            self._granted -= turn.granted  # the turn came together with the cancellation: it is the next one's
            self.let_in()
            raise
        self._granted -= turn.granted
        return turn.granted

    def let_in(self) -> None:
        """Give their turn to those who wait, as far as there is room."""
        while self._waiting and self._is_free():
            turn = self._waiting.popleft()
            turn.granted = True
            self._granted += 1
            turn.came.set()

    def turn_away(self, *, outside_only: bool) -> None:
        """Send away those who wait; those inside a handler only if asked."""
        for turn in [t for t in self._waiting if t.frame is None or not outside_only]:
            self._waiting.remove(turn)
            turn.came.set()

    def _is_free(self) -> bool:
        return self._queued() + self._granted < self._capacity
