"""Closing: who may open, join and close a session, and when."""

from __future__ import annotations

from typing import Any

import anyio
import pytest

from llmgine_conformance.bus.actors import Gate, Recorder, answer, beside, settle
from llmgine_conformance.bus.kit import BusClauses, Make
from llmgine_conformance.bus.messages import Ask, Said
from llmgine_conformance.clause import clause
from llmgine_core.contracts import Event
from llmgine_core.errors import SessionClosedError, SessionExistsError
from llmgine_core.events import SessionEndEvent

__all__ = ["ClosingClauses"]


class ClosingClauses(BusClauses):
    """How sessions are opened again, shared and closed."""

    @clause
    async def test_session_14_again(self, make: Make) -> None:
        """An id whose session has ended may be opened again, and starts afresh."""
        async with self.running(make) as bus:
            recorders = [Recorder(), Recorder()]
            for recorder in recorders:
                async with bus.session("a") as session:
                    session.register_event_handler(Said, recorder)
                    session.register_command_handler(Ask, answer)
                    await session.publish(Said())
            assert [len(recorder.seen) for recorder in recorders] == [1, 1]

    @clause
    async def test_session_15_open_already(self, make: Make) -> None:
        """An id that is open is refused with SessionExistsError, and its session is left alone."""
        async with self.running(make) as bus, bus.session("a") as session:
            with pytest.raises(SessionExistsError):
                async with bus.session("a"):
                    pass
            session.register_command_handler(Ask, answer)
            assert await session.execute(Ask("x")) == "answer to x"

    @clause
    async def test_session_16_joined(self, make: Make) -> None:
        """`join=True` shares the session that is open, and the last to leave ends it."""
        async with self.running(make) as bus:
            ends = Recorder()
            bus.register_event_handler(SessionEndEvent, ends)
            first = bus.session("a")
            await first.__aenter__()
            async with bus.session("a", join=True) as second:
                first.register_command_handler(Ask, answer)
                assert await second.execute(Ask("x")) == "answer to x"
                assert bus.stats().sessions == 1
            assert not first.closed
            await first.__aexit__(None, None, None)
            assert first.closed
            assert second.closed
            await bus.wait_idle()
            assert len(ends.seen) == 1

    @clause
    async def test_session_17_not_joined_while_it_ends(self, make: Make) -> None:
        """A session that is ending cannot be joined."""
        async with self.running(make) as bus:
            errors = Recorder()

            async def join(event: SessionEndEvent) -> None:
                try:
                    await bus.session("a", join=True).__aenter__()
                except SessionClosedError as error:
                    errors.note(error)

            async with bus.session("a") as session:
                session.register_event_handler(SessionEndEvent, join)
            assert len(errors.seen) == 1

    @clause
    async def test_session_18_closing_refuses(self, make: Make) -> None:
        """While a session closes, new work from outside its handlers is refused with SessionClosedError."""
        async with self.running(make) as bus:
            gate = Gate()
            session = bus.session(drain=self.patience)
            await session.__aenter__()
            session.register_event_handler(Said, gate)
            await session.publish(Said())
            await gate.entered.wait()
            async with beside(session.aclose):
                await settle()
                with pytest.raises(SessionClosedError):
                    await session.publish(Said())
                gate.open.set()
            assert not gate.cancelled
            assert bus.stats().total.delivered == 1

    @clause
    async def test_session_19_waiting_publisher(self, make: Make) -> None:
        """A publisher of a session that waits for room when the session closes gets SessionClosedError."""
        async with self.running(make, capacity=1) as bus:
            gate = Gate()
            bus.register_event_handler(Said, gate)
            session = bus.session()
            await session.__aenter__()
            await bus.publish(Said())
            await gate.entered.wait()
            await bus.publish(Said())
            async with beside(session.publish, Said("late")) as late, beside(bus.publish, Said("last")) as last:
                await settle()
                await session.aclose()
                gate.open.set()
            assert [type(error) for error in late] == [SessionClosedError]
            assert last == [None]
            await bus.wait_idle()
            assert gate.seen[-1].text == "last"

    @clause
    async def test_session_20_many_close_it(self, make: Make) -> None:
        """Many may close a session at once, from any task; it ends once, and all wait for its end."""
        async with self.running(make) as bus:
            ends, gate = Recorder(), Gate()
            bus.register_event_handler(SessionEndEvent, ends)
            session = bus.session(drain=self.patience)
            await session.__aenter__()
            session.register_event_handler(Said, gate)
            await session.publish(Said())
            await gate.entered.wait()
            closed: list[bool] = []

            async def close() -> None:
                await session.aclose()
                closed.append(session.closed)

            async with anyio.create_task_group() as tasks:
                for _ in range(5):
                    tasks.start_soon(close)
                await settle()
                assert closed == []
                gate.open.set()
            await bus.wait_idle()
            assert (closed, len(ends.seen)) == ([True] * 5, 1)

    @clause
    async def test_session_21_any_order(self, make: Make) -> None:
        """Sessions close in any order and from other tasks than those that opened them."""
        async with self.running(make) as bus:
            sessions = [bus.session(str(number)) for number in range(4)]
            async with anyio.create_task_group() as tasks:
                for session in sessions:
                    tasks.start_soon(session.__aenter__)
            assert bus.stats().sessions == 4
            for session in (sessions[0], sessions[2]):
                await session.aclose()
            async with anyio.create_task_group() as tasks:
                for session in sessions:
                    tasks.start_soon(session.aclose)
            assert bus.stats().sessions == 0

    @clause
    async def test_session_22_not_open_yet(self, make: Make) -> None:
        """A session that was not entered takes no work: RuntimeError."""
        async with self.running(make) as bus:
            bus.register_event_handler(Said, seen := Recorder())
            with pytest.raises(RuntimeError):
                await bus.session().publish(Said())
            await bus.wait_idle()
            assert seen.seen == []

    @clause
    async def test_session_23_nested_events(self, make: Make) -> None:
        """A session opened inside another's handler has messages of its own."""
        async with self.running(make) as bus:
            seen: list[Any] = []

            async def note(event: Event) -> None:
                seen.append(event.session_id)

            async def open_another(command: Ask) -> str:
                async with bus.session("inner") as inner:
                    await inner.publish(Said())
                await bus.publish(Said())
                return ""

            bus.register_event_handler(Said, note)
            bus.register_command_handler(Ask, open_another)
            async with bus.session("outer") as outer:
                await outer.execute(Ask())
            await bus.wait_idle()
            assert seen == ["inner", "outer"]
