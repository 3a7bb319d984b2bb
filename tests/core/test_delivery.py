"""Deliveries: order, isolation, retries, expiry, threads, contexts, failures."""

# Handlers are lambdas here, and a test may look inside.
# pyright: reportPrivateUsage=false, reportUnknownArgumentType=false, reportUnknownLambdaType=false, reportUnknownMemberType=false, reportUnknownVariableType=false

import asyncio
import contextlib
import contextvars
import functools
import gc
import logging
import threading
import weakref
from typing import Any

import anyio
import anyio.lowlevel
import anyio.to_thread
import pytest
import trio

from llmgine_core import (
    Event,
    EventDroppedEvent,
    EventHandlerFailedEvent,
    EventHandlerResultEvent,
    EventHandlerStartEvent,
    MessageBus,
    Outcome,
    Retry,
    SessionStartEvent,
    _herald,
)
from llmgine_core._frames import DeliveryFrame
from llmgine_core.contracts import current_handling
from tests.core.messages import Gate, Noted, Recorder, Said, Shouted, balanced, running


async def test_every_matching_handler_gets_every_event_once_by_class_and_base_classes() -> None:
    async with running() as bus:
        recorders = {kind: Recorder() for kind in (Event, Said, Shouted, Noted)}
        for kind, recorder in recorders.items():
            bus.register_event_handler(kind, recorder)
        await bus.publish(Shouted("hey"))
        await bus.publish(Said("hey"))
        await bus.wait_idle()
        assert [len(r.seen) for r in list(recorders.values())[1:]] == [2, 1, 0]
        assert [type(e) for e in recorders[Event].seen if isinstance(e, Said)] == [Shouted, Said]


async def test_a_filter_decides_at_acceptance_and_one_that_raises_is_a_failure() -> None:
    async with running() as bus:
        even, failures = Recorder(), Recorder()
        bus.register_event_handler(EventHandlerFailedEvent, failures)
        bus.register_event_handler(Said, even, where=lambda e: 4 / (e.number - 3) != 0 and e.number % 2 == 0)
        for number in range(6):
            await bus.publish(Said(number=number))
        await bus.wait_idle()
        assert [e.number for e in even.seen] == [0, 2, 4]
        assert failures.seen[0].error.type == "ZeroDivisionError"
        stats = bus.stats()
        assert (stats.total.failed, stats.unmatched) == (1, 2)


async def test_a_handler_sees_a_sessions_events_in_order_one_at_a_time_also_after_a_failure() -> None:
    async with running() as bus:
        running_now = [0]
        seen: list[int] = []

        async def handle(event: Said) -> None:
            running_now[0] += 1
            assert running_now[0] == 1
            await anyio.lowlevel.checkpoint()
            seen.append(event.number)
            running_now[0] -= 1
            if event.number % 2:
                raise ValueError("odd")

        bus.register_event_handler(Said, handle)
        for number in range(20):
            await bus.publish(Said(number=number))
        await bus.wait_idle()
        assert seen == list(range(20))
        assert bus.stats().total.failed == 10


async def test_a_handler_that_sleeps_delays_neither_other_handlers_nor_other_sessions() -> None:
    async with running() as bus:
        gate, fast = Gate(), Recorder()

        async def slow_in_a(event: Said) -> None:
            if event.session_id == "a":
                await gate(event)
            else:
                fast.note("slow, in b")

        bus.register_event_handler(Said, slow_in_a)
        bus.register_event_handler(Said, fast)
        async with bus.session("a") as a, bus.session("b") as b:
            await a.publish(Said())
            await gate.entered.wait()
            await b.publish(Said())
            await a.publish(Said())
            await fast.wait_for(4)
            gate.open.set()


async def test_sync_handlers_run_in_registration_order() -> None:
    async with running() as bus:
        order: list[tuple[int, int]] = []

        def handler(number: int) -> Any:
            return lambda event: order.append((event.number, number))

        for number in range(8):
            bus.register_event_handler(Said, handler(number))
        for number in range(3):
            await bus.publish(Said(number=number))
        await bus.wait_idle()
        assert order == [(event, number) for event in range(3) for number in range(8)]


async def test_a_failing_handler_harms_no_other_and_is_told_of_once() -> None:
    async with running() as bus:
        good, failures = Recorder(), Recorder()

        async def fail(event: Said) -> None:
            raise ValueError("bad")

        bus.register_event_handler(Said, fail)
        bus.register_event_handler(Said, good)
        bus.register_event_handler(EventHandlerFailedEvent, failures)
        event = Said(session_id="s")
        await bus.publish(event)
        await bus.wait_idle()
        assert len(good.seen) == 1
        told = failures.seen[0]
        assert (told.event_id, told.attempts, told.session_id) == (event.id, 1, "s")
        assert (told.error.type, told.error.message) == ("ValueError", "bad")
        assert "fail" in told.handler
        assert len(failures.seen) == 1


async def test_failures_of_handlers_of_failures_are_counted_and_never_announced() -> None:
    async with running() as bus:

        def fail(event: Event) -> None:
            raise ValueError("again")

        bus.register_event_handler(EventHandlerFailedEvent, fail)
        bus.register_event_handler(Said, fail)
        await bus.publish(Said())
        await bus.wait_idle()
        assert (bus.stats().accepted, bus.stats().emitted) == (1, 1)
        assert bus.stats().total.failed == 2


@pytest.mark.parametrize("raised", [SystemExit(3), asyncio.CancelledError(), GeneratorExit()])
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_whatever_a_handler_raises_is_a_failure_and_harms_nobody(
    raised: BaseException, anyio_backend: str
) -> None:
    async with running() as bus:
        seen = Recorder()

        async def fail(event: Said) -> None:
            raise raised

        def fail_at_once(event: Said) -> None:
            raise raised

        bus.register_event_handler(Said, fail)
        bus.register_event_handler(Said, fail_at_once)
        bus.register_event_handler(Said, seen)
        for _ in range(3):
            await bus.publish(Said())
        await bus.wait_idle()
        assert len(seen.seen) == 3
        assert bus.stats().total.failed == 6


@pytest.mark.parametrize("anyio_backend", ["trio"])
async def test_a_handler_that_raises_system_exit_on_trio_is_a_failure(anyio_backend: str) -> None:
    async with running() as bus:

        async def fail(event: Said) -> None:
            raise SystemExit(3)

        bus.register_event_handler(Said, fail)
        await bus.publish(Said())
        await bus.wait_idle()
        assert bus.stats().total.failed == 1


async def test_retries_try_again_with_one_start_and_one_result_and_hold_back_their_lane_only() -> None:
    async with running() as bus:
        attempts: list[int] = []
        other, told = Recorder(), Recorder()

        async def fail_twice(event: Said) -> None:
            attempts.append(event.number)
            if attempts.count(event.number) < 3:
                raise ValueError("not yet")

        bus.add_tap(lambda e: told.note(e) if "fail_twice" in getattr(e, "handler", "") else None)
        bus.register_event_handler(Said, fail_twice, retry=Retry(attempts=3, delay=0.001))
        bus.register_event_handler(Said, other)
        await bus.publish(Said(number=1))
        await bus.publish(Said(number=2))
        await other.wait_for(2)
        await bus.wait_idle()
        assert attempts == [1, 1, 1, 2, 2, 2]
        assert [type(e) for e in told.seen] == [EventHandlerStartEvent, EventHandlerResultEvent] * 2
        assert {e.outcome for e in told.seen[1::2]} == {Outcome.OK}
        assert bus.stats().total.failed == 0


async def test_retries_that_are_used_up_are_one_failure_with_their_number() -> None:
    async with running() as bus:
        failures = Recorder()

        def fail(event: Said) -> None:
            raise ValueError("never")

        bus.register_event_handler(EventHandlerFailedEvent, failures)
        bus.register_event_handler(Said, fail, retry=Retry(attempts=4, delay=0))
        await bus.publish(Said())
        await bus.wait_idle()
        assert failures.seen[0].attempts == 4
        assert bus.stats().total.failed == 1


async def test_a_handler_that_is_unregistered_between_its_attempts_is_not_called_again() -> None:
    async with running() as bus:
        calls: list[Said] = []

        async def fail(event: Said) -> None:
            calls.append(event)
            registration.unregister()
            raise ValueError("never")

        registration = bus.register_event_handler(Said, fail, retry=Retry(attempts=4, delay=0))
        await bus.publish(Said())
        await bus.wait_idle()
        assert len(calls) == 1
        assert bus.stats().total.discarded == 1


async def test_after_unregister_the_handler_is_not_called_and_the_one_running_finishes() -> None:
    async with running() as bus:
        gate, other = Gate(), Recorder()
        registration = bus.register_event_handler(Said, gate)
        bus.register_event_handler(Said, other)
        for _ in range(3):
            await bus.publish(Said())
        await gate.entered.wait()
        registration.unregister()
        registration.unregister()
        assert bus.stats().total.discarded == 2
        gate.open.set()
        await bus.publish(Said())
        await bus.wait_idle()
        assert len(gate.seen) == 1
        assert not gate.cancelled
        assert len(other.seen) == 4
        assert balanced(bus.stats())


async def test_a_sync_handler_that_unregisters_another_is_obeyed_at_once() -> None:
    async with running() as bus:
        called: list[str] = []
        bus.register_event_handler(Said, lambda event: second.unregister())
        second = bus.register_event_handler(Said, lambda event: called.append("second"))
        await bus.publish(Said())
        await bus.wait_idle()
        assert called == []
        assert bus.stats().total.discarded == 1


async def test_a_delivery_whose_time_to_live_has_passed_before_it_began_expires() -> None:
    async with running() as bus:
        gate = Gate()
        bus.register_event_handler(Said, gate)
        await bus.publish(Said("first"), ttl=1000)
        await gate.entered.wait()
        await bus.publish(Said("expired"), ttl=0)
        gate.open.set()
        await bus.wait_idle()
        assert [e.text for e in gate.seen] == ["first"]
        assert (bus.stats().total.expired, bus.stats().total.delivered) == (1, 1)


async def test_a_handlers_timeout_fails_the_delivery_and_frees_its_lane() -> None:
    async with running() as bus:
        seen: list[int] = []

        async def hang_on_the_first(event: Said) -> None:
            seen.append(event.number)
            if event.number == 0:
                await anyio.sleep_forever()

        bus.register_event_handler(Said, hang_on_the_first, timeout=0.01)
        await bus.publish(Said(number=0))
        await bus.publish(Said(number=1))
        await bus.wait_idle(timeout=5)
        assert seen == [0, 1]
        assert (bus.stats().total.failed, bus.stats().total.delivered) == (1, 1)


async def test_context_variables_travel_to_handlers_and_what_one_sets_no_other_sees() -> None:
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")
    seen: list[str] = []

    def look(event: Said) -> None:
        seen.append(variable.get())
        variable.set("changed")

    async def look_later(event: Said) -> None:
        look(event)
        await anyio.lowlevel.checkpoint()
        seen.append(variable.get())

    async with running() as bus:
        bus.register_event_handler(Said, look)
        bus.register_event_handler(Said, look)
        bus.register_event_handler(Said, look_later)
        bus.register_event_handler(Said, look, in_thread=True)
        variable.set("publisher's")
        await bus.publish(Said())
        await bus.wait_idle()
        assert sorted(seen) == ["changed"] + ["publisher's"] * 4
        assert variable.get() == "publisher's"


async def test_a_handler_in_a_thread_does_not_block_the_loop_and_publishes_below_its_event() -> None:
    async with running() as bus:
        release, seen = threading.Event(), Recorder()

        def block(event: Said) -> None:
            assert threading.current_thread() is not threading.main_thread()
            release.wait(5)
            bus.publish_from_thread(Noted("from the thread"))

        bus.register_event_handler(Said, block, in_thread=True)
        bus.register_event_handler(Noted, seen)
        await bus.publish(event := Said(session_id="s"))
        release.set()
        await seen.wait_for(1)
        assert (seen.seen[0].session_id, seen.seen[0].causation_id) == ("s", event.id)


async def test_a_thread_that_publishes_while_the_bus_stops_is_part_of_the_drain() -> None:
    bus = MessageBus()
    release, entered, seen = threading.Event(), anyio.Event(), Recorder()

    def block(event: Said) -> None:
        bus.emit(Noted("entered"))
        release.wait(5)
        bus.publish_from_thread(Noted("drained"))

    def note(event: Noted) -> None:
        entered.set()
        seen.note(event)

    bus.register_event_handler(Said, block, in_thread=True)
    bus.register_event_handler(Noted, note)
    await bus.start()
    await bus.publish(Said())
    await entered.wait()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(bus.stop)
        await anyio.wait_all_tasks_blocked()
        release.set()
    assert [e.text for e in seen.seen] == ["entered", "drained"]


async def test_a_thread_that_hangs_holds_up_neither_its_timeout_nor_the_stop_and_is_counted() -> None:
    bus = MessageBus()
    release, over = threading.Event(), threading.Event()

    def hang(event: Said) -> None:
        release.wait(10)
        over.set()

    bus.register_event_handler(Said, hang, in_thread=True, timeout=0.1)  # a new thread's start takes some of it
    async with bus:
        await bus.publish(Said())
        with anyio.fail_after(5):
            await bus.wait_idle()
        assert bus.stats().total.failed == 1
        assert bus.stats().abandoned_threads == 1
    release.set()
    while bus.stats().abandoned_threads:
        await anyio.lowlevel.checkpoint()
    assert over.is_set()


async def test_a_handler_whose_time_is_up_before_it_has_a_thread_is_no_abandoned_thread() -> None:
    async with running() as bus:
        bus.register_event_handler(Said, lambda event: None, in_thread=True, timeout=0.01)
        limiter = anyio.to_thread.current_default_thread_limiter()
        async with contextlib.AsyncExitStack() as stack:
            for borrower in range(int(limiter.total_tokens)):
                await limiter.acquire_on_behalf_of(borrower)
                stack.callback(limiter.release_on_behalf_of, borrower)
            await bus.publish(Said())
            await bus.wait_idle(timeout=5)
        assert (bus.stats().total.failed, bus.stats().abandoned_threads) == (1, 0)


async def test_a_plain_function_that_returns_a_coroutine_fails_instead_of_doing_nothing() -> None:
    async with running() as bus:

        async def real(event: Said) -> None:
            raise AssertionError("never reached")

        bus.register_event_handler(Said, lambda event: real(event))  # noqa: PLW0108 - a plain function is the point
        await bus.publish(Said())
        await bus.wait_idle()
        assert bus.stats().total.failed == 1


async def test_start_and_result_events_of_handlers_are_told_but_not_of_the_runtimes_own_events() -> None:
    async with running() as bus:
        told = Recorder()
        bus.add_tap(
            lambda e: told.note(e) if isinstance(e, (EventHandlerStartEvent, EventHandlerResultEvent)) else None
        )
        bus.register_event_handler(SessionStartEvent, Recorder())

        def fail(event: Said) -> None:
            raise ValueError("no")

        bus.register_event_handler(Said, fail)
        async with bus.session():
            pass
        event = Said()
        await bus.publish(event)
        await bus.wait_idle()
        assert [type(e) for e in told.seen] == [EventHandlerStartEvent, EventHandlerResultEvent]
        assert {e.event_id for e in told.seen} == {event.id}
        assert told.seen[1].outcome is Outcome.ERROR
        assert told.seen[1].error.type == "ValueError"


async def test_lanes_and_counts_are_gone_when_nothing_is_pending(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL)
    async with running() as bus:
        for number in range(50):
            async with bus.session(str(number)) as session:
                session.register_event_handler(Said, Recorder())
                session.register_event_handler(Said, lambda event: None)
                await session.publish(Said())
        await bus.wait_idle()
        dispatcher: Any = bus._engine.dispatcher
        await anyio.wait_all_tasks_blocked()
        assert dispatcher.backlog.lanes == set()
        assert not dispatcher.backlog.queue
        assert dispatcher.pending == 0
        assert len(bus.stats().subscriptions) == 2
        assert bus.stats().total.delivered == 100


# ── chains and long lanes ────────────────────────────────────────────────────────────────────────────────────────────


def frames_above() -> int:
    """How many handlers' calls are linked above the caller, ended ones included."""
    frame, count = current_handling.get(), -1
    while frame is not None:
        frame, count = frame.above, count + 1
    return count


async def test_a_chain_of_events_holds_no_calls_that_have_ended() -> None:
    async with running() as bus:
        depths: list[int] = []
        last = anyio.Event()

        async def pass_on(event: Said) -> None:
            depths.append(frames_above())
            if event.number == 200:
                last.set()
            else:
                await bus.publish(Said(number=event.number + 1))

        bus.register_event_handler(Said, pass_on)
        await bus.publish(Said())
        await last.wait()
        assert max(depths) <= 1


async def test_calls_that_overlap_in_a_chain_are_let_go_as_they_end() -> None:
    async with running() as bus:
        depths: list[int] = []
        begun = [anyio.Event() for _ in range(103)]

        async def pass_on(event: Said) -> None:
            begun[event.number].set()
            depths.append(frames_above())
            if event.number < 100:
                bus.emit(Said(number=event.number + 1))
                await begun[event.number + 2].wait()  # so that three calls overlap at any time

        def is_of(lane: int, event: Said) -> bool:
            return event.number % 3 == lane

        for lane in range(3):
            bus.register_event_handler(Said, pass_on, where=functools.partial(is_of, lane))
        begun[101].set()
        begun[102].set()
        await bus.publish(Said())
        await bus.wait_idle()
        assert len(depths) == 101
        assert max(depths) <= 4


@pytest.mark.parametrize("is_async", [True, False])
async def test_a_lane_that_never_suspends_lets_others_run_and_a_stop_cut_it_short(is_async: bool) -> None:
    bus = MessageBus(capacity=10)
    await bus.start()
    handled = 0

    def again(event: Said) -> None:
        nonlocal handled
        handled += 1
        if handled < 100_000:  # for ever, as far as the stop is concerned
            bus.emit(Said())

    async def again_async(event: Said) -> None:
        again(event)

    bus.register_event_handler(Said, again_async if is_async else again)
    await bus.publish(Said())
    await bus.stop(drain=0.01)
    assert handled < 100_000
    assert balanced(bus.stats())
    assert bus.stats().total.pending == 0


async def test_a_session_that_ends_while_its_lane_lets_others_run_keeps_the_books() -> None:
    async with running() as bus:
        session = bus.session("s", drain=0)
        async with session:

            async def handle(event: Said) -> None:
                pass

            session.register_event_handler(Said, handle)
            for number in range(5000):
                await session.publish(Said(number=number))
        books = bus.stats().total
        assert books.delivered + books.discarded == books.deliveries
        assert books.delivered % 256 == 0
        assert balanced(bus.stats())


@pytest.mark.parametrize("run", [asyncio.run, trio.run])
@pytest.mark.parametrize("is_async", [True, False])
def test_an_interrupt_inside_a_handler_ends_the_program(run: Any, is_async: bool) -> None:
    bus = MessageBus()

    def interrupt(event: Said) -> None:
        raise KeyboardInterrupt

    async def interrupt_async(event: Said) -> None:
        await anyio.lowlevel.checkpoint()
        interrupt(event)

    async def main() -> None:
        await bus.start()
        bus.register_event_handler(Said, interrupt_async if is_async else interrupt)
        await bus.publish(Said())
        await anyio.sleep_forever()

    with pytest.raises(KeyboardInterrupt):
        run(main) if run is trio.run else run(main())
    assert balanced(bus.stats())
    assert (bus.stats().total.failed, bus.stats().total.pending) == (0, 0)


async def test_drops_are_logged_and_announced_once_per_subscription_and_second(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_herald, "_INTERVAL", 0.1)
    async with running(capacity=1) as bus:
        gate, told = Gate(), Recorder()
        bus.add_tap(lambda e: told.note(e) if isinstance(e, EventDroppedEvent) else None)
        said = bus.register_event_handler(Said, gate)
        dropped = bus.register_event_handler(EventDroppedEvent, gate)
        for _ in range(3 + 5):  # the room and its reserve, and five too many
            bus.emit(Said())
        assert [(e.event_type, e.subscription, e.count) for e in told.seen] == [(Said.type_name, said.name, 1)]
        await told.wait_for(2)
        assert [e.count for e in told.seen] == [1, 4]
        assert bus.stats().subscriptions[said.name].dropped == 5
        assert bus.stats().subscriptions[dropped.name].dropped == 1  # for these there is no announcement
        assert [r.getMessage().partition(" event")[0] for r in caplog.records] == [
            f"no room: {name} lost {count}" for name, count in [(said.name, 1), (dropped.name, 1), (said.name, 4)]
        ]
        gate.open.set()


async def test_the_pause_before_an_attempt_grows_by_the_factor_up_to_the_most(monkeypatch: pytest.MonkeyPatch) -> None:
    """A second, two, four and so on, and never more than `max_delay`."""
    pauses: list[float] = []

    async def pause(seconds: float) -> None:
        pauses.append(seconds)

    async with running() as bus:

        def fail(_: Said) -> None:
            raise ValueError("again")

        retry = Retry(attempts=6, delay=1, factor=2, max_delay=5, jitter=0)
        bus.register_event_handler(Said, fail, retry=retry)
        monkeypatch.setattr(anyio, "sleep", pause)
        await bus.publish(Said())
        await bus.wait_idle()
        monkeypatch.undo()
    assert pauses == [1, 2, 4, 5, 5]


async def test_nobody_listens_any_more_when_the_last_of_several_handlers_is_gone() -> None:
    """Each is counted, whichever goes first."""
    async with running() as bus:
        registrations = [bus.register_event_handler(Said, Recorder()) for _ in range(3)]
        for registration in registrations:
            assert bus.listens(Said)
            registration.unregister()
        assert not bus.listens(Said)


async def test_a_handler_that_is_unregistered_while_it_runs_is_let_go_when_it_has_ended() -> None:
    """Its books stay, it does not."""
    async with running() as bus:
        gate = Gate()
        known, opened = weakref.ref(gate), gate.open
        registration = bus.register_event_handler(Said, gate)
        await bus.publish(Said())
        await gate.entered.wait()
        registration.unregister()
        del gate, registration
        opened.set()
        await bus.wait_idle()
        await anyio.wait_all_tasks_blocked()
        gc.collect()
        assert known() is None
        assert bus.stats().total.delivered == 1


def frames() -> int:
    """How many calls of event handlers are alive."""
    return sum(isinstance(each, DeliveryFrame) for each in gc.get_objects())


async def test_a_chain_of_events_keeps_only_what_is_being_handled() -> None:
    """Each names its cause, but none holds on to all that came before."""
    alive: list[int] = []
    gc.collect()
    before = frames()  # errors of other tests may keep some
    async with running() as bus:

        async def next_one(event: Said) -> None:
            if event.number:
                await bus.publish(Said(number=event.number - 1))
            else:
                gc.collect()
                alive.append(frames() - before)

        bus.register_event_handler(Said, next_one)
        await bus.publish(Said(number=200))
        await bus.wait_idle()
    assert alive[0] < 10


async def test_a_worker_whose_handler_was_given_up_tells_a_later_timeout_from_that() -> None:
    """A handler whose time is up has failed, whoever called one before that ended with its session."""
    async with running() as bus:
        gate = Gate()
        async with bus.session(drain=0) as session:
            session.register_event_handler(Said, gate)
            await session.publish(Said())
            await gate.entered.wait()
        assert (gate.cancelled, bus.stats().total.discarded) == (True, 1)

        async def hang(_: Noted) -> None:
            await anyio.sleep_forever()

        name = bus.register_event_handler(Noted, hang, timeout=0).name
        await bus.publish(Noted())
        await bus.wait_idle()
        books = bus.stats().subscriptions[name]
        assert (books.failed, books.discarded) == (1, 0)


async def test_the_books_hold_at_every_handler_of_an_event_also_after_one_has_taken_another_out() -> None:
    seen: list[tuple[int, int, int, int]] = []
    async with running() as bus:

        def look() -> None:
            total = bus.stats().total
            seen.append((total.deliveries, total.delivered, total.discarded, total.pending))

        async def first(_: Said) -> None:
            look()

        def second(_: Said) -> None:
            look()
            if len(seen) > 4:
                third.unregister()

        bus.register_event_handler(Said, first)
        bus.register_event_handler(Said, second)
        third = bus.register_event_handler(Said, lambda _: look())
        bus.register_event_handler(Said, lambda _: look())
        for _ in range(2):
            await bus.publish(Said())
            await bus.wait_idle()
        look()
    assert seen == [
        *[(4, 0, 0, 4), (4, 1, 0, 3), (4, 2, 0, 2), (4, 3, 0, 1)],
        *[(8, 4, 0, 4), (8, 5, 0, 3), (8, 6, 1, 1)],
        (8, 7, 1, 0),
    ]


async def test_a_handler_that_fails_does_not_end_the_call_in_which_the_next_ones_of_the_event_stand() -> None:
    ended: list[bool] = []
    async with running() as bus:

        def fails(_: Said) -> None:
            raise ValueError("it always does")

        def look(_: Said) -> None:
            here = current_handling.get()
            assert here is not None
            ended.append(here.over)

        bus.register_event_handler(Said, fails)
        bus.register_event_handler(Said, look)
        await bus.publish(Said())
        await bus.wait_idle()
    assert ended == [False]
