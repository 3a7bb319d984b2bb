"""Sessions: whose messages they see, how they begin and end."""

from __future__ import annotations

import anyio
import pytest

from llmgine_conformance.bus.actors import Gate, Recorder, answer, settle
from llmgine_conformance.bus.kit import BusClauses, Make
from llmgine_conformance.bus.messages import Ask, Count, Noted, Said
from llmgine_conformance.clause import clause
from llmgine_core.contracts import Outcome
from llmgine_core.errors import (
    DuplicateHandlerError,
    HandlerNotFoundError,
    SessionClosedError,
)
from llmgine_core.events import SessionEndEvent, SessionStartEvent

__all__ = ["SessionClauses"]


async def own_answer(command: Ask) -> str:
    """What a session's own handler says."""
    return "the session's"


class SessionClauses(BusClauses):
    """What a session is, from its start event to its end event."""

    @clause
    async def test_session_1_own_command_handlers(self, make: Make) -> None:
        """A session's command handler goes before the bus's, for its messages only, whichever object sends them."""
        async with self.running(make) as bus:
            bus.register_command_handler(Ask, answer)
            async with bus.session("a") as a, bus.session("b") as b:
                registration = a.register_command_handler(Ask, own_answer)
                assert await a.execute(Ask("x")) == "the session's"
                assert await bus.execute(Ask("x", session_id="a")) == "the session's"
                assert await b.execute(Ask("x")) == await bus.execute(Ask("x")) == "answer to x"
                with pytest.raises(DuplicateHandlerError):
                    a.register_command_handler(Ask, own_answer)
                registration.unregister()
                assert await a.execute(Ask("x")) == "answer to x"

    @clause
    async def test_session_2_own_event_handlers(self, make: Make) -> None:
        """A session's event handlers see its events only, whichever object publishes them; the bus's see all."""
        async with self.running(make) as bus:
            mine, everything = Recorder(), Recorder()
            bus.register_event_handler(Said, everything)
            async with bus.session("a") as a, bus.session("b") as b:
                a.register_event_handler(Said, mine)
                await a.publish(Said(number=1))
                await bus.publish(Said(number=2, session_id="a"))
                await b.publish(Said(number=3))
                await bus.publish(Said(number=4))
                await bus.wait_idle()
            assert (mine.numbers, everything.numbers) == ([1, 2], [1, 2, 3, 4])

    @clause
    async def test_session_3_foreign_messages(self, make: Make) -> None:
        """A message of another session cannot be sent through a session: ValueError."""
        async with self.running(make) as bus, bus.session("a") as a:
            a.register_command_handler(Ask, answer)
            with pytest.raises(ValueError, match="b"):
                await a.publish(Said(session_id="b"))
            with pytest.raises(ValueError, match="b"):
                await a.execute(Ask(session_id="b"))
            with pytest.raises(ValueError, match="b"):
                a.schedule(Said(session_id="b"), delay=0)

    @clause
    async def test_session_4_inside_its_handlers(self, make: Make) -> None:
        """What is published on the bus inside a handler of a session belongs to the session."""
        async with self.running(make) as bus:
            seen = Recorder()
            bus.register_event_handler(Noted, seen)

            async def note(event: Said) -> None:
                await bus.publish(Noted())

            async with bus.session("a") as a:
                a.register_event_handler(Said, note)
                await a.publish(Said())
                await bus.wait_idle()
            assert [event.session_id for event in seen.seen] == ["a"]

    @clause
    async def test_session_5_first_and_last(self, make: Make) -> None:
        """A session's start event is the first and its end event the last that it publishes."""
        async with self.running(make) as bus:
            seen = Recorder()
            for kind in (SessionStartEvent, Said, SessionEndEvent):
                bus.register_event_handler(kind, seen.note)
            async with bus.session("a") as a:
                await a.publish(Said())
            await bus.wait_idle()
            assert [type(event) for event in seen.seen] == [SessionStartEvent, Said, SessionEndEvent]
            assert {event.session_id for event in seen.seen} == {"a"}

    @clause
    async def test_session_6_end_event(self, make: Make) -> None:
        """The end event reaches the session's own handlers too, with outcome and duration."""
        async with self.running(make) as bus:
            own = Recorder()
            async with bus.session() as session:
                session.register_event_handler(SessionEndEvent, own)
            (end,) = own.seen
            assert (end.outcome, end.error) == (Outcome.OK, None)
            assert end.duration >= 0

    @clause
    async def test_session_7_left_by_an_exception(self, make: Make) -> None:
        """The body's exception leaves unwrapped and stands in the end event; what waits is given up at once."""
        async with self.running(make) as bus:
            own, gate, error = Recorder(), Gate(), ValueError("body")
            session = bus.session()
            with pytest.raises(ValueError, match="body") as caught:  # noqa: PT012 - the body is what is tested
                async with session:
                    session.register_event_handler(SessionEndEvent, own)
                    session.register_event_handler(Said, gate)
                    await session.publish(Said())
                    await session.publish(Said())
                    await gate.entered.wait()
                    raise error
            assert caught.value is error
            assert gate.cancelled
            assert (own.seen[0].outcome, own.seen[0].error.message) == (Outcome.ERROR, "body")
            assert bus.stats().total.discarded == 2
            assert session.closed

    @clause
    async def test_session_8_left_by_cancellation(self, make: Make) -> None:
        """A session whose body is cancelled ends all the same, and its end event is delivered."""
        async with self.running(make) as bus:
            own = Recorder()
            with anyio.CancelScope() as scope:
                async with bus.session() as session:
                    session.register_event_handler(SessionEndEvent, own)
                    scope.cancel()
                    await anyio.sleep_forever()
            assert [event.outcome for event in own.seen] == [Outcome.CANCELLED]
            assert bus.stats().sessions == 0

    @clause
    async def test_session_9_drains(self, make: Make) -> None:
        """Leaving a session normally waits until its handlers have taken what they are owed."""
        async with self.running(make) as bus:
            gate, seen = Gate(), Recorder()

            async def handle(event: Said) -> None:
                await gate(event)
                seen.note(event)

            async with anyio.create_task_group() as tasks:

                async def converse() -> None:
                    async with bus.session() as session:
                        session.register_event_handler(Said, handle)
                        for number in range(5):
                            await session.publish(Said(number=number))
                    assert seen.numbers == [0, 1, 2, 3, 4]

                tasks.start_soon(converse)
                await gate.entered.wait()
                await settle()
                gate.open.set()

    @clause
    async def test_session_10_drains_in_time(self, make: Make) -> None:
        """What has not drained when the session's time is up is cancelled and counted as discarded."""
        async with self.running(make) as bus:
            gate = Gate()
            async with bus.session(drain=0) as session:
                session.register_event_handler(Said, gate)
                await session.publish(Said())
                await session.publish(Said())
                await gate.entered.wait()
            assert gate.cancelled
            assert bus.stats().total.discarded == 2

    @clause
    async def test_session_11_closed(self, make: Make) -> None:
        """A session that has ended refuses every verb with SessionClosedError."""
        async with self.running(make) as bus:
            async with bus.session() as session:
                pass
            assert session.closed
            with pytest.raises(SessionClosedError):
                await session.publish(Said())
            with pytest.raises(SessionClosedError):
                await session.execute(Ask())
            with pytest.raises(SessionClosedError):
                async with session.stream(Count()):
                    pass
            with pytest.raises(SessionClosedError):
                session.register_event_handler(Said, Recorder())
            with pytest.raises(SessionClosedError):
                session.register_command_handler(Ask, answer)
            with pytest.raises(SessionClosedError):
                session.expect(Said)
            with pytest.raises(SessionClosedError):
                session.schedule(Said(), delay=0)
            with pytest.raises(SessionClosedError):
                session.start_soon(anyio.sleep_forever)
            await session.aclose()

    @clause
    async def test_session_12_after_the_end(self, make: Make) -> None:
        """Events of a session that has ended reach bus-scope handlers only, and never revive it."""
        async with self.running(make) as bus:
            seen, own = Recorder(), Recorder()
            bus.register_event_handler(Said, seen)
            async with bus.session("a") as session:
                session.register_event_handler(Said, own)
                session.register_command_handler(Ask, answer)
            await bus.publish(Said(session_id="a"))
            await bus.wait_idle()
            assert (len(seen.seen), own.seen) == (1, [])
            with pytest.raises(HandlerNotFoundError):
                await bus.execute(Ask(session_id="a"))
            assert bus.stats().sessions == 0

    @clause
    async def test_session_13_handlers_of_the_end(self, make: Make) -> None:
        """What a handler of the end event publishes for the session reaches bus-scope handlers only."""
        async with self.running(make) as bus:
            seen, own, done = Recorder(), Recorder(), anyio.Event()
            bus.register_event_handler(Said, seen)

            async def publish_more(event: SessionEndEvent) -> None:
                await bus.publish(Said())
                done.set()

            async with bus.session("a") as session:
                session.register_event_handler(Said, own)
                session.register_event_handler(SessionEndEvent, publish_more)
            assert done.is_set()
            await bus.wait_idle()
            assert ([event.session_id for event in seen.seen], own.seen) == (["a"], [])
