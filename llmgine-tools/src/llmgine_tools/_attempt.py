"""Running what others wrote so that it cannot take the caller along."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

import anyio
import attrs

__all__ = ["Attempt", "attempt"]

T = TypeVar("T")


@attrs.frozen
class Attempt(Generic[T]):
    """What came of it: a value, an error, or, if there is neither, a deadline that passed.

    Attributes:
        value: the value, in a tuple of one.
        error: what was raised: any exception whatever, a CancelledError or SystemExit of its own included.
    """

    value: tuple[T] | tuple[()] = ()
    error: BaseException | None = None

    @property
    def timed_out(self) -> bool:
        """Whether the deadline passed."""
        return not self.value and self.error is None


async def attempt(work: Callable[[], Awaitable[T]], *, timeout: float | None) -> Attempt[T]:
    """Await `work()` in a task of its own.

    The task gives it a copy of the context, cancel scopes of its own, and a cancellation that is not ours: work that
    raises CancelledError, or cancels the task it runs in, is told from a cancellation of the caller.

    Args:
        work: what to do.
        timeout: seconds that it may take; None for no limit.

    Raises:
        CancelledError (asyncio) or Cancelled (Trio): the caller was cancelled.
    """
    outcome: list[Attempt[T]] = []

    async def run() -> None:
        try:
            outcome.append(Attempt((await work(),)))
        except BaseException as error:
            if not _cancelled_from_outside():
                outcome.append(Attempt(error=error))
            elif isinstance(error, anyio.get_cancelled_exc_class()):
                raise
            # What it raises because it is being cancelled is of no interest any more.

    with anyio.move_on_after(timeout):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(run)
    return outcome[0] if outcome else Attempt()


def _cancelled_from_outside() -> bool:
    return anyio.current_effective_deadline() == -math.inf
