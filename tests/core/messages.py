"""Messages that the tests of the core share, and small handlers of them."""

from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import anyio
import attrs

from llmgine_core import BusStats, Command, Event, MessageBus, StreamCommand, content


@attrs.frozen
class Ask(Command[str]):
    question: str = ""


@attrs.frozen
class AskMore(Command[str]):
    question: str = ""


@attrs.frozen
class Count(StreamCommand[int]):
    upto: int = 3


@attrs.frozen
class Said(Event):
    text: str = ""
    number: int = 0


@attrs.frozen
class Shouted(Said):
    volume: int = 11


@attrs.frozen
class Noted(Event):
    text: str = content(default="")


class Gate:
    """A handler that says when it has begun, and waits until it is let go."""

    def __init__(self) -> None:
        self.entered, self.open, self.left = anyio.Event(), anyio.Event(), anyio.Event()
        self.cancelled = False
        self.seen: list[Any] = []

    async def __call__(self, message: Any) -> str:
        self.seen.append(message)
        self.entered.set()
        try:
            await self.open.wait()
        except BaseException:
            self.cancelled = True
            raise
        finally:
            self.left.set()
        return "through the gate"


class Recorder:
    """A handler that keeps what it sees, and can be waited for."""

    def __init__(self) -> None:
        self.seen: list[Any] = []
        self._waiting: list[tuple[int, anyio.Event]] = []

    async def __call__(self, message: Any) -> None:
        self.note(message)

    def note(self, message: Any) -> None:
        self.seen.append(message)
        for number, event in self._waiting:
            if len(self.seen) >= number:
                event.set()

    async def wait_for(self, number: int) -> None:
        event = anyio.Event()
        self._waiting.append((number, event))
        if len(self.seen) >= number:
            event.set()
        with anyio.fail_after(5):
            await event.wait()


async def answer(command: Ask) -> str:
    return f"answer to {command.question}"


async def numbers(command: Count) -> AsyncGenerator[int, None]:
    for number in range(command.upto):
        yield number


def balanced(stats: BusStats) -> bool:
    """Whether every delivery is accounted for, in total and for each subscription."""
    books = [stats.total, *stats.subscriptions.values()]
    return all(
        b.deliveries == b.delivered + b.failed + b.dropped + b.expired + b.discarded + b.pending and b.pending >= 0
        for b in books
    )


@asynccontextmanager
async def running(**options: Any) -> AsyncGenerator[MessageBus, None]:
    """A bus that runs; its books balance and nothing is pending when it has stopped."""
    bus = MessageBus(**options)
    await bus.start()
    try:
        with anyio.fail_after(10):
            yield bus
    finally:
        await bus.stop(drain=2)
    assert balanced(bus.stats())
    assert bus.stats().total.pending == 0


@asynccontextmanager
async def in_background(
    function: Callable[..., Coroutine[Any, Any, Any]], *args: Any
) -> AsyncGenerator[list[BaseException], None]:
    """Run a coroutine function beside the block; yields the list that gets its error."""
    errors: list[BaseException] = []

    async def run() -> None:
        try:
            await function(*args)
        except Exception as error:
            errors.append(error)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(run)
        yield errors
