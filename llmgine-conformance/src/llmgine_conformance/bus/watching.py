"""Who looks on: the books, taps, idleness, expectations and schedules."""

from __future__ import annotations

import anyio.lowlevel
import pytest

from llmgine_conformance.bus.actors import Gate, Recorder, beside, fail
from llmgine_conformance.bus.kit import BusClauses, Make, check_books
from llmgine_conformance.bus.messages import Ask, Noted, Said
from llmgine_conformance.clause import clause
from llmgine_core.contracts import Event, Retry
from llmgine_core.errors import QueueFullError

__all__ = ["WatchingClauses"]


class WatchingClauses(BusClauses):
    """What the bus says of itself, and how to wait for it."""

    @clause
    async def test_books_1_calls(self, make: Make) -> None:
        """Each call of publish is accepted or refused, and counted as what it was."""
        async with self.running(make, capacity=1, overflow="raise") as bus:
            gate = Gate()
            bus.register_event_handler(Said, gate)
            await bus.publish(Said())
            await gate.entered.wait()
            await bus.publish(Said())
            await bus.publish(Noted())
            for _ in range(3):
                with pytest.raises(QueueFullError):
                    await bus.publish(Said())
            async with bus.session("a") as session:
                with pytest.raises(ValueError, match="b"):
                    await session.publish(Noted(session_id="b"))
            assert (bus.stats().accepted, bus.stats().refused, bus.stats().unmatched) == (3, 4, 1)
            gate.open.set()

    @clause
    async def test_books_2_every_instant(self, make: Make) -> None:
        """The books balance at every instant, inside handlers and taps too, for each subscription and in total."""
        async with self.running(make) as bus:
            looks = Recorder()

            def look(event: Event) -> None:
                check_books(bus.stats())
                looks.note(event)

            async def look_twice(event: Event) -> None:
                look(event)
                await anyio.lowlevel.checkpoint()
                look(event)
                if isinstance(event, Said) and event.number % 3 == 0:
                    raise ValueError("on purpose")

            taps = Recorder()

            def tap(event: Event) -> None:
                try:
                    look(event)
                except AssertionError as error:
                    taps.note(error)

            bus.add_tap(tap)
            bus.register_event_handler(Said, look)
            name = bus.register_event_handler(Said, look_twice).name
            bus.register_event_handler(Said, look_twice, retry=Retry(attempts=2, delay=0))
            for number in range(6):
                await bus.publish(Said(number=number))
                check_books(bus.stats())
            await bus.wait_idle()
            stats = bus.stats()
            assert taps.seen == []
            assert (stats.subscriptions[name].failed, stats.total.failed, stats.total.delivered) == (2, 4, 14)

    @clause
    async def test_books_3_columns(self, make: Make) -> None:
        """Every delivery ends in exactly one column: delivered, failed, dropped, expired or discarded."""
        async with self.running(make) as bus:
            gate = Gate()

            async def wait_and_fail_on_one(event: Said) -> None:
                await gate(event)
                if event.number == 1:
                    raise ValueError("on purpose")

            registration = bus.register_event_handler(Said, wait_and_fail_on_one, capacity=3, overflow="drop_newest")
            await bus.publish(Said(number=0))
            await gate.entered.wait()
            await bus.publish(Said(number=1))
            await bus.publish(Said(number=2), ttl=0)
            await bus.publish(Said(number=3))
            await bus.publish(Said(number=4))
            books = bus.stats().subscriptions[registration.name]
            assert (books.deliveries, books.dropped, books.pending) == (5, 1, 4)
            gate.open.set()
            await bus.wait_idle()
            gate.open = anyio.Event()
            gate.entered = anyio.Event()
            await bus.publish(Said(number=5))
            await gate.entered.wait()
            await bus.publish(Said(number=6))
            registration.unregister()
            gate.open.set()
            await bus.wait_idle()
            books = bus.stats().total
            assert (books.delivered, books.failed, books.dropped, books.expired, books.discarded) == (3, 1, 1, 1, 1)
            assert (books.deliveries, books.pending) == (7, 0)

    @clause
    async def test_books_4_gone(self, make: Make) -> None:
        """The books of handlers that are gone are kept, those of sessions too."""
        async with self.running(make) as bus:
            registration = bus.register_event_handler(Said, Recorder())
            async with bus.session() as session:
                session.register_event_handler(Said, fail)
                await session.publish(Said())
            await bus.wait_idle()
            registration.unregister()
            total = bus.stats().total
            assert (total.deliveries, total.delivered, total.failed) == (2, 1, 1)
            check_books(bus.stats())

    @clause
    async def test_tap_1_sees_all(self, make: Make) -> None:
        """A tap sees every accepted event once, before its delivery, also those that are dropped."""
        async with self.running(make, capacity=1, overflow="drop_newest") as bus:
            order: list[tuple[str, int]] = []
            gate = Gate()

            async def handle(event: Said) -> None:
                order.append(("handler", event.number))
                await gate(event)

            def look(event: Event) -> None:
                if isinstance(event, Said):
                    order.append(("tap", event.number))

            tap = bus.add_tap(look)
            bus.register_event_handler(Said, handle)
            await bus.publish(Said(number=0))
            await gate.entered.wait()
            for number in (1, 2):
                await bus.publish(Said(number=number))
            assert order == [("tap", 0), ("handler", 0), ("tap", 1), ("tap", 2)]
            gate.open.set()
            await bus.wait_idle()
            tap.unregister()
            await bus.publish(Said(number=3))
            await bus.wait_idle()
            assert order[4:] == [("handler", 1), ("handler", 3)]

    @clause
    async def test_tap_2_fails(self, make: Make) -> None:
        """A tap that fails harms neither the publisher nor handlers nor other taps."""

        def fail_on_sight(event: Event) -> None:
            raise ValueError("on purpose")

        async with self.running(make) as bus:
            shown, seen = Recorder(), Recorder()
            bus.add_tap(fail_on_sight)
            bus.add_tap(shown.note)
            bus.register_event_handler(Said, seen)
            await bus.publish(Said(number=1))
            await bus.wait_idle()
            assert [e.number for e in shown.seen if isinstance(e, Said)] == seen.numbers == [1]

    @clause
    async def test_idle_1_waits(self, make: Make) -> None:
        """Waiting for idleness waits for events and commands of others, within its time: TimeoutError."""
        async with self.running(make) as bus:
            events, commands = Gate(), Gate()
            bus.register_event_handler(Said, events)
            bus.register_command_handler(Ask, commands)
            await bus.wait_idle()
            await bus.publish(Said())
            with pytest.raises(TimeoutError):
                await bus.wait_idle(timeout=0.01)
            events.open.set()
            await bus.wait_idle()
            assert events.left.is_set()
            async with beside(bus.execute, Ask()):
                await commands.entered.wait()
                with pytest.raises(TimeoutError):
                    await bus.wait_idle(timeout=0.01)
                commands.open.set()

    @clause
    async def test_expect_1_after_its_call(self, make: Make) -> None:
        """Expect gives the first event accepted after its call that passes its filter, awaited late and twice too."""

        def is_two(event: Said) -> bool:
            return event.number == 2

        async with self.running(make) as bus:
            await bus.publish(Said("before", 2))
            expected = bus.expect(Said, where=is_two)
            for event in (Said("no", 1), Noted(), Said("yes", 2), Said("later", 2)):
                await bus.publish(event)
            assert (await expected).text == "yes"
            assert (await expected).text == "yes"

    @clause
    async def test_expect_2_timeout(self, make: Make) -> None:
        """When nothing comes in time, awaiting raises TimeoutError; what came counts though the time is up."""
        async with self.running(make) as bus:
            with pytest.raises(TimeoutError):
                await bus.expect(Said, timeout=0.01)
            expected = bus.expect(Said, timeout=0)
            await bus.publish(Said("came"))
            assert (await expected).text == "came"

    @clause
    async def test_expect_3_session(self, make: Make) -> None:
        """A session's expect sees its own events only."""
        async with self.running(make) as bus, bus.session("a") as session:
            expected = session.expect(Said)
            await bus.publish(Said("the bus's"))
            await bus.publish(Said("another's", session_id="b"))
            await session.publish(Said("mine"))
            assert (await expected).text == "mine"

    @clause
    async def test_schedule_1_due(self, make: Make) -> None:
        """A scheduled event is accepted when it is due, not before."""
        async with self.running(make) as bus:
            seen = Recorder()
            bus.register_event_handler(Said, seen)
            bus.schedule(Said(number=2), delay=0.1)
            bus.schedule(Said(number=1), delay=0.01)
            assert bus.stats().accepted == 0
            await seen.wait_for(2)
            assert seen.numbers == [1, 2]

    @clause
    async def test_schedule_2_cancelled(self, make: Make) -> None:
        """A scheduled event that is cancelled, or that the bus does not live to see, is never published."""
        async with self.running(make) as bus:
            seen = Recorder()
            bus.register_event_handler(Said, seen)
            bus.schedule(Said("cancelled"), delay=0.01).cancel()
            bus.schedule(Said("too late"), delay=1000)
            due = bus.expect(Noted)
            bus.schedule(Noted(), delay=0.05)
            await due
            await bus.stop()
            assert seen.seen == []
            assert bus.stats().accepted == 1
