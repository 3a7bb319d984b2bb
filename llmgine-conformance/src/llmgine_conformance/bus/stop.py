"""Start and stop: a bus that stops finishes what it can, and leaves nobody waiting."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import anyio
import anyio.lowlevel
import anyio.to_thread
import pytest

from llmgine_conformance.bus.actors import Gate, Recorder, answer, beside, settle
from llmgine_conformance.bus.kit import BusClauses, Make, check_books
from llmgine_conformance.bus.messages import Ask, Count, Noted, Said
from llmgine_conformance.clause import clause
from llmgine_core.abc import MessageBus
from llmgine_core.contracts import Outcome, StopReport
from llmgine_core.errors import BusClosedError
from llmgine_core.events import SessionEndEvent

__all__ = ["StopClauses"]


class TakesItsTime(Recorder):
    """A handler that suspends a few times before it keeps what comes."""

    async def __call__(self, message: Any) -> None:
        """Keep what comes, after a while."""
        for _ in range(20):
            await anyio.lowlevel.checkpoint()
        self.note(message)


class StopClauses(BusClauses):
    """What `start` and `stop` promise."""

    async def stop(self, bus: MessageBus) -> StopReport:
        """Stop a bus that may not drain: in no more time than the clause has."""
        return await bus.stop(drain=self.patience)

    @clause
    async def test_stop_1_refuses(self, make: Make) -> None:
        """Before the start and after the stop, registering works and work is refused with BusClosedError."""
        bus = make()
        bus.register_command_handler(Ask, answer)
        for _ in range(2):
            bus.register_event_handler(Said, Recorder())
            with pytest.raises(BusClosedError):
                await bus.execute(Ask())
            with pytest.raises(BusClosedError):
                await bus.publish(Said())
            with pytest.raises(BusClosedError):
                bus.schedule(Said(), delay=0)
            with pytest.raises(BusClosedError):
                bus.expect(Said)
            with pytest.raises(BusClosedError):
                async with bus.stream(Count()):
                    pass
            with pytest.raises(BusClosedError):
                async with bus.session():
                    pass
            await bus.start()
            await bus.stop()
        assert bus.stats().refused == 2

    @clause
    async def test_stop_2_idempotent(self, make: Make) -> None:
        """Start and stop are idempotent, also at the same time, and a bus that never ran can be stopped."""
        bus = make()
        assert await bus.stop() == StopReport()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(bus.start)
            tasks.start_soon(bus.start)
        await bus.start()
        bus.register_command_handler(Ask, answer)
        assert await bus.execute(Ask("x")) == "answer to x"
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(bus.stop)
            tasks.start_soon(bus.stop)
        assert await bus.stop() == StopReport()

    @clause
    async def test_stop_3_anew(self, make: Make) -> None:
        """After a stop, a start opens the bus anew with its bus-scope registrations, and with no session's."""
        bus, seen = make(), Recorder()
        bus.register_command_handler(Ask, answer)
        bus.register_event_handler(Said, seen)
        for _ in range(2):
            async with bus:
                assert bus.stats().sessions == 0
                async with bus.session("s") as session:
                    session.register_event_handler(Said, seen)
                    assert await session.execute(Ask("x")) == "answer to x"
                    await session.publish(Said())
        assert len(seen.seen) == 4

    @clause
    async def test_stop_4_other_tasks(self, make: Make) -> None:
        """Start and stop may come from different tasks, which may be gone."""
        bus = make()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(bus.start)
        bus.register_command_handler(Ask, answer)
        bus.register_event_handler(Said, seen := Recorder())
        assert await bus.execute(Ask("x")) == "answer to x"
        await bus.publish(Said())
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(bus.stop)
        assert len(seen.seen) == 1

    @clause
    async def test_stop_5_drains(self, make: Make) -> None:
        """A stop finishes what was accepted, and what its handlers still publish and execute."""
        bus, seen = make(), TakesItsTime()

        async def chain(event: Said) -> None:
            await seen(event)
            if event.number:
                await bus.execute(Ask())
                await bus.publish(Said(number=event.number - 1))

        bus.register_command_handler(Ask, answer)
        bus.register_event_handler(Said, chain)
        await bus.start()
        await bus.publish(Said(number=20))
        assert await bus.stop() == StopReport()
        assert len(seen.seen) == 21

    @clause
    async def test_stop_6_deadline(self, make: Make) -> None:
        """At its deadline a stop cancels what runs, discards what waits, reports both, and nothing is pending."""
        bus, gate = make(), Gate()
        bus.register_event_handler(Said, gate)
        await bus.start()
        await bus.publish(Said())
        await bus.publish(Said())
        await gate.entered.wait()
        report = await bus.stop(drain=0)
        assert (report.left, report.discarded, report.cancelled) == (2, 2, 1)
        assert gate.cancelled
        assert (bus.stats().total.discarded, bus.stats().total.pending) == (2, 0)
        check_books(bus.stats())

    @clause
    async def test_stop_7_running_commands(self, make: Make) -> None:
        """A stop waits for commands that run within its deadline; at its end their callers get BusClosedError."""
        bus, patient, stuck = make(), Gate(), Gate()
        bus.register_command_handler(Ask, patient)
        await bus.start()
        async with beside(bus.execute, Ask()) as answers:
            await patient.entered.wait()
            async with beside(self.stop, bus):
                await settle()
                assert answers == []
                patient.open.set()
        assert answers == ["through the gate"]
        bus = make()
        bus.register_command_handler(Ask, stuck)
        await bus.start()
        async with beside(bus.execute, Ask()) as answers:
            await stuck.entered.wait()
            report = await bus.stop(drain=0)
        assert [type(error) for error in answers] == [BusClosedError]
        assert (stuck.cancelled, report.cancelled) == (True, 1)

    @clause
    async def test_stop_8_streams(self, make: Make) -> None:
        """The reader of a stream that runs at a stop's deadline gets BusClosedError."""
        entered, bus = anyio.Event(), make()

        async def wait(command: Count) -> AsyncGenerator[int, None]:
            yield 1
            entered.set()
            await anyio.sleep_forever()

        async def read() -> None:
            async with bus.stream(Count()) as items:
                async for _ in items:
                    pass

        bus.register_command_handler(Count, wait)
        await bus.start()
        async with beside(read) as errors:
            await entered.wait()
            await bus.stop(drain=0)
        assert [type(error) for error in errors] == [BusClosedError]

    @clause
    async def test_stop_9_waiting_publishers(self, make: Make) -> None:
        """Publishers that wait for room when a stop begins get BusClosedError at once, and are counted as refused."""
        bus, gate = make(capacity=1), Gate()
        bus.register_event_handler(Said, gate)
        await bus.start()
        await bus.publish(Said())
        await gate.entered.wait()
        await bus.publish(Said())
        async with beside(bus.publish, Said()) as first, beside(bus.publish, Said()) as second:
            await settle()
            async with beside(self.stop, bus):
                await settle()
                assert [type(error) for error in first + second] == [BusClosedError, BusClosedError]
                gate.open.set()
        assert (bus.stats().accepted, bus.stats().refused) == (2, 2)

    @clause
    async def test_stop_10_expectations(self, make: Make) -> None:
        """Who waits for an event gets BusClosedError at once when a stop begins."""
        bus, gate = make(), Gate()
        bus.register_event_handler(Noted, gate)
        await bus.start()
        await bus.publish(Noted())
        await gate.entered.wait()
        expected = bus.expect(Said)
        async with beside(self.stop, bus):
            with pytest.raises(BusClosedError):
                await expected
            gate.open.set()

    @clause
    async def test_stop_11_cancelled(self, make: Make) -> None:
        """A stop whose caller is cancelled goes on, and can be waited for."""
        bus, gate = make(), Gate()
        bus.register_event_handler(Said, gate)
        await bus.start()
        await bus.publish(Said())
        await gate.entered.wait()
        scope = anyio.CancelScope()

        async def give_up() -> None:
            with scope:
                await self.stop(bus)

        async with beside(give_up):
            await settle()
            scope.cancel()
            await settle()
            with pytest.raises(BusClosedError):
                await bus.publish(Said())
            gate.open.set()
        await bus.stop()
        assert not gate.cancelled
        assert bus.stats().total.delivered == 1

    @clause
    async def test_stop_12_left_by_an_exception(self, make: Make) -> None:
        """Leaving the bus's block by an exception drains as usual and passes it unchanged."""
        bus, seen, error = make(), TakesItsTime(), ValueError("body")
        bus.register_event_handler(Said, seen)
        with pytest.raises(ValueError, match="body") as caught:  # noqa: PT012 - the body is what is tested
            async with bus:
                await bus.publish(Said())
                raise error
        assert caught.value is error
        assert len(seen.seen) == 1

    @clause
    async def test_stop_13_left_by_cancellation(self, make: Make) -> None:
        """Leaving the bus's block by cancellation drains as usual, shielded."""
        bus, seen = make(), TakesItsTime()
        bus.register_event_handler(Said, seen)
        with anyio.CancelScope() as scope:
            async with bus:
                await bus.publish(Said())
                scope.cancel()
                await anyio.sleep_forever()
        assert len(seen.seen) == 1

    @clause
    async def test_stop_14_forgotten(self, make: Make) -> None:
        """A bus whose stop was forgotten ends cleanly with its loop, and can open anew on another."""
        bus, gates = make(), list[Gate]()

        async def handle(event: Said) -> None:
            gates.append(Gate())
            await gates[-1](event)

        bus.register_event_handler(Said, handle)

        async def forget() -> None:
            await bus.start()
            session = bus.session("kept open")
            await session.__aenter__()
            session.start_soon(anyio.sleep_forever)
            await session.publish(Said())
            await session.publish(Said())
            while not gates:
                await anyio.lowlevel.checkpoint()

        is_asyncio = anyio.get_cancelled_exc_class() is asyncio.CancelledError

        def run() -> None:
            anyio.run(forget, backend="asyncio" if is_asyncio else "trio")

        for _ in range(2):
            gates.clear()
            await anyio.to_thread.run_sync(run)
            assert gates[0].cancelled
            assert (bus.stats().total.pending, bus.stats().sessions) == (0, 0)
            check_books(bus.stats())
        assert bus.stats().total.discarded == 4

    @clause
    async def test_stop_15_sessions(self, make: Make) -> None:
        """A stop ends the sessions that are open, with their tasks and their end events."""
        bus, own, gate = make(), Recorder(), Gate()
        await bus.start()
        async with bus.session() as session:
            session.register_event_handler(SessionEndEvent, own)
            session.start_soon(gate, None)
            await gate.entered.wait()
            await bus.stop()
            assert session.closed
        assert gate.cancelled
        assert [event.outcome for event in own.seen] == [Outcome.OK]

    @clause
    async def test_stop_16_handlers_that_fail(self, make: Make) -> None:
        """What handlers raise while a stop cancels them harms nobody; the bus opens anew."""
        bus, gate, torn = make(), Gate(), list[Any]()

        async def tear(message: Any) -> str:
            try:
                return await gate(message)
            finally:
                torn.append(message)
                raise ValueError("while being cancelled")

        bus.register_event_handler(Said, tear)
        bus.register_command_handler(Ask, tear)
        await bus.start()
        async with beside(bus.execute, Ask()) as answers:
            await bus.publish(Said())
            await gate.wait_for(2)
            await bus.stop(drain=0)
        assert len(torn) == 2
        assert len(answers) == 1
        check_books(bus.stats())
        gate.open.set()
        async with bus:
            with pytest.raises(ValueError, match="being cancelled"):
                await bus.execute(Ask())
