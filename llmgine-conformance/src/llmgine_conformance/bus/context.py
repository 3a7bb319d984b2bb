"""What travels with a message beside it: contexts and middleware."""

from __future__ import annotations

import contextvars
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from llmgine_conformance.bus.actors import Gate, Recorder, answer
from llmgine_conformance.bus.kit import BusClauses, Make
from llmgine_conformance.bus.messages import Ask, Count, Noted, Said
from llmgine_conformance.clause import clause
from llmgine_core.abc import Middleware
from llmgine_core.contracts import Message, Retry

__all__ = ["ContextClauses"]

_variable: contextvars.ContextVar[str] = contextvars.ContextVar("llmgine_conformance", default="unset")

CallNext = Callable[[Message], Awaitable[Any]]


class ContextClauses(BusClauses):
    """How contexts travel, and how middleware wraps what is sent."""

    @clause
    async def test_context_1_of_the_publisher(self, make: Make) -> None:
        """Event handlers of every kind run in a copy of the publisher's context."""
        self.needs_contexts()
        async with self.running(make) as bus:
            seen: list[str] = []

            def look(event: Said) -> None:
                seen.append(_variable.get())

            async def look_later(event: Said) -> None:
                look(event)
                await anyio.lowlevel.checkpoint()
                look(event)

            bus.register_event_handler(Said, look)
            bus.register_event_handler(Said, look_later)
            bus.register_event_handler(Said, look, in_thread=True)
            for value in ("first", "second"):
                _variable.set(value)
                await bus.publish(Said())
            _variable.set("later")
            await bus.wait_idle()
            assert sorted(seen) == ["first"] * 4 + ["second"] * 4

    @clause
    async def test_context_2_apart(self, make: Make) -> None:
        """What a handler sets in its context no other handler sees, nor the publisher, nor its own next call."""
        self.needs_contexts()
        async with self.running(make) as bus:
            seen: list[str] = []

            async def change(event: Said) -> None:
                seen.append(_variable.get())
                _variable.set("changed")
                await anyio.lowlevel.checkpoint()

            def change_plainly(event: Said) -> None:
                seen.append(_variable.get())
                _variable.set("changed")

            for handler in (change_plainly, change, change_plainly):
                bus.register_event_handler(Said, handler)
            _variable.set("publisher's")
            await bus.publish(Said())
            await bus.publish(Said())
            await bus.wait_idle()
            assert seen == ["publisher's"] * 6
            assert _variable.get() == "publisher's"

    @clause
    async def test_context_3_retries(self, make: Make) -> None:
        """Each attempt at a delivery runs in a fresh copy of the publisher's context."""
        self.needs_contexts()
        async with self.running(make) as bus:
            seen: list[str] = []

            async def change_and_fail(event: Said) -> None:
                seen.append(_variable.get())
                _variable.set("changed")
                raise ValueError("on purpose")

            bus.register_event_handler(Said, change_and_fail, retry=Retry(attempts=3, delay=0))
            _variable.set("publisher's")
            await bus.publish(Said())
            await bus.wait_idle()
            assert seen == ["publisher's"] * 3

    @clause
    async def test_context_4_of_the_caller(self, make: Make) -> None:
        """Execute shares its caller's context with the handler, as a call does."""
        self.needs_contexts()

        async def change(command: Ask) -> str:
            seen = _variable.get()
            await anyio.lowlevel.checkpoint()
            _variable.set("handler's")
            return seen

        async with self.running(make) as bus:
            bus.register_command_handler(Ask, change)
            _variable.set("caller's")
            assert await bus.execute(Ask()) == "caller's"
            assert _variable.get() == "handler's"

    @clause
    async def test_context_5_of_the_reader(self, make: Make) -> None:
        """A stream's handler runs in a copy of its reader's context."""
        self.needs_contexts()
        seen: list[str] = []

        async def look(command: Count) -> AsyncGenerator[int, None]:
            seen.append(_variable.get())
            yield 1
            _variable.set("handler's")
            yield 2

        async with self.running(make) as bus:
            bus.register_command_handler(Count, look)
            _variable.set("reader's")
            async with bus.stream(Count()) as items:
                assert [item async for item in items] == [1, 2]
            assert (seen, _variable.get()) == (["reader's"], "reader's")

    @clause
    async def test_middleware_1_order(self, make: Make) -> None:
        """Middleware wraps execute and the acceptance of publish; the first added is the outermost."""
        order: list[str] = []

        def named(name: str) -> Middleware:
            async def middleware(message: Message, call_next: CallNext) -> Any:
                order.append(f"{name} in")
                result = await call_next(message)
                order.append(f"{name} out")
                return result

            return middleware

        async with self.running(make) as bus:
            bus.register_command_handler(Ask, answer)
            bus.register_event_handler(Said, gate := Gate())
            bus.add_middleware(named("first"))
            bus.add_middleware(named("second"))
            assert await bus.execute(Ask("q")) == "answer to q"
            await bus.publish(Said())
            assert order == ["first in", "second in", "second out", "first out"] * 2
            gate.open.set()

    @clause
    async def test_middleware_2_kept(self, make: Make) -> None:
        """An event that a middleware does not pass on, or fails on, was never accepted and counts as refused."""

        async def keep(message: Message, call_next: CallNext) -> Any:
            if isinstance(message, Said) and message.number == 1:
                raise ValueError("on purpose")
            return await call_next(message) if isinstance(message, Noted) else None

        async with self.running(make) as bus:
            seen, noted = Recorder(), Recorder()
            bus.register_event_handler(Said, seen)
            bus.register_event_handler(Noted, noted)
            bus.add_middleware(keep)
            await bus.publish(Said())
            with pytest.raises(ValueError, match="on purpose"):
                await bus.publish(Said(number=1))
            await bus.publish(Noted())
            await bus.wait_idle()
            assert (seen.seen, len(noted.seen)) == ([], 1)
            assert (bus.stats().accepted, bus.stats().refused) == (1, 2)

    @clause
    async def test_middleware_3_context(self, make: Make) -> None:
        """What a middleware sets in the context, the handlers see, and the sender does not if it is reset."""
        self.needs_contexts()

        async def enter(message: Message, call_next: CallNext) -> Any:
            token = _variable.set("middleware's")
            try:
                return await call_next(message)
            finally:
                _variable.reset(token)

        async with self.running(make) as bus:
            seen: list[str] = []

            def look(event: Said) -> None:
                seen.append(_variable.get())

            async def look_too(command: Ask) -> str:
                return _variable.get()

            bus.add_middleware(enter)
            bus.register_event_handler(Said, look)
            bus.register_command_handler(Ask, look_too)
            _variable.set("sender's")
            await bus.publish(Said())
            assert await bus.execute(Ask()) == "middleware's"
            await bus.wait_idle()
            assert (seen, _variable.get()) == (["middleware's"], "sender's")

    @clause
    async def test_middleware_4_replaces(self, make: Make) -> None:
        """What a middleware passes on in a message's place is sent, and belongs to the same session."""

        async def replace(message: Message, call_next: CallNext) -> Any:
            return await call_next(Said("replaced") if isinstance(message, Said) else Ask("replaced"))

        async with self.running(make) as bus:
            seen = Recorder()
            bus.register_command_handler(Ask, answer)
            bus.add_middleware(replace)
            async with bus.session("s") as session:
                session.register_event_handler(Said, seen)
                assert await session.execute(Ask("given")) == "answer to replaced"
                await session.publish(Said("given"))
                await bus.publish(Said("given", session_id="s"))
                await bus.wait_idle()
            assert [(event.text, event.session_id) for event in seen.seen] == [("replaced", "s")] * 2

    @clause
    async def test_middleware_5_time(self, make: Make) -> None:
        """A caller's timeout covers what middleware takes."""
        gate = Gate()

        async def hang(message: Message, call_next: CallNext) -> Any:
            await gate(message)

        async with self.running(make) as bus:
            bus.register_command_handler(Ask, answer)
            bus.add_middleware(hang)
            with pytest.raises(TimeoutError):
                await bus.execute(Ask(), timeout=0.01)
            assert gate.cancelled
