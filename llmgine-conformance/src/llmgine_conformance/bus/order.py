"""Order and isolation: lanes, and groups of handlers."""

from __future__ import annotations

from collections.abc import Callable

import anyio
import anyio.lowlevel
import pytest

from llmgine_conformance.bus.actors import Gate, Recorder, answer, until
from llmgine_conformance.bus.kit import BusClauses, Make
from llmgine_conformance.bus.messages import Ask, Noted, Said
from llmgine_conformance.clause import clause
from llmgine_core.contracts import Retry
from llmgine_core.errors import DuplicateHandlerError

__all__ = ["OrderClauses"]


class OneAtATime(Recorder):
    """A handler that sees whether it is called while it runs, and fails on the numbers of which that is asked."""

    def __init__(self, fails_on: Callable[[int], bool] = lambda _: False) -> None:
        super().__init__()
        self._fails_on = fails_on
        self.running: dict[str | None, int] = {}
        self.overlaps: int = 0

    async def __call__(self, event: Said) -> None:
        """Take the event, with a pause on each second one."""
        running = self.running[event.session_id] = self.running.get(event.session_id, 0) + 1
        self.overlaps += running > 1
        if event.number % 2:
            await anyio.lowlevel.checkpoint()
            await anyio.lowlevel.checkpoint()
        self.note(event)
        self.running[event.session_id] -= 1
        if self._fails_on(event.number):
            raise ValueError("as asked")

    def of(self, session_id: str | None) -> list[int]:
        """The numbers that came of one session."""
        return [event.number for event in self.seen if event.session_id == session_id]


class OrderClauses(BusClauses):
    """In which order a handler sees events, and for whom it never waits."""

    @clause
    async def test_order_1_as_published(self, make: Make) -> None:
        """A handler sees one session's events in the order published, whether it suspends or not."""
        async with self.running(make) as bus:
            handler, plain = OneAtATime(), Recorder()
            bus.register_event_handler(Said, handler)
            bus.register_event_handler(Said, plain.note)
            for number in range(40):
                await bus.publish(Said(number=number))
            await bus.wait_idle()
            assert handler.numbers == plain.numbers == list(range(40))

    @clause
    async def test_order_2_one_at_a_time(self, make: Make) -> None:
        """A handler has one of a session's events at a time."""
        async with self.running(make) as bus:
            handler = OneAtATime()
            bus.register_event_handler(Said, handler)
            for number in range(20):
                await bus.publish(Said(number=number))
            await bus.wait_idle()
            assert (handler.overlaps, len(handler.seen)) == (0, 20)

    @clause
    async def test_order_3_after_a_failure(self, make: Make) -> None:
        """The order holds after a failure and through a retry."""
        async with self.running(make) as bus:
            failing = OneAtATime(fails_on=lambda number: number % 3 == 0)
            retried = OneAtATime(fails_on=lambda number: number % 5 == 0)
            bus.register_event_handler(Said, failing)
            bus.register_event_handler(Said, retried, retry=Retry(attempts=2, delay=0))
            for number in range(20):
                await bus.publish(Said(number=number))
            await bus.wait_idle()
            assert failing.numbers == list(range(20))
            assert retried.numbers == sorted(retried.numbers)
            assert len(retried.seen) == 24

    @clause
    async def test_order_4_other_sessions(self, make: Make) -> None:
        """A handler that is busy in one session takes the events of another, and those of none."""
        async with self.running(make) as bus:
            gate, others = Gate(), Recorder()

            async def wait_in_a(event: Said) -> None:
                await (gate if event.session_id == "a" else others)(event)

            bus.register_event_handler(Said, wait_in_a)
            async with bus.session("a") as a, bus.session("b") as b:
                await a.publish(Said())
                await gate.entered.wait()
                await b.publish(Said(number=1))
                await bus.publish(Said(number=2))
                await others.wait_for(2)
                gate.open.set()

    @clause
    async def test_order_5_neighbours(self, make: Make) -> None:
        """A handler that is busy delays no other handler of the same session."""
        async with self.running(make) as bus, bus.session() as session:
            gate, neighbour, own = Gate(), Recorder(), Recorder()
            bus.register_event_handler(Said, gate)
            bus.register_event_handler(Said, neighbour)
            session.register_event_handler(Said, own)
            for number in range(3):
                await session.publish(Said(number=number))
            await neighbour.wait_for(3)
            await own.wait_for(3)
            assert gate.numbers == [0]
            gate.open.set()

    @clause
    async def test_order_6_many_publishers(self, make: Make) -> None:
        """With many publishers at once, each session's events keep their order, one at a time."""
        async with self.running(make, capacity=8) as bus:
            handler = OneAtATime()
            bus.register_event_handler(Said, handler)

            async def publish(session_id: str) -> None:
                for number in range(20):
                    await bus.publish(Said(number=number, session_id=session_id))

            async with anyio.create_task_group() as tasks:
                for session_id in "abcde":
                    tasks.start_soon(publish, session_id)
            await bus.wait_idle()
            assert [handler.of(session_id) for session_id in "abcde"] == [list(range(20))] * 5
            assert handler.overlaps == 0

    @clause
    async def test_order_7_commands(self, make: Make) -> None:
        """A handler that is busy delays no command, nor a command that runs an event."""
        async with self.running(make) as bus, bus.session() as session:
            gate, running, seen = Gate(), Gate(), Recorder()
            bus.register_event_handler(Said, gate)
            bus.register_event_handler(Noted, seen)
            session.register_command_handler(Ask, answer)
            await session.publish(Said())
            await gate.entered.wait()
            assert await session.execute(Ask("x")) == "answer to x"
            session.start_soon(running, None)
            await running.entered.wait()
            await session.publish(Noted())
            await seen.wait_for(1)
            gate.open.set()

    @clause
    async def test_group_1_one_member(self, make: Make) -> None:
        """Of a group one member gets each event; other groups and handlers get it besides."""
        async with self.running(make) as bus:
            members, other, alone = [Recorder(), Recorder()], Recorder(), Recorder()
            for member in members:
                bus.register_event_handler(Said, member, group="workers")
            bus.register_event_handler(Said, other, group="others")
            bus.register_event_handler(Said, alone)
            for number in range(10):
                await bus.publish(Said(number=number))
            await other.wait_for(10)
            await until(lambda: len(members[0].seen) + len(members[1].seen) >= 10)
            await bus.wait_idle()
            assert sorted(members[0].numbers + members[1].numbers) == list(range(10))
            assert other.numbers == alone.numbers == list(range(10))

    @clause
    async def test_group_2_one_line_in_the_books(self, make: Make) -> None:
        """A group is one subscription: its members share a name and its books."""
        async with self.running(make) as bus:
            names = {bus.register_event_handler(Said, Recorder(), group="workers").name for _ in range(3)}
            for _ in range(6):
                await bus.publish(Said())
            await until(lambda: bus.stats().total.delivered >= 6)
            await bus.wait_idle()
            assert len(names) == 1
            assert bus.stats().subscriptions[names.pop()].delivered == bus.stats().total.deliveries == 6

    @clause
    async def test_group_3_members_are_alike(self, make: Make) -> None:
        """A member of another event type, filter or options than the group's is refused with DuplicateHandlerError."""
        bus = make()
        bus.register_event_handler(Said, Recorder(), group="workers")
        with pytest.raises(DuplicateHandlerError):
            bus.register_event_handler(Noted, Recorder(), group="workers")
        with pytest.raises(DuplicateHandlerError):
            bus.register_event_handler(Said, Recorder(), group="workers", where=lambda event: event.number > 0)
        with pytest.raises(DuplicateHandlerError):
            bus.register_event_handler(Said, Recorder(), group="workers", retry=Retry(attempts=3))
        bus.register_event_handler(Noted, Recorder(), group="others")

    @clause
    async def test_group_4_order(self, make: Make) -> None:
        """A group sees one session's events in order, one at a time, whichever member takes them."""
        async with self.running(make) as bus:
            handler = OneAtATime()

            async def first(event: Said) -> None:
                await handler(event)

            async def second(event: Said) -> None:
                await handler(event)

            bus.register_event_handler(Said, first, group="workers")
            bus.register_event_handler(Said, second, group="workers")
            for number in range(20):
                await bus.publish(Said(number=number, session_id="s"))
            await handler.wait_for(20)
            await bus.wait_idle()
            assert handler.numbers == list(range(20))
            assert handler.overlaps == 0

    @clause
    async def test_group_5_unregistered_member(self, make: Make) -> None:
        """A member that is unregistered gets nothing more and the others go on; with the last the group is gone."""
        async with self.running(make) as bus:
            first, second = Recorder(), Recorder()
            registrations = [bus.register_event_handler(Said, m, group="workers") for m in (first, second)]
            registrations[0].unregister()
            for number in range(4):
                await bus.publish(Said(number=number))
            await second.wait_for(4)
            await bus.wait_idle()
            assert (first.numbers, second.numbers) == ([], [0, 1, 2, 3])
            registrations[1].unregister()
            await bus.publish(Said())
            assert bus.stats().unmatched == 1
