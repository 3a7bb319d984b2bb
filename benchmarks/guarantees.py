"""Shows what each guarantee of `execute` and `publish` costs: `uv run --group dev python benchmarks/guarantees.py`.

The path of a command is rebuilt step by step, from the bare handler to the bus; of an event it is cut short where the
bus itself allows it. Each line is the best of many rounds, in nanoseconds of CPU, and what it has over the line above.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable
from pathlib import Path
from time import process_time
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.handlers import Answerer
from benchmarks.limits import Plain
from benchmarks.ours import Ask, Said, ignore
from llmgine_core import MessageBus
from llmgine_core._calls import Call
from llmgine_core._loop import current_task
from llmgine_core.contracts import Handling, current_handling
from llmgine_core.contracts.header import set_header

OPERATIONS = 4_000
ROUNDS = 60

Step = Callable[[Any], Awaitable[Any]]


async def best(
    step: Step,
    make: Callable[[int], Any],
    *,
    within: Callable[[], Awaitable[None]] | None = None,
    after: Callable[[], Awaitable[None]] | None = None,
) -> float:
    """Nanoseconds of one call, of the best round.

    Args:
        step: what is called.
        make: makes the message of that number.
        within: what ends a round, and is measured.
        after: what comes after a round, and is not.
    """
    figures: list[float] = []
    for _ in range(ROUNDS):
        start = process_time()
        for number in range(OPERATIONS):
            await step(make(number))
        if within is not None:
            await within()
        figures.append((process_time() - start) / OPERATIONS)
        if after is not None:
            await after()
    return min(figures) * 1e9


def command_steps(bus: MessageBus) -> dict[str, Step]:
    """The path of a command, each step with all before it."""
    handlers: dict[type[Any], Any] = {Ask: Answerer().answer}
    header = bus.session("benchmark")._scope.header  # pyright: ignore[reportPrivateUsage]
    loop = asyncio.get_running_loop()
    running: set[Any] = set()
    set_current, reset_current = current_handling.set, current_handling.reset

    async def coroutine(command: Ask) -> Any:
        return await handlers[Ask](command)

    async def found(command: Ask) -> Any:
        handler = handlers.get(type(command))
        if handler is None:
            raise LookupError
        return await handler(command)

    async def completed(command: Ask) -> Any:
        set_header(command, header)
        handler = handlers.get(type(command))
        if handler is None:
            raise LookupError
        return await handler(command)

    async def caused(command: Ask) -> Any:
        set_header(command, header)
        handler = handlers.get(type(command))
        if handler is None:
            raise LookupError
        here = Handling()
        here.message, here.above, here.over, here.known_derived = command, None, False, None
        token = set_current(here)
        try:
            return await handler(command)
        finally:
            reset_current(token)

    async def cancellable(command: Ask) -> Any:
        set_header(command, header)
        handler = handlers.get(type(command))
        if handler is None:
            raise LookupError
        call = Call()
        call.message, call.owner, call.task = command, bus, current_task(loop)
        call.above, call.over, call.known_derived, call.refusal = None, False, None, None
        running.add(call)
        token = set_current(call)
        try:
            return await handler(command)
        finally:
            reset_current(token)
            running.discard(call)

    return {
        "a command with its header: id, time, chain": handlers[Ask],
        "a coroutine of the bus around the handler": coroutine,
        "one handler by type, checked to be there": found,
        "the header filled in: session, correlation": completed,
        "the cause of what the handler sends": caused,
        "ended by stop, by its session, by its caller": cancellable,
        "shadowing, deadlines, books, re-entrance": bus.execute,
    }


async def event_lines() -> AsyncGenerator[tuple[str, float]]:
    """The path of an event, cut short after each part."""
    async with MessageBus(capacity=OPERATIONS * 2, stall_after=None) as bus:
        yield "an event with its header", await best(ignore, Said)
        yield "accepted: header, plan, room, the publisher's context", await best(bus.publish, Said)
        bus.register_event_handler(Said, ignore)
        yield "owed to a handler, in the books", await best(bus.publish, Said, after=bus.wait_idle)
        yield "delivered: in order, in its own context, isolated", await best(bus.publish, Said, within=bus.wait_idle)


async def main() -> None:
    """Print both tables."""
    async with MessageBus(stall_after=None) as bus:
        bus.register_command_handler(Ask, Answerer().answer)
        before = await best(Answerer().answer, Plain)
        line("await handler(plain object)", before, 0.0)
        for name, step in command_steps(bus).items():
            figure = await best(step, Ask)
            line(name, figure, figure - before)
            before = figure
    print()
    before = 0.0
    async for name, figure in event_lines():
        line(name, figure, figure - before)
        before = figure


def line(name: str, figure: float, more: float) -> None:
    """Print one line."""
    print(f"{name:58} {figure:6.0f} {more:+6.0f}")


if __name__ == "__main__":
    asyncio.run(main())
