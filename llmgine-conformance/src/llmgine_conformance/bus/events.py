"""Events: to every handler that matches, once."""

from __future__ import annotations

import threading
from typing import Any

import anyio
import anyio.lowlevel
import anyio.to_thread
import pytest

from llmgine_conformance.bus.actors import Gate, Recorder, fail
from llmgine_conformance.bus.kit import BusClauses, Make
from llmgine_conformance.bus.messages import Ask, Noted, Said, Shouted
from llmgine_conformance.clause import clause
from llmgine_core.contracts import Event, current_message

__all__ = ["EventClauses"]


class EventClauses(BusClauses):
    """What `publish` promises of who gets an event."""

    @clause
    async def test_event_1_every_handler(self, make: Make) -> None:
        """Every matching handler gets every event once, by its class and base classes."""
        async with self.running(make) as bus:
            kinds: list[type[Event]] = [Event, Said, Shouted, Noted]
            recorders = {kind: Recorder() for kind in kinds}
            for kind, recorder in recorders.items():
                bus.register_event_handler(kind, recorder)
            await bus.publish(Shouted("hey"))
            await bus.publish(Said("hey"))
            await bus.wait_idle()
            assert [type(e) for e in recorders[Event].seen if isinstance(e, Said | Noted)] == [Shouted, Said]
            assert [type(e) for e in recorders[Said].seen] == [Shouted, Said]
            assert [type(e) for e in recorders[Shouted].seen] == [Shouted]
            assert recorders[Noted].seen == []

    @clause
    async def test_event_2_filter(self, make: Make) -> None:
        """A handler with a filter gets only the events that pass it; the others are not owed to it."""

        def is_even(event: Said) -> bool:
            return event.number % 2 == 0

        async with self.running(make) as bus:
            even = Recorder()
            name = bus.register_event_handler(Said, even, where=is_even).name
            for number in range(4):
                await bus.publish(Said(number=number))
            await bus.wait_idle()
            assert even.numbers == [0, 2]
            assert bus.stats().subscriptions[name].deliveries == 2

    @clause
    async def test_event_3_failing_filter(self, make: Make) -> None:
        """A filter that raises is a failed delivery of its subscription, and harms no other."""

        def divide(event: Said) -> bool:
            return 1 / event.number > 0

        async with self.running(make) as bus:
            seen, others = Recorder(), Recorder()
            name = bus.register_event_handler(Said, seen, where=divide).name
            bus.register_event_handler(Said, others)
            await bus.publish(Said(number=0))
            await bus.publish(Said(number=1))
            await bus.wait_idle()
            assert (seen.numbers, others.numbers) == ([1], [0, 1])
            assert bus.stats().subscriptions[name].failed == 1

    @clause
    async def test_event_4_acceptance(self, make: Make) -> None:
        """Publish returns when the event is accepted, not when it is handled."""
        async with self.running(make) as bus:
            gate = Gate()
            bus.register_event_handler(Said, gate)
            await bus.publish(Said())
            assert not gate.left.is_set()
            gate.open.set()

    @clause
    async def test_event_5_unmatched(self, make: Make) -> None:
        """An accepted event that no subscription matches is counted as unmatched."""
        async with self.running(make) as bus:
            bus.register_event_handler(Noted, Recorder())
            await bus.publish(Said())
            await bus.wait_idle()
            assert (bus.stats().accepted, bus.stats().unmatched, bus.stats().total.deliveries) == (1, 1, 0)

    @clause
    async def test_event_6_plain_functions(self, make: Make) -> None:
        """Plain functions run on the loop's thread, in the order of their registration."""
        async with self.running(make) as bus:
            order: list[tuple[int, int]] = []
            threads: set[int] = set()

            def register(place: int) -> None:
                def handle(event: Said) -> None:
                    order.append((event.number, place))
                    threads.add(threading.get_ident())

                bus.register_event_handler(Said, handle)

            for place in range(5):
                register(place)
            for number in range(3):
                await bus.publish(Said(number=number))
            await bus.wait_idle()
            assert order == [(number, place) for number in range(3) for place in range(5)]
            assert threads == {threading.get_ident()}

    @clause
    async def test_event_7_fixed_at_acceptance(self, make: Make) -> None:
        """Who gets an event is fixed when it is accepted: a handler registered later does not."""
        async with self.running(make) as bus:
            early, late = Recorder(), Recorder()
            bus.register_event_handler(Said, early)
            await bus.publish(Said(number=1))
            bus.register_event_handler(Said, late)
            await bus.publish(Said(number=2))
            await bus.wait_idle()
            assert (early.numbers, late.numbers) == ([1, 2], [2])

    @clause
    async def test_event_8_unregistered(self, make: Make) -> None:
        """After unregister a handler is not called again, what waited for it is discarded, the one running finishes."""
        async with self.running(make) as bus:
            gate, others = Gate(), Recorder()
            registration = bus.register_event_handler(Said, gate)
            bus.register_event_handler(Said, others)
            for number in range(3):
                await bus.publish(Said(number=number))
            await gate.entered.wait()
            registration.unregister()
            registration.unregister()
            assert bus.stats().total.discarded == 2
            gate.open.set()
            await bus.publish(Said(number=3))
            await bus.wait_idle()
            assert (gate.numbers, others.numbers) == ([0], [0, 1, 2, 3])
            assert not gate.cancelled

    @clause
    async def test_event_9_unregistered_by_a_neighbour(self, make: Make) -> None:
        """A handler that another handler of the same event unregisters before its turn is not called."""
        async with self.running(make) as bus:
            second = Recorder()
            registrations: list[Any] = []

            def unregister(event: Said) -> None:
                registrations[0].unregister()

            bus.register_event_handler(Said, unregister)
            registrations.append(bus.register_event_handler(Said, second.note))
            await bus.publish(Said())
            await bus.wait_idle()
            assert second.seen == []
            assert bus.stats().total.discarded == 1

    @clause
    async def test_event_10_failure_harms_no_other(self, make: Make) -> None:
        """A handler that fails harms no other, and goes on to be called itself."""

        def fail_plainly(event: Said) -> None:
            raise ValueError("on purpose")

        async with self.running(make) as bus:
            others = Recorder()
            bus.register_event_handler(Said, fail_plainly)
            bus.register_event_handler(Said, fail)
            bus.register_event_handler(Said, others)
            for number in range(3):
                await bus.publish(Said(number=number))
            await bus.wait_idle()
            assert others.numbers == [0, 1, 2]
            assert (bus.stats().total.failed, bus.stats().total.delivered) == (6, 3)

    @clause
    async def test_event_11_expiry(self, make: Make) -> None:
        """A delivery whose time to live passes before it has begun expires; one that has begun does not."""
        async with self.running(make) as bus:
            gate = Gate()
            bus.register_event_handler(Said, gate)
            await bus.publish(Said(number=0), ttl=60)
            await gate.entered.wait()
            await bus.publish(Said(number=1), ttl=0)
            await bus.publish(Said(number=2), ttl=60)
            gate.open.set()
            await bus.wait_idle()
            assert gate.numbers == [0, 2]
            assert (bus.stats().total.expired, bus.stats().total.delivered) == (1, 2)

    @clause
    async def test_event_12_timeout(self, make: Make) -> None:
        """A handler whose time is up is cancelled, its delivery has failed, and its lane goes on."""
        async with self.running(make) as bus:
            seen, cancelled = Recorder(), Recorder()

            async def hang_on_the_first(event: Said) -> None:
                seen.note(event)
                if event.number == 0:
                    try:
                        await anyio.sleep_forever()
                    finally:
                        cancelled.note(event)

            bus.register_event_handler(Said, hang_on_the_first, timeout=0.01)
            await bus.publish(Said(number=0))
            await bus.publish(Said(number=1))
            await bus.wait_idle()
            assert (seen.numbers, cancelled.numbers) == ([0, 1], [0])
            assert (bus.stats().total.failed, bus.stats().total.delivered) == (1, 1)

    @clause
    async def test_event_13_in_a_thread(self, make: Make) -> None:
        """A handler registered with in_thread runs in a worker thread and does not block the loop."""
        async with self.running(make) as bus:
            release, threads = threading.Event(), Recorder()

            def block(event: Said) -> None:
                release.wait(self.patience)
                threads.note(threading.get_ident())

            bus.register_event_handler(Said, block, in_thread=True)
            bus.register_event_handler(Noted, noted := Recorder())
            await bus.publish(Said())
            await bus.publish(Noted())
            await noted.wait_for(1)
            assert threads.seen == []
            release.set()
            await bus.wait_idle()
            assert threads.seen != [threading.get_ident()]
            assert bus.stats().total.delivered == 2

    @clause
    async def test_event_14_from_a_thread(self, make: Make) -> None:
        """A thread publishes with publish_from_thread, which has accepted when it returns; the loop itself may not."""
        async with self.running(make) as bus:
            seen = Recorder()
            bus.register_event_handler(Said, seen)
            await anyio.to_thread.run_sync(bus.publish_from_thread, Said(number=1))
            assert bus.stats().accepted == 1
            with pytest.raises(RuntimeError):
                bus.publish_from_thread(Said(number=2))
            await bus.wait_idle()
            assert seen.numbers == [1]

    @clause
    async def test_event_15_emit(self, make: Make) -> None:
        """Emit neither waits nor fails, from any thread; what finds no room is counted as dropped."""
        async with self.running(make, capacity=1) as bus:
            gate, noted = Gate(), Recorder()
            name = bus.register_event_handler(Said, gate).name
            bus.register_event_handler(Noted, noted)
            await bus.publish(Said())
            await gate.entered.wait()
            for _ in range(20):
                bus.emit(Said())
            books = bus.stats().subscriptions[name]
            assert (books.deliveries, bus.stats().refused) == (21, 0)
            assert books.dropped > 0
            gate.open.set()
            await bus.wait_idle()
            await anyio.to_thread.run_sync(bus.emit, Noted())
            await noted.wait_for(1)

    @clause
    async def test_event_16_header(self, make: Make) -> None:
        """What a handler sends names its message as the cause, and belongs to its chain and session."""
        async with self.running(make) as bus:
            seen, current = Recorder(), Recorder()

            async def note(event: Said) -> None:
                current.note(current_message())
                await bus.publish(Noted())

            async def say(command: Ask) -> str:
                await anyio.lowlevel.checkpoint()
                await bus.publish(Said())
                return ""

            bus.register_command_handler(Ask, say)
            bus.register_event_handler(Said, note)
            bus.register_event_handler(Said, seen)
            bus.register_event_handler(Noted, seen)
            command = Ask(session_id="s")
            await bus.execute(command)
            await bus.wait_idle()
            said, noted = seen.seen
            assert (said.causation_id, said.correlation_id, said.session_id) == (command.id, command.id, "s")
            assert (noted.causation_id, noted.correlation_id, noted.session_id) == (said.id, command.id, "s")
            assert current.seen[0].id == said.id
            assert current_message() is None

    @clause
    async def test_event_17_header_is_kept(self, make: Make) -> None:
        """What a message's maker wrote into its header is kept on the way."""
        async with self.running(make) as bus:
            seen = Recorder()
            bus.register_event_handler(Said, seen)
            event = Said("x", session_id="s", correlation_id="c", causation_id="d", metadata={"tenant": 1})
            await bus.publish(event)
            await bus.wait_idle()
            (got,) = seen.seen
            assert got == event
            assert (got.id, got.timestamp, got.session_id) == (event.id, event.timestamp, "s")
            assert (got.correlation_id, got.causation_id, got.metadata) == ("c", "d", {"tenant": 1})

    @clause
    async def test_event_18_abandoned_thread(self, make: Make) -> None:
        """A thread that hangs holds up neither its timeout nor anything else, and is counted as abandoned."""
        async with self.running(make) as bus:
            release = threading.Event()

            def hang(event: Said) -> None:
                release.wait(self.patience)

            name = bus.register_event_handler(Said, hang, in_thread=True, timeout=0.01).name
            try:
                await bus.publish(Said())
                await bus.wait_idle()
                assert (bus.stats().subscriptions[name].failed, bus.stats().abandoned_threads) == (1, 1)
            finally:
                release.set()
