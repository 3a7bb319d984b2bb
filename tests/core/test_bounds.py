"""Overflow policies, bounded lanes, groups, dead letters and stalls."""

import functools
import logging
import time
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from llmgine_core import DuplicateHandlerError, EventDroppedEvent, MessageBus, Overflow, QueueFullError, Retry
from tests.core.messages import Ask, Gate, Noted, Recorder, Said, balanced, in_background, running


async def blocked(bus: MessageBus, **options: Any) -> tuple[Gate, str]:
    """A handler that is busy with event 0; its gate and its name in the books."""
    gate = Gate()
    name = bus.register_event_handler(Said, gate, **options).name
    await bus.publish(Said(number=0))
    await gate.entered.wait()
    return gate, name


def numbers(gate: Gate) -> list[int]:
    return [event.number for event in gate.seen]


@pytest.mark.parametrize(
    ("overflow", "seen"), [("drop_newest", [0, 1, 2]), ("drop_oldest", [0, 4, 5]), ("raise", [0, 1, 2])]
)
@pytest.mark.parametrize("own", [True, False])
async def test_what_finds_no_room_on_the_bus_is_dealt_with_as_the_policy_says(
    overflow: Overflow, seen: list[int], own: bool
) -> None:
    async with running(capacity=2, **({} if own else {"overflow": overflow})) as bus:
        gate, name = await blocked(bus, **({"overflow": overflow} if own else {}))
        refusals: list[str] = []
        for number in range(1, 6):
            try:
                await bus.publish(Said(number=number))
            except QueueFullError as error:
                refusals.append(str(error))
            assert balanced(bus.stats())
        assert (len(refusals), bus.stats().refused) == ((3, 3) if overflow == "raise" else (0, 0))
        assert all(name in refusal for refusal in refusals)
        gate.open.set()
        await bus.wait_idle()
        assert numbers(gate) == seen
        assert bus.stats().subscriptions[name].dropped == (0 if overflow == "raise" else 3)


async def test_an_event_that_one_subscription_refuses_reaches_no_other() -> None:
    async with running(capacity=1) as bus:
        others = Recorder()
        gate, _ = await blocked(bus, overflow="raise")
        bus.register_event_handler(Said, others)
        bus.register_event_handler(Noted, gate)
        await bus.publish(Noted())
        with pytest.raises(QueueFullError):
            await bus.publish(Said(number=1))
        gate.open.set()
        await bus.wait_idle()
        assert others.seen == []


async def test_dropping_the_oldest_spares_those_that_never_lose_an_event() -> None:
    async with running(capacity=2, overflow="wait") as bus:
        patient, name = await blocked(bus)
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
        assert numbers(patient) == [0, 1]
        assert [event.text for event in hasty.seen] == ["a", "c"]
        assert (bus.stats().subscriptions[name].dropped, bus.stats().subscriptions[lossy].dropped) == (0, 1)


async def test_a_lanes_capacity_bounds_one_handler_in_one_session_and_its_publishers_wait_in_order() -> None:
    async with running() as bus:
        gate, name = await blocked(bus, capacity=1)
        other = Recorder()
        bus.register_event_handler(Said, other)
        await bus.publish(Said(number=1))
        done: list[int] = []

        async def publish(number: int) -> None:
            await bus.publish(Said(number=number))
            done.append(number)

        async with anyio.create_task_group() as tasks:
            for number in (2, 3):
                tasks.start_soon(publish, number)
                await anyio.wait_all_tasks_blocked()
            assert done == []
            await bus.publish(Said(number=9, session_id="elsewhere"))  # another lane of the same handler
            assert balanced(bus.stats())
            gate.open.set()
        await bus.wait_idle()
        assert [n for n in numbers(gate) if n < 9] == [0, 1, 2, 3]
        assert done == [2, 3]
        assert bus.stats().subscriptions[name].delivered == 5


@pytest.mark.parametrize(("overflow", "seen"), [("drop_newest", [0, 1]), ("drop_oldest", [0, 3])])
async def test_a_full_lane_drops_as_its_policy_says_and_tells(overflow: Overflow, seen: list[int]) -> None:
    async with running() as bus:
        told = Recorder()
        bus.register_event_handler(EventDroppedEvent, told)
        gate, name = await blocked(bus, overflow=overflow, capacity=1)
        for number in (1, 2, 3):
            await bus.publish(Said(number=number))
            assert balanced(bus.stats())
        gate.open.set()
        await told.wait_for(1)
        await bus.wait_idle()
        assert numbers(gate) == seen
        assert bus.stats().subscriptions[name].dropped == 2
        assert told.seen[0].subscription == name


async def test_a_full_lane_loses_its_own_events_only_also_before_its_handler_has_run() -> None:
    async with running() as bus:
        seen = Recorder()
        bus.register_event_handler(Said, seen, overflow="drop_oldest", capacity=1)
        for number, session_id in enumerate(["s", None, "s", None]):
            await bus.publish(Said(number=number, session_id=session_id))
        assert bus.stats().total.pending == 2
        await seen.wait_for(2)
        assert [event.number for event in seen.seen] == [2, 3]
        assert bus.stats().total.dropped == 2


async def test_a_publisher_whose_lane_goes_away_goes_on() -> None:
    async with running() as bus:
        gate = Gate()
        registration = bus.register_event_handler(Said, gate, capacity=1)
        await bus.publish(Said(number=0))
        await gate.entered.wait()
        await bus.publish(Said(number=1))
        async with in_background(bus.publish, Said(number=2)) as errors:
            await anyio.wait_all_tasks_blocked()
            registration.unregister()
        assert errors == []
        gate.open.set()


async def test_a_handler_called_from_its_lane_stands_in_its_own_call() -> None:
    """It does not wait for itself to end."""
    async with running() as bus:
        gate, done = Gate(), Recorder()

        async def work(event: Said) -> None:
            if event.number == 0:
                await gate(event)
            else:
                await bus.wait_idle(timeout=5)
            done.note(event)

        bus.register_event_handler(Said, work)
        await bus.publish(Said(number=0))
        await gate.entered.wait()
        await bus.publish(Said(number=1))
        gate.open.set()
        await done.wait_for(2)
        assert bus.stats().total.delivered == 2


async def test_what_waits_in_the_lanes_of_a_handler_is_discarded_at_once_when_it_is_unregistered() -> None:
    """The one that runs is finished."""
    async with running() as bus:
        gate = Gate()
        registration = bus.register_event_handler(Said, gate)
        await bus.publish(Said(number=0))
        await gate.entered.wait()
        for number in (1, 2):
            await bus.publish(Said(number=number))
            await anyio.wait_all_tasks_blocked()
        registration.unregister()
        assert (bus.stats().total.discarded, bus.stats().total.pending) == (2, 1)
        gate.open.set()
        await bus.wait_idle()
        assert numbers(gate) == [0]
        assert bus.stats().total.delivered == 1


async def test_an_event_handlers_publications_to_a_full_lane_use_its_reserve() -> None:
    async with running() as bus:
        gate, _ = await blocked(bus, capacity=1)
        errors: list[Exception] = []

        async def flood(event: Noted) -> None:
            for number in range(1, 6):
                try:
                    await bus.publish(Said(number=number))
                except QueueFullError as error:
                    errors.append(error)

        bus.register_event_handler(Noted, flood)
        await bus.publish(Noted())
        await anyio.wait_all_tasks_blocked()
        assert len(errors) == 2
        gate.open.set()


# ── groups ───────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_each_event_goes_to_one_member_of_a_group_in_turn_and_the_group_has_one_line_in_the_books() -> None:
    async with running() as bus:
        members = [Recorder(), Recorder(), Recorder()]
        registrations = [bus.register_event_handler(Said, member, group="workers") for member in members]
        for number in range(6):
            await bus.publish(Said(number=number))
        await bus.wait_idle()
        assert sorted(e.number for m in members for e in m.seen) == list(range(6))
        assert [len(member.seen) for member in members] == [2, 2, 2]
        assert len({r.name for r in registrations}) == 1
        assert bus.stats().subscriptions[registrations[0].name].delivered == 6
        registrations[0].unregister()
        registrations[0].unregister()
        await bus.publish(Said(number=6))
        await bus.wait_idle()
        assert len(members[0].seen) == 2
        for registration in registrations[1:]:
            registration.unregister()
        await bus.publish(Said(number=7))
        assert bus.stats().unmatched == 1


async def test_a_member_that_differs_is_refused_and_told_why() -> None:
    bus = MessageBus()
    bus.register_event_handler(Said, Recorder(), group="workers")
    different = functools.partial(bus.register_event_handler, handler=Recorder(), group="workers")
    with pytest.raises(DuplicateHandlerError, match="group 'workers' of the bus handles Said"):
        different(Noted)
    with pytest.raises(DuplicateHandlerError, match="another group"):
        different(Said, where=lambda event: True)
    with pytest.raises(DuplicateHandlerError):
        different(Said, retry=Retry(attempts=3))


async def test_a_group_sees_one_sessions_events_one_at_a_time() -> None:
    async with running() as bus:
        first, second = Gate(), Recorder()
        bus.register_event_handler(Said, first, group="workers")
        bus.register_event_handler(Said, second, group="workers")
        await bus.publish(Said(number=0, session_id="s"))
        await first.entered.wait()
        await bus.publish(Said(number=1, session_id="s"))
        await bus.publish(Said(number=2, session_id="t"))
        await second.wait_for(1)
        assert [e.number for e in second.seen] == [2]
        first.open.set()
        await bus.wait_idle()
        assert sorted([*numbers(first), *(e.number for e in second.seen)]) == [0, 1, 2]


# ── dead letters ─────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_dead_letter_is_listed_and_redelivered_to_the_subscription_that_failed() -> None:
    async with running() as bus:
        healed, seen, other = False, Recorder(), Recorder()

        async def fail(event: Said) -> None:
            if not healed:
                raise ValueError("not yet")
            seen.note(event)

        name = bus.register_event_handler(Said, fail, retry=Retry(attempts=2, delay=0)).name
        bus.register_event_handler(Said, other)
        await bus.publish(Said("x"))
        await bus.wait_idle()
        (letter,) = bus.dead_letters()
        assert (letter.event, letter.subscription, letter.attempts) == (Said("x"), name, 2)
        assert letter.error.message == "not yet"
        assert bus.stats().dead_letters == 1
        healed = True
        await bus.redeliver(letter.id)
        await seen.wait_for(1)
        await bus.wait_idle()
        assert bus.dead_letters() == ()
        assert len(other.seen) == 1
        books = bus.stats().subscriptions[name]
        assert (books.deliveries, books.failed, books.delivered) == (2, 1, 1)
        with pytest.raises(LookupError, match="no dead letter"):
            await bus.redeliver(letter.id)


async def test_a_letter_whose_subscription_is_gone_stays() -> None:
    async with running() as bus:

        def fail(event: Said) -> None:
            raise ValueError

        registration = bus.register_event_handler(Said, fail)
        await bus.publish(Said())
        await bus.wait_idle()
        registration.unregister()
        (letter,) = bus.dead_letters()
        with pytest.raises(LookupError, match="registered no more"):
            await bus.redeliver(letter.id)
        assert bus.dead_letters() == (letter,)


async def test_only_the_newest_thousand_letters_are_kept_and_the_rest_is_counted(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.CRITICAL)
    async with running() as bus:

        def fail(event: Said) -> None:
            raise ValueError

        bus.register_event_handler(Said, fail)
        for number in range(1_002):
            await bus.publish(Said(number=number))
        await bus.wait_idle()
        stats = bus.stats()
        assert (stats.dead_letters, stats.dead_letters_forgotten) == (1_000, 2)
        assert bus.dead_letters()[0].event == Said(number=2)


# ── options and stalls ───────────────────────────────────────────────────────────────────────────────────────────────


async def test_options_that_cannot_be_are_refused() -> None:
    with pytest.raises(ValueError, match="overflow is one of wait, drop_oldest, drop_newest, raise, not 'forget'"):
        MessageBus(overflow="forget")  # type: ignore[arg-type]
    bus = MessageBus()
    with pytest.raises(ValueError, match="overflow is one of"):
        bus.register_event_handler(Said, print, overflow="forget")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="capacity must be at least 1"):
        bus.register_event_handler(Said, print, capacity=0)

    async def generate(event: Said) -> Any:
        yield event

    with pytest.raises(TypeError, match="has a `yield`"):
        bus.register_event_handler(Said, generate)


@pytest.mark.parametrize("kind", ["event", "command"])
async def test_a_handler_that_blocks_the_loop_is_named(kind: str, caplog: pytest.LogCaptureFixture) -> None:
    async with running(stall_after=0.05) as bus:

        def until_seen() -> None:
            limit = time.monotonic() + 5
            while not bus.stats().stalls and time.monotonic() < limit:
                time.sleep(0)

        async def block(command: Ask) -> str:
            until_seen()
            return "done"

        async def block_event(event: Said) -> None:
            until_seen()

        bus.register_command_handler(Ask, block)
        bus.register_event_handler(Said, block_event)
        if kind == "command":
            await bus.execute(Ask())
        else:
            await bus.publish(Said())
            await bus.wait_idle()
        while not caplog.records:
            await anyio.lowlevel.checkpoint()
        name = "block_event" if kind == "event" else "block"
        assert f"handler {__name__}." in caplog.records[0].getMessage()
        assert f"{name} blocks the event loop for" in caplog.records[0].getMessage()
        assert bus.stats().stalls == 1


async def test_a_bus_that_watches_nobody_has_seen_no_stall() -> None:
    async with running(stall_after=None) as bus:
        assert bus.stats().stalls == 0
