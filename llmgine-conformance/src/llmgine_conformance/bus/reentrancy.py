"""Re-entrance: whatever a handler does with its bus, nothing waits for itself."""

from __future__ import annotations

import anyio
import anyio.lowlevel
import pytest

from llmgine_conformance.bus.actors import Gate, Recorder, answer, beside, settle
from llmgine_conformance.bus.kit import BusClauses, Make
from llmgine_conformance.bus.messages import Ask, AskMore, Noted, Said
from llmgine_conformance.clause import clause
from llmgine_core.contracts import Event
from llmgine_core.errors import QueueFullError, SessionClosedError

__all__ = ["ReentrancyClauses"]


class ReentrancyClauses(BusClauses):
    """Publish, execute, open, close, stop and wait from inside handlers."""

    @clause
    async def test_reentrant_1_reserve(self, make: Make) -> None:
        """Below an event handler publications never wait, also on a full bus: they use a reserve."""
        async with self.running(make, capacity=1) as bus:
            gate, published = Gate(), Recorder()

            async def publish(event: Said) -> None:
                await bus.publish(Noted("inside"))
                await bus.publish(Noted("inside, too"))
                published.note(event)
                await gate(event)

            bus.register_event_handler(Said, publish)
            bus.register_event_handler(Noted, gate)
            await bus.publish(Noted())
            await gate.entered.wait()
            await bus.publish(Said())
            await published.wait_for(1)
            gate.open.set()

    @clause
    async def test_reentrant_2_reserve_used_up(self, make: Make) -> None:
        """When the reserve of twice the capacity is used up too, QueueFullError is raised in the handler."""
        async with self.running(make, capacity=2) as bus:
            gate, done = Gate(), Recorder()
            refused: list[int] = []

            async def flood(event: Said) -> None:
                for number in range(1, 11):
                    try:
                        await bus.publish(Noted(str(number)))
                    except QueueFullError:
                        refused.append(number)
                done.note(event)

            bus.register_event_handler(Said, flood)
            bus.register_event_handler(Noted, gate)
            await bus.publish(Noted("0"))
            await gate.entered.wait()
            await bus.publish(Said())
            await done.wait_for(1)
            gate.open.set()
            await bus.wait_idle()
            assert refused == [7, 8, 9, 10]
            assert [event.text for event in gate.seen] == [str(number) for number in range(7)]

    @clause
    async def test_reentrant_3_two_that_fill_each_other(self, make: Make) -> None:
        """Two handlers that publish to each other go on with a capacity of one."""
        async with self.running(make, capacity=1) as bus:
            seen = Recorder()

            async def ping(event: Said) -> None:
                seen.note(event)
                if event.number:
                    await bus.publish(Noted(str(event.number - 1)))

            async def pong(event: Noted) -> None:
                await anyio.lowlevel.checkpoint()
                await bus.publish(Said(number=int(event.text)))

            bus.register_event_handler(Said, ping)
            bus.register_event_handler(Noted, pong)
            for _ in range(3):
                await bus.publish(Said(number=20))
            await bus.wait_idle()
            assert len(seen.seen) == 63

    @clause
    async def test_reentrant_4_everything_at_any_depth(self, make: Make) -> None:
        """Publish, execute, open and close sessions inside handlers of both kinds, nested, with full queues."""
        for capacity in (3, 1000):
            async with self.running(make, capacity=capacity) as bus:
                done = Recorder()

                async def on_ask(command: Ask) -> str:
                    depth = int(command.question)
                    async with bus.session() as session:
                        await session.publish(Said(number=0))
                        if depth:
                            await session.execute(Ask(str(depth - 1)))
                    return "ok"

                async def on_said(event: Said, done: Recorder = done) -> None:
                    if event.number:
                        for _ in range(4):
                            await bus.publish(Said(number=0))
                        await bus.execute(Ask("3"))
                        done.note(event)

                bus.register_command_handler(Ask, on_ask)
                bus.register_event_handler(Said, on_said)
                await bus.execute(Ask("4"))
                await bus.publish(Said(number=1))
                await done.wait_for(1)
                await bus.wait_idle()

    @clause
    async def test_reentrant_5_command_handlers_wait(self, make: Make) -> None:
        """A command handler that is called from outside waits for room like anyone."""
        async with self.running(make, capacity=1) as bus:
            gate = Gate()

            async def publish(command: Ask) -> str:
                await bus.publish(Said("from the handler"))
                return "published"

            bus.register_event_handler(Said, gate)
            bus.register_command_handler(Ask, publish)
            await bus.publish(Said())
            await gate.entered.wait()
            await bus.publish(Said())
            async with beside(bus.execute, Ask()) as answers:
                await settle()
                assert answers == []
                gate.open.set()
            assert answers == ["published"]

    @clause
    async def test_reentrant_6_close_own_session(self, make: Make) -> None:
        """Closing a session inside its own handler asks for it; the handler finishes, and may still publish in it."""
        async with self.running(make) as bus:
            seen = Recorder()
            bus.register_event_handler(Noted, seen)
            async with bus.session("a") as session:

                async def close(event: Said) -> None:
                    await session.aclose()
                    await anyio.lowlevel.checkpoint()
                    await session.publish(Noted("from the event handler"))

                session.register_event_handler(Said, close)
                await session.publish(Said())
                await seen.wait_for(1)
            assert session.closed
            async with bus.session("b") as other:

                async def close_other(command: Ask) -> str:
                    await other.aclose()
                    await anyio.lowlevel.checkpoint()
                    await bus.publish(Noted("from the command handler"))
                    return "closing"

                other.register_command_handler(Ask, close_other)
                assert await other.execute(Ask()) == "closing"
            await bus.wait_idle()
            assert [event.session_id for event in seen.seen] == ["a", "b"]

    @clause
    async def test_reentrant_7_stop(self, make: Make) -> None:
        """A stop inside a handler asks for it and returns; the handler finishes."""
        async with self.running(make) as commanded, self.running(make) as told:
            finished = Recorder()

            async def stop(command: Ask) -> str:
                await commanded.stop()
                await anyio.lowlevel.checkpoint()
                return "stopping"

            async def stop_too(event: Said) -> None:
                await told.stop()
                await anyio.lowlevel.checkpoint()
                finished.note(event)

            commanded.register_command_handler(Ask, stop)
            told.register_event_handler(Said, stop_too)
            assert await commanded.execute(Ask()) == "stopping"
            await told.publish(Said())
            await finished.wait_for(1)

    @clause
    async def test_reentrant_8_wait_idle(self, make: Make) -> None:
        """Waiting for idleness inside a handler waits for what it has caused, not for its own chain of calls."""
        async with self.running(make) as bus:
            noted, done = Recorder(), anyio.Event()

            async def note(event: Noted) -> None:
                await anyio.lowlevel.checkpoint()
                noted.note(event)

            async def inner(command: Ask) -> str:
                await bus.publish(Noted())
                await bus.wait_idle()
                return str(len(noted.seen))

            async def outer(event: Said) -> None:
                assert await bus.execute(Ask()) == "1"
                done.set()

            bus.register_event_handler(Noted, note)
            bus.register_command_handler(Ask, inner)
            bus.register_event_handler(Said, outer)
            await bus.publish(Said())
            await done.wait()

    @clause
    async def test_reentrant_9_two_that_wait_for_idleness(self, make: Make) -> None:
        """Handlers that wait for idleness do not wait for each other."""
        async with self.running(make) as bus:
            rested = Recorder()

            async def rest(event: Said) -> None:
                await bus.wait_idle()
                rested.note(event)

            bus.register_event_handler(Said, rest)
            bus.register_event_handler(Said, rest)
            await bus.publish(Said())
            await rested.wait_for(2)

    @clause
    async def test_reentrant_10_registering(self, make: Make) -> None:
        """Handlers may register and unregister handlers of both kinds, themselves included."""
        async with self.running(make) as bus:
            once, late = Recorder(), Recorder()

            async def handle(event: Said) -> None:
                once.note(event)
                registration.unregister()
                bus.register_event_handler(Said, late)
                bus.register_command_handler(Ask, answer)

            registration = bus.register_event_handler(Said, handle)
            await bus.publish(Said(number=1))
            await bus.wait_idle()
            await bus.publish(Said(number=2))
            assert await bus.execute(Ask("x")) == "answer to x"
            await bus.wait_idle()
            assert (once.numbers, late.numbers) == ([1], [2])

    @clause
    async def test_reentrant_11_sessions_of_others(self, make: Make) -> None:
        """A handler may close another session, and waits for its end."""
        async with self.running(make) as bus:
            closed = Recorder()

            async def close(event: Event) -> None:
                await other.aclose()
                closed.note(other.closed)

            async with bus.session("other") as other:
                bus.register_event_handler(Said, close)
                await bus.publish(Said())
                await closed.wait_for(1)
            assert closed.seen == [True]

    @clause
    async def test_reentrant_12_execute_in_a_closing_session(self, make: Make) -> None:
        """While a session drains, its own handlers may still publish and execute in it; others may not."""
        async with self.running(make) as bus:
            gate, seen = Gate(), Recorder()

            async def work(event: Said) -> None:
                await gate(event)
                seen.note(await session.execute(AskMore("inside")))

            session = bus.session("a", drain=self.patience)
            await session.__aenter__()
            session.register_event_handler(Said, work)
            session.register_command_handler(AskMore, answer)
            await session.publish(Said())
            await gate.entered.wait()
            async with beside(session.aclose):
                await settle()
                with pytest.raises(SessionClosedError):
                    await session.publish(Said())
                with pytest.raises(SessionClosedError):
                    await session.execute(AskMore("outside"))
                gate.open.set()
            assert seen.seen == ["answer to inside"]
