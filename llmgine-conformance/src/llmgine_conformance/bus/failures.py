"""Failures, retries, dead letters, and what the bus says of them."""

from __future__ import annotations

import asyncio
from typing import Any

import anyio.lowlevel
import pytest

from llmgine_conformance.bus.actors import Gate, Recorder, answer, fail
from llmgine_conformance.bus.kit import BusClauses, Make
from llmgine_conformance.bus.messages import Ask, Noted, Said
from llmgine_conformance.clause import clause
from llmgine_core.contracts import Event, Outcome, Retry
from llmgine_core.events import (
    EventHandlerFailedEvent,
    EventHandlerResultEvent,
    EventHandlerStartEvent,
    SessionStartEvent,
)

__all__ = ["FailureClauses"]


class FailsAtFirst(Recorder):
    """A handler that fails so many times on each event before it takes it."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self._times = times

    async def __call__(self, message: Any) -> None:
        """Fail, or take it."""
        self.note(message)
        await anyio.lowlevel.checkpoint()
        if self.numbers.count(message.number) <= self._times:
            raise ValueError("not yet")


class FailureClauses(BusClauses):
    """What becomes of a delivery whose handler fails."""

    @clause
    async def test_failure_1_told(self, make: Make) -> None:
        """A failure is told once: event, type, handler, attempts and error, in the event's own chain."""
        async with self.running(make) as bus:
            told = Recorder()
            bus.register_event_handler(EventHandlerFailedEvent, told)
            name = bus.register_event_handler(Said, fail).name
            event = Said(session_id="s")
            await bus.publish(event)
            await bus.wait_idle()
            (failure,) = told.seen
            assert (failure.event_id, failure.event_type, failure.handler) == (event.id, Said.type_name, name)
            assert (failure.attempts, failure.session_id) == (1, "s")
            assert failure.correlation_id == event.correlation_id
            assert (failure.error.type, failure.error.message) == ("ValueError", "failed on purpose")

    @clause
    async def test_failure_2_no_echo(self, make: Make) -> None:
        """A failure on a failure event is counted and never announced again."""
        async with self.running(make) as bus:
            told = Recorder()
            bus.register_event_handler(EventHandlerFailedEvent, told.note)
            bus.register_event_handler(EventHandlerFailedEvent, fail)
            bus.register_event_handler(Said, fail)
            await bus.publish(Said())
            await bus.wait_idle()
            assert len(told.seen) == 1
            assert bus.stats().total.failed == 2

    @clause
    async def test_failure_3_whatever_is_raised(self, make: Make) -> None:
        """Whatever an event handler raises, SystemExit and CancelledError too, is a failure and harms nobody."""
        async with self.running(make) as bus:
            others = Recorder()

            def register(error: BaseException) -> None:
                async def raise_it(event: Said) -> None:
                    raise error

                def raise_it_plainly(event: Said) -> None:
                    raise error

                async def raise_it_later(event: Said) -> None:
                    await anyio.lowlevel.checkpoint()
                    raise error

                for handler in (raise_it, raise_it_plainly, raise_it_later):
                    bus.register_event_handler(Said, handler)

            for error in (SystemExit(3), asyncio.CancelledError(), GeneratorExit()):
                register(error)
            bus.register_event_handler(Said, others)
            bus.register_command_handler(Ask, answer)
            await bus.publish(Said(number=0))
            await bus.publish(Said(number=1))
            await bus.wait_idle()
            assert others.numbers == [0, 1]
            assert bus.stats().total.failed == 18
            assert await bus.execute(Ask("x")) == "answer to x"

    @clause
    async def test_failure_4_start_and_result(self, make: Make) -> None:
        """A delivery has one start and one result event, retries included; the runtime's own events have none."""
        async with self.running(make) as bus:
            told, retried = Recorder(), FailsAtFirst(1)

            def tell(event: Event) -> None:
                if isinstance(event, EventHandlerStartEvent | EventHandlerResultEvent):
                    told.note(event)

            bus.add_tap(tell)
            bus.register_event_handler(SessionStartEvent, Recorder())
            name = bus.register_event_handler(Said, retried, retry=Retry(attempts=2, delay=0)).name
            bus.register_event_handler(Noted, fail)
            async with bus.session() as session:
                await session.publish(Said())
            await bus.wait_idle()
            await bus.publish(Noted())
            await bus.wait_idle()
            assert [type(e) for e in told.seen] == [EventHandlerStartEvent, EventHandlerResultEvent] * 2
            assert [e.handler for e in told.seen[:2]] == [name, name]
            assert [e.outcome for e in told.seen[1::2]] == [Outcome.OK, Outcome.ERROR]
            assert told.seen[3].error.type == "ValueError"

    @clause
    async def test_failure_5_untold(self, make: Make) -> None:
        """Lifecycle events are made only if somebody listens to them."""
        async with self.running(make) as bus:
            bus.register_command_handler(Ask, answer)
            bus.register_event_handler(Said, fail)
            async with bus.session() as session:
                await session.execute(Ask())
                await session.publish(Noted())
            assert (bus.stats().accepted, bus.stats().emitted) == (1, 0)

    @clause
    async def test_retry_1_again(self, make: Make) -> None:
        """A handler that fails is tried again as often as its registration says; success at last is one delivery."""
        async with self.running(make) as bus:
            told, retried = Recorder(), FailsAtFirst(2)
            bus.register_event_handler(EventHandlerFailedEvent, told)
            name = bus.register_event_handler(Said, retried, retry=Retry(attempts=3, delay=0)).name
            await bus.publish(Said(number=1))
            await bus.wait_idle()
            assert retried.numbers == [1, 1, 1]
            assert told.seen == []
            books = bus.stats().subscriptions[name]
            assert (books.deliveries, books.delivered, books.failed) == (1, 1, 0)

    @clause
    async def test_retry_2_used_up(self, make: Make) -> None:
        """Attempts that are used up are one failure, told with their number."""
        async with self.running(make) as bus:
            told, retried = Recorder(), FailsAtFirst(99)
            bus.register_event_handler(EventHandlerFailedEvent, told)
            name = bus.register_event_handler(Said, retried, retry=Retry(attempts=3, delay=0)).name
            await bus.publish(Said(number=1))
            await bus.wait_idle()
            assert retried.numbers == [1, 1, 1]
            assert [failure.attempts for failure in told.seen] == [3]
            books = bus.stats().subscriptions[name]
            assert (books.deliveries, books.delivered, books.failed) == (1, 0, 1)

    @clause
    async def test_retry_3_holds_back_its_lane_only(self, make: Make) -> None:
        """A retry holds back the lane of its own handler and session, and nothing else."""
        async with self.running(make) as bus:
            retried, neighbour = FailsAtFirst(1), Recorder()
            bus.register_event_handler(Said, retried, retry=Retry(attempts=2, delay=1000))
            bus.register_event_handler(Said, neighbour)
            await bus.publish(Said(number=1, session_id="a"))
            await bus.publish(Said(number=2, session_id="a"))
            await bus.publish(Said(number=3, session_id="b"))
            await neighbour.wait_for(3)
            await retried.wait_for(2)
            assert retried.numbers == [1, 3]
            await bus.stop(drain=0)
            assert retried.numbers == [1, 3]

    @clause
    async def test_retry_4_unregistered(self, make: Make) -> None:
        """A handler that is unregistered between its attempts is not called again, and the delivery is discarded."""
        async with self.running(make) as bus:
            calls = Recorder()
            registrations: list[Any] = []

            async def unregister_and_fail(event: Said) -> None:
                calls.note(event)
                registrations[0].unregister()
                raise ValueError("never")

            retry = Retry(attempts=3, delay=0)
            registrations.append(bus.register_event_handler(Said, unregister_and_fail, retry=retry))
            await bus.publish(Said())
            await bus.wait_idle()
            assert len(calls.seen) == 1
            assert (bus.stats().total.discarded, bus.stats().total.failed) == (1, 0)

    @clause
    async def test_letter_1_kept(self, make: Make) -> None:
        """A delivery that failed for good is a dead letter: its event, subscription, attempts and error."""
        async with self.running(make) as bus:
            retry = Retry(attempts=2, delay=0)
            name = bus.register_event_handler(Said, fail, retry=retry).name
            bus.register_event_handler(Said, Recorder())
            await bus.publish(Said("x"))
            await bus.wait_idle()
            (letter,) = bus.dead_letters()
            assert (letter.event, letter.subscription, letter.attempts) == (Said("x"), name, 2)
            assert letter.error.message == "failed on purpose"
            assert bus.stats().dead_letters == 1

    @clause
    async def test_letter_2_redelivered(self, make: Make) -> None:
        """A dead letter is redelivered to the subscription that failed on it, as a delivery of its own, and is gone."""
        async with self.running(make) as bus:
            heals, others = FailsAtFirst(1), Recorder()
            name = bus.register_event_handler(Said, heals).name
            bus.register_event_handler(Said, others)
            await bus.publish(Said(number=1))
            await bus.wait_idle()
            await bus.redeliver(bus.dead_letters()[0].id)
            await bus.wait_idle()
            assert (heals.numbers, others.numbers) == ([1, 1], [1])
            assert bus.dead_letters() == ()
            books = bus.stats().subscriptions[name]
            assert (books.deliveries, books.failed, books.delivered) == (2, 1, 1)

    @clause
    async def test_letter_3_unknown(self, make: Make) -> None:
        """Redelivering an unknown letter, or one whose subscription is gone, is a LookupError; the letter stays."""
        async with self.running(make) as bus:
            registration = bus.register_event_handler(Said, fail)
            await bus.publish(Said())
            await bus.wait_idle()
            (letter,) = bus.dead_letters()
            with pytest.raises(LookupError):
                await bus.redeliver("no such letter")
            registration.unregister()
            with pytest.raises(LookupError):
                await bus.redeliver(letter.id)
            assert bus.dead_letters() == (letter,)

    @clause
    async def test_fault_1_cancelled_handler_that_fails(self, make: Make) -> None:
        """What a handler raises while it is being cancelled harms nobody, and the books stay true."""
        async with self.running(make) as bus:
            gate, others = Gate(), Recorder()

            async def torn(event: Said) -> None:
                try:
                    await gate(event)
                finally:
                    raise ValueError("while being cancelled")

            bus.register_event_handler(Said, others)
            async with bus.session(drain=0) as session:
                session.register_event_handler(Said, torn)
                await session.publish(Said(number=0))
                await gate.entered.wait()
            assert gate.cancelled
            await bus.publish(Said(number=1))
            await bus.wait_idle()
            assert others.numbers == [0, 1]

    @clause
    async def test_fault_2_coroutine_of_a_plain_function(self, make: Make) -> None:
        """A plain function that returns a coroutine has failed; nothing is silently left undone."""

        async def really(event: Said) -> None:
            raise AssertionError("never reached")

        def plain(event: Said) -> Any:
            return really(event)

        async with self.running(make) as bus:
            bus.register_event_handler(Said, plain)
            await bus.publish(Said())
            await bus.wait_idle()
            assert (bus.stats().total.failed, bus.stats().total.delivered) == (1, 0)
