"""Bounds: what becomes of an event for which there is no room."""

from __future__ import annotations

from typing import Any

import anyio
import pytest

from llmgine_conformance.bus.actors import Gate, Recorder, beside, settle
from llmgine_conformance.bus.kit import BusClauses, Make, check_books
from llmgine_conformance.bus.messages import Noted, Said
from llmgine_conformance.clause import clause
from llmgine_core.abc import MessageBus
from llmgine_core.contracts import Event, Overflow
from llmgine_core.errors import QueueFullError
from llmgine_core.events import EventDroppedEvent

__all__ = ["BoundClauses"]


async def busy(bus: MessageBus, **options: Any) -> tuple[Gate, str]:
    """A handler that is busy with event 0: its gate, and its name in the books."""
    gate = Gate()
    name = bus.register_event_handler(Said, gate, **options).name
    await bus.publish(Said(number=0))
    await gate.entered.wait()
    return gate, name


class BoundClauses(BusClauses):
    """How the capacity of the bus and of lanes is kept."""

    async def publish_five(self, bus: MessageBus) -> list[int]:
        """Publish events 1 to 5, which must not wait; the numbers of those that were refused."""
        refused: list[int] = []
        for number in range(1, 6):
            try:
                await bus.publish(Said(number=number))
            except QueueFullError:
                refused.append(number)
            check_books(bus.stats())
        return refused

    @clause
    async def test_bound_1_publishers_wait(self, make: Make) -> None:
        """When `capacity` deliveries wait, publishers wait for room, and are let in in the order they came."""
        async with self.running(make, capacity=2) as bus:
            gate, _ = await busy(bus)
            done: list[int] = []

            async def publish(number: int) -> None:
                await bus.publish(Said(number=number))
                done.append(number)

            await publish(1)
            await publish(2)
            async with anyio.create_task_group() as tasks:
                for number in range(3, 9):
                    tasks.start_soon(publish, number)
                    await settle()
                assert done == [1, 2]
                assert bus.stats().total.pending == 3
                gate.open.set()
            await bus.wait_idle()
            assert gate.numbers == list(range(9))
            assert done == list(range(1, 9))

    @clause
    async def test_bound_2_cancelled_waiter(self, make: Make) -> None:
        """A publisher that is cancelled while it waits passes its turn on, and its event is refused."""
        async with self.running(make, capacity=1) as bus:
            gate, _ = await busy(bus)
            await bus.publish(Said(number=1))
            async with anyio.create_task_group() as tasks:
                scope = anyio.CancelScope()

                async def give_up() -> None:
                    with scope:
                        await bus.publish(Said(number=2))

                tasks.start_soon(give_up)
                await settle()
                tasks.start_soon(bus.publish, Said(number=3))
                await settle()
                scope.cancel()
                await settle()
                gate.open.set()
            await bus.wait_idle()
            assert gate.numbers == [0, 1, 3]
            assert (bus.stats().accepted, bus.stats().refused) == (3, 1)

    @clause
    async def test_bound_3_nobody_jumps_the_queue(self, make: Make) -> None:
        """A new publisher does not overtake those that wait, nor does an event that nobody takes use up their room."""
        async with self.running(make, capacity=1) as bus:
            gate, _ = await busy(bus)
            await bus.publish(Said(number=1))
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(bus.publish, Said(number=2))
                await settle()
                tasks.start_soon(bus.publish, Noted())
                await settle()
                tasks.start_soon(bus.publish, Said(number=3))  # it comes while the room is given away
                gate.open.set()
            await bus.wait_idle()
            assert gate.numbers == [0, 1, 2, 3]
            assert bus.stats().unmatched == 1

    @clause
    async def test_bound_4_drop_newest(self, make: Make) -> None:
        """With `drop_newest` the event that finds no room is dropped and counted."""
        async with self.running(make, capacity=2, overflow="drop_newest") as bus:
            gate, name = await busy(bus)
            assert await self.publish_five(bus) == []
            gate.open.set()
            await bus.wait_idle()
            assert gate.numbers == [0, 1, 2]
            assert bus.stats().subscriptions[name].dropped == 3

    @clause
    async def test_bound_5_drop_oldest(self, make: Make) -> None:
        """With `drop_oldest` the delivery that has waited longest is dropped and counted."""
        async with self.running(make, capacity=2, overflow="drop_oldest") as bus:
            gate, name = await busy(bus)
            assert await self.publish_five(bus) == []
            gate.open.set()
            await bus.wait_idle()
            assert gate.numbers == [0, 4, 5]
            assert bus.stats().subscriptions[name].dropped == 3

    @clause
    async def test_bound_6_raise(self, make: Make) -> None:
        """With `raise` the event is refused with QueueFullError, and no subscription gets it."""
        async with self.running(make, capacity=2, overflow="raise") as bus:
            gate, _ = await busy(bus)
            assert await self.publish_five(bus) == [3, 4, 5]
            bus.register_event_handler(Said, others := Recorder(), overflow="drop_oldest")
            with pytest.raises(QueueFullError):
                await bus.publish(Said(number=6))
            gate.open.set()
            await bus.wait_idle()
            assert (gate.numbers, others.numbers) == ([0, 1, 2], [])
            assert (bus.stats().refused, bus.stats().total.dropped) == (4, 0)

    @clause
    async def test_bound_7_own_policy(self, make: Make) -> None:
        """A subscription's own overflow policy goes before the bus's."""
        async with self.running(make, capacity=2, overflow="raise") as bus:
            gate, name = await busy(bus, overflow="drop_newest")
            assert await self.publish_five(bus) == []
            gate.open.set()
            await bus.wait_idle()
            assert gate.numbers == [0, 1, 2]
            assert bus.stats().subscriptions[name].dropped == 3

    @clause
    async def test_bound_8_spared(self, make: Make) -> None:
        """Dropping the oldest never takes from a subscription that does not drop."""
        async with self.running(make, capacity=2) as bus:
            patient, name = await busy(bus)
            await bus.publish(Said(number=1))
            hasty = Gate()
            lossy = bus.register_event_handler(Noted, hasty, overflow="drop_oldest").name
            await bus.publish(Noted("a"))
            await hasty.entered.wait()
            await bus.publish(Noted("b"))
            await bus.publish(Noted("c"))
            patient.open.set()
            hasty.open.set()
            await bus.wait_idle()
            assert patient.numbers == [0, 1]
            assert [event.text for event in hasty.seen] == ["a", "c"]
            assert (bus.stats().subscriptions[name].dropped, bus.stats().subscriptions[lossy].dropped) == (0, 1)

    @clause
    async def test_bound_9_lane(self, make: Make) -> None:
        """A subscription's capacity bounds each of its lanes; other lanes of it, and other handlers, do not wait."""
        async with self.running(make) as bus:
            gate, _ = await busy(bus, capacity=1)
            bus.register_event_handler(Noted, others := Recorder())
            await bus.publish(Said(number=1))
            async with beside(bus.publish, Said(number=2)) as done:
                await settle()
                await bus.publish(Noted())
                await others.wait_for(1)
                await bus.publish(Said(number=9, session_id="elsewhere"))
                assert done == []
                gate.open.set()
            await bus.wait_idle()
            assert [number for number in gate.numbers if number < 9] == [0, 1, 2]

    @clause
    async def test_bound_10_full_lane(self, make: Make) -> None:
        """A full lane drops as its subscription's policy says, and loses its own events only."""
        cases: dict[Overflow, list[int]] = {"drop_newest": [0, 1], "drop_oldest": [0, 5]}
        for overflow, kept in cases.items():
            async with self.running(make) as bus:
                gate, name = await busy(bus, capacity=1, overflow=overflow)
                bus.register_event_handler(Said, others := Recorder())
                assert await self.publish_five(bus) == []
                gate.open.set()
                await bus.wait_idle()
                assert (gate.numbers, others.numbers) == (kept, [1, 2, 3, 4, 5])
                assert bus.stats().subscriptions[name].dropped == bus.stats().total.dropped == 4

    @clause
    async def test_bound_11_told(self, make: Make) -> None:
        """Drops are announced, the first at once, and those that follow together: type, subscription, count."""
        async with self.running(make, capacity=1, overflow="drop_newest") as bus:
            told = Recorder()

            def tell(event: Event) -> None:
                if isinstance(event, EventDroppedEvent):
                    told.note(event)

            bus.add_tap(tell)
            gate, name = await busy(bus)
            await self.publish_five(bus)
            assert [event.count for event in told.seen] == [1]
            gate.open.set()
            await bus.stop()
            assert {(event.event_type, event.subscription) for event in told.seen} == {(Said.type_name, name)}
            assert sum(event.count for event in told.seen) == 4
            assert len(told.seen) < 4

    @clause
    async def test_bound_12_no_echo(self, make: Make) -> None:
        """A drop of a drop event is counted and never announced again."""
        async with self.running(make, capacity=1, overflow="drop_newest") as bus:
            told = Recorder()

            def tell(event: Event) -> None:
                if isinstance(event, EventDroppedEvent):
                    told.note(event)

            bus.add_tap(tell)
            gate, name = await busy(bus)
            lossy = bus.register_event_handler(EventDroppedEvent, Recorder()).name
            await self.publish_five(bus)
            assert bus.stats().subscriptions[lossy].dropped > 0
            gate.open.set()
            await bus.stop()
            assert {event.subscription for event in told.seen} == {name}

    @clause
    async def test_bound_13_lane_goes_away(self, make: Make) -> None:
        """A publisher that waits for a lane goes on when the lane's handler is unregistered."""
        async with self.running(make) as bus:
            gate = Gate()
            registration = bus.register_event_handler(Said, gate, capacity=1)
            await bus.publish(Said(number=0))
            await gate.entered.wait()
            await bus.publish(Said(number=1))
            async with beside(bus.publish, Said(number=2)) as done:
                await settle()
                assert done == []
                registration.unregister()
            assert done == [None]
            gate.open.set()

    @clause
    async def test_bound_14_options(self, make: Make) -> None:
        """A capacity below 1 and an unknown policy are refused with ValueError, of the bus and of a subscription."""
        with pytest.raises(ValueError, match="capacity"):
            make(capacity=0)
        with pytest.raises(ValueError, match="overflow"):
            make(overflow="forget")
        bus: Any = make()
        with pytest.raises(ValueError, match="capacity"):
            bus.register_event_handler(Said, Recorder(), capacity=0)
        with pytest.raises(ValueError, match="overflow"):
            bus.register_event_handler(Said, Recorder(), overflow="forget")

    @clause
    async def test_bound_15_longest_lane(self, make: Make) -> None:
        """Where deliveries wait in lanes, `drop_oldest` takes the oldest of the longest lane."""
        async with self.running(make, capacity=4, overflow="drop_oldest") as bus:
            bus.register_event_handler(Said, gate := Gate())
            for number, session_id in enumerate("ab"):
                await bus.publish(Said(number=number, session_id=session_id))
                await gate.wait_for(number + 1)
            for number, session_id in enumerate("baaab", start=2):
                await bus.publish(Said(number=number, session_id=session_id))
                await settle()
            gate.open.set()
            await bus.wait_idle()
            assert sorted(gate.numbers) == [0, 1, 2, 4, 5, 6]
            assert bus.stats().total.dropped == 1
