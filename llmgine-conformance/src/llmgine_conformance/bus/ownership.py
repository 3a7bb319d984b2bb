"""Ownership: nothing outlives its session."""

from __future__ import annotations

import gc
from collections.abc import AsyncGenerator

import anyio
import anyio.lowlevel
import pytest

from llmgine_conformance.bus.actors import Gate, Recorder, answer, beside, settle
from llmgine_conformance.bus.kit import BusClauses, Make
from llmgine_conformance.bus.messages import Ask, Count, Noted, Said
from llmgine_conformance.clause import clause
from llmgine_core.abc import MessageBus
from llmgine_core.errors import SessionClosedError
from llmgine_core.events import SessionEndEvent

__all__ = ["OwnershipClauses"]

_SESSIONS = 300
_LEFT = 2  # objects for each session that may be somebody else's
_TIDYING = 1_100  # timeouts, after so many of which trio forgets those that are over, a thousand at a time


async def living_objects() -> int:
    """How many objects live, but for the timeouts that an event loop has not forgotten yet."""
    gc.collect()
    counts: list[int] = []
    for number in range(_TIDYING):
        with anyio.move_on_after(3600):
            await anyio.lowlevel.checkpoint()
        if number % 100 == 0:
            counts.append(len(gc.get_objects()))
    return min(counts)


async def fail_with(text: str) -> None:
    """Fail, in the background."""
    raise ValueError(text)


class OwnershipClauses(BusClauses):
    """What ends with a session, and how."""

    @clause
    async def test_owned_1_commands(self, make: Make) -> None:
        """A command of a session that is closed is cancelled, and its caller gets SessionClosedError."""
        async with self.running(make) as bus:
            gate = Gate()
            bus.register_command_handler(Ask, gate)
            session = bus.session()
            await session.__aenter__()
            async with beside(session.execute, Ask()) as answers:
                await gate.entered.wait()
                await session.aclose()
            assert gate.cancelled
            assert [type(error) for error in answers] == [SessionClosedError]

    @clause
    async def test_owned_2_streams(self, make: Make) -> None:
        """A stream of a session that is closed is closed, and its reader gets SessionClosedError."""
        closed = anyio.Event()

        async def wait(command: Count) -> AsyncGenerator[int, None]:
            try:
                yield 1
                await anyio.sleep_forever()
            finally:
                closed.set()

        async with self.running(make) as bus:
            bus.register_command_handler(Count, wait)
            with pytest.raises(SessionClosedError):  # noqa: PT012 - the stream is open while the session closes
                async with bus.session() as session, session.stream(Count()) as items:
                    async for _ in items:
                        await session.aclose()
                        assert closed.is_set()

    @clause
    async def test_owned_3_schedules(self, make: Make) -> None:
        """What a session has scheduled is never published after its end."""
        async with self.running(make) as bus:
            seen = Recorder()
            bus.register_event_handler(Said, seen)
            async with bus.session() as session:
                session.schedule(Said(), delay=0.1)
            due = bus.expect(Noted)
            bus.schedule(Noted(), delay=0.2)
            await due
            await bus.wait_idle()
            assert seen.seen == []

    @clause
    async def test_owned_4_expectations(self, make: Make) -> None:
        """Who waits for an event of a session that ends gets SessionClosedError; its end event can be awaited."""
        async with self.running(make) as bus:
            async with bus.session("a") as session:
                never, end = session.expect(Said), session.expect(SessionEndEvent)
            with pytest.raises(SessionClosedError):
                await never
            assert (await end).session_id == "a"

    @clause
    async def test_owned_5_tasks(self, make: Make) -> None:
        """The background tasks of a session are cancelled, and have ended, when it has."""
        async with self.running(make) as bus:
            gate = Gate()
            async with bus.session() as session:
                session.start_soon(gate, "argument")
                await gate.entered.wait()
            assert gate.cancelled
            assert gate.seen == ["argument"]

    @clause
    async def test_owned_6_errors_of_tasks(self, make: Make) -> None:
        """Errors of background tasks are raised together when the session is left, and never in its body."""
        async with self.running(make) as bus:
            body = Recorder()
            with pytest.raises(ExceptionGroup) as caught:  # noqa: PT012 - the body is what is tested
                async with bus.session() as session:
                    session.start_soon(fail_with, "one")
                    session.start_soon(fail_with, "two")
                    await settle()
                    body.note("goes on")
            assert sorted(str(error) for error in caught.value.exceptions) == ["one", "two"]
            assert body.seen == ["goes on"]

    @clause
    async def test_owned_7_own_error_first(self, make: Make) -> None:
        """Errors of background tasks never take the place of the body's own."""
        async with self.running(make) as bus:
            with pytest.raises(KeyError, match="body"):  # noqa: PT012 - the body is what is tested
                async with bus.session() as session:
                    session.start_soon(fail_with, "background")
                    await settle()
                    raise KeyError("body")

    @clause
    async def test_owned_8_handlers(self, make: Make) -> None:
        """A handler of a session that is still running at the session's end is cancelled, the bus's are not."""
        async with self.running(make) as bus:
            own, buss = Gate(), Gate()
            bus.register_event_handler(Said, buss)
            async with bus.session(drain=0) as session:
                session.register_event_handler(Said, own)
                await session.publish(Said())
                await own.entered.wait()
                await buss.entered.wait()
            assert (own.cancelled, buss.cancelled) == (True, False)
            buss.open.set()
            await bus.wait_idle()
            assert (bus.stats().total.discarded, bus.stats().total.delivered) == (1, 1)

    @clause
    async def test_owned_9_nothing_stays(self, make: Make) -> None:
        """Sessions leave nothing behind: the count of living objects stays flat, the books are kept."""

        async def live(bus: MessageBus, number: int) -> None:
            async with bus.session(str(number)) as session:
                session.register_event_handler(Said, Recorder())
                session.register_command_handler(Ask, answer)
                session.start_soon(anyio.sleep_forever)
                session.schedule(Said(), delay=1000)
                await session.publish(Said())
                await session.execute(Ask())

        async with self.running(make) as bus:
            for number in range(20):
                await live(bus, number)
            before = await living_objects()
            for number in range(_SESSIONS):
                await live(bus, number)
            assert await living_objects() - before < _LEFT * _SESSIONS
            assert bus.stats().total.delivered == 20 + _SESSIONS
            assert bus.stats().sessions == 0

    @clause
    async def test_owned_10_closed_from_a_task(self, make: Make) -> None:
        """A background task may close its session, which then does not wait for it."""
        async with self.running(make) as bus:
            closed = Recorder()
            async with bus.session() as session:

                async def close() -> None:
                    await session.aclose()
                    closed.note(session.closed)

                session.start_soon(close)
                await closed.wait_for(1)
            assert closed.seen == [False]
            assert session.closed
