"""Who takes part in the clauses: handlers that remember, that wait, that fail; and callers in the background."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import anyio

from llmgine_conformance.bus.messages import Ask, AskMore, Count
from llmgine_core.contracts import Message

__all__ = ["Gate", "Recorder", "answer", "beside", "fail", "numbers", "settle", "until"]


class Recorder:
    """A handler that keeps what it sees, and can be waited for.

    Attributes:
        seen: what it saw, in order.
    """

    def __init__(self) -> None:
        self.seen: list[Any] = []
        self._waiting: list[tuple[int, anyio.Event]] = []

    async def __call__(self, message: Any) -> Any:
        """Keep what comes."""
        self.note(message)

    def note(self, message: Any) -> None:
        """Keep what comes, as a plain function."""
        self.seen.append(message)
        for number, event in self._waiting:
            if len(self.seen) >= number:
                event.set()

    async def wait_for(self, number: int) -> None:
        """Wait until so many have come."""
        event = anyio.Event()
        self._waiting.append((number, event))
        if len(self.seen) >= number:
            event.set()
        await event.wait()

    @property
    def numbers(self) -> list[int]:
        """The numbers of the events that came."""
        return [event.number for event in self.seen]


class Gate(Recorder):
    """A handler that says when it has begun, and waits until it is let go.

    Attributes:
        entered: set when it has been called.
        open: lets it go on.
        left: set when it has ended.
        cancelled: whether it was cancelled.
    """

    def __init__(self) -> None:
        super().__init__()
        self.entered: anyio.Event = anyio.Event()
        self.open: anyio.Event = anyio.Event()
        self.left: anyio.Event = anyio.Event()
        self.cancelled: bool = False

    async def __call__(self, message: Any) -> str:
        """Keep what comes, and wait."""
        self.note(message)
        self.entered.set()
        try:
            await self.open.wait()
        except BaseException:
            self.cancelled = True
            raise
        finally:
            self.left.set()
        return "through the gate"


async def answer(command: Ask | AskMore) -> str:
    """Answer a question."""
    return f"answer to {command.question}"


async def numbers(command: Count) -> AsyncGenerator[int, None]:
    """Count."""
    for number in range(command.upto):
        yield number


async def fail(message: Message) -> Any:
    """Fail on whatever comes."""
    raise ValueError("failed on purpose")


async def settle() -> None:
    """Let every task come as far as it can, so that what would have happened by now has."""
    await anyio.wait_all_tasks_blocked()


async def until(condition: Callable[[], bool]) -> None:
    """Wait for what comes from elsewhere, of which nothing here tells: a broker has it, and may be another process."""
    while not condition():  # noqa: ASYNC110 - nobody would set an event
        await anyio.sleep(0.001)


@asynccontextmanager
async def beside(function: Callable[..., Coroutine[Any, Any, Any]], *args: Any) -> AsyncGenerator[list[Any], None]:
    """Call a coroutine function beside the block, which waits for it; yields a list that gets its result or error."""
    results: list[Any] = []

    async def run() -> None:
        try:
            results.append(await function(*args))
        except Exception as error:
            results.append(error)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(run)
        yield results
