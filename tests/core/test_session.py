"""Sessions: what happens in them, and that nothing outlives them."""

# A test may look inside.
# pyright: reportPrivateUsage=false

import asyncio
import contextvars
import gc
import weakref
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, suppress
from typing import Any, cast

import anyio
import anyio.lowlevel
import pytest

from llmgine_core import (
    BusClosedError,
    DuplicateHandlerError,
    Event,
    HandlerNotFoundError,
    MessageBus,
    Outcome,
    Retry,
    SessionClosedError,
    SessionEndEvent,
    SessionExistsError,
    SessionStartEvent,
)
from llmgine_core._backlog import Backlog
from llmgine_core._idle import Idle
from llmgine_core._subscriptions import Subscription
from llmgine_core._watchers import Expectation
from tests.core.messages import Ask, Count, Gate, Noted, Recorder, Said, answer, balanced, in_background, running


async def other_answer(command: Ask) -> str:
    return "the session's"


# ── scope ────────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_sessions_handler_shadows_the_buss_for_its_messages_only() -> None:
    async with running() as bus:
        bus.register_command_handler(Ask, answer)
        async with bus.session("a") as a, bus.session("b") as b:
            registration = a.register_command_handler(Ask, other_answer)
            assert await a.execute(Ask("x")) == "the session's"
            assert await bus.execute(Ask("x", session_id="a")) == "the session's"
            assert await b.execute(Ask("x")) == "answer to x"
            assert await bus.execute(Ask("x")) == "answer to x"
            with pytest.raises(DuplicateHandlerError, match="session 'a'"):
                a.register_command_handler(Ask, other_answer)
            registration.unregister()
            assert await a.execute(Ask("x")) == "answer to x"


async def test_a_sessions_event_handlers_see_its_events_whichever_object_published_them() -> None:
    async with running() as bus:
        mine, everything = Recorder(), Recorder()
        bus.register_event_handler(Said, everything)
        async with bus.session("a") as a, bus.session("b") as b:
            a.register_event_handler(Said, mine, where=lambda e: e.number < 5)
            await a.publish(Said("through a"))
            await bus.publish(Said("through the bus", session_id="a"))
            await b.publish(Said("b's"))
            await a.publish(Said("filtered", 9))
            await bus.wait_idle()
            assert [e.text for e in mine.seen] == ["through a", "through the bus"]
            assert len(everything.seen) == 4


async def test_a_message_of_another_session_cannot_be_sent_through_a_session() -> None:
    async with running() as bus, bus.session("a") as a:
        a.register_command_handler(Ask, answer)
        with pytest.raises(ValueError, match="belongs to session 'b'"):
            await a.publish(Said(session_id="b"))
        with pytest.raises(ValueError, match="belongs to session 'b'"):
            await a.execute(Ask(session_id="b"))
        with pytest.raises(ValueError, match="belongs to session 'b'"):
            a.schedule(Said(session_id="b"), delay=0)


async def test_what_is_published_inside_a_sessions_handler_bears_its_id() -> None:
    async with running() as bus:
        seen = Recorder()
        bus.register_event_handler(Noted, seen)

        async def note(event: Said) -> None:
            await bus.publish(Noted())

        async with bus.session("a") as a:
            a.register_event_handler(Said, note)
            await a.publish(Said())
            await seen.wait_for(1)
        assert seen.seen[0].session_id == "a"


async def test_a_sessions_expect_sees_its_own_events_only() -> None:
    async with running() as bus, bus.session("a") as a:
        expected = a.expect(Said, where=lambda e: e.number == 1, timeout=5)
        await bus.publish(Said("the bus's", 1))
        await a.publish(Said("no", 0))
        await a.publish(Said("mine", 1))
        assert (await expected).text == "mine"


# ── beginning and end ────────────────────────────────────────────────────────────────────────────────────────────────


async def test_the_start_event_is_the_first_and_the_end_event_the_last_of_a_session() -> None:
    async with running() as bus:
        seen, own = Recorder(), Recorder()
        for kind in (SessionStartEvent, Said, SessionEndEvent):
            bus.register_event_handler(kind, seen.note)
        async with bus.session("a") as a:
            a.register_event_handler(Said, own.note)
            a.register_event_handler(SessionEndEvent, own.note)
            await a.publish(Said())
        await bus.wait_idle()
        mine = [e for e in seen.seen if e.session_id == "a"]
        assert [type(e) for e in mine] == [SessionStartEvent, Said, SessionEndEvent]
        assert [type(e) for e in own.seen] == [Said, SessionEndEvent]
        assert (mine[-1].outcome, mine[-1].error) == (Outcome.OK, None)
        assert mine[-1].duration > 0


async def test_the_exception_of_the_body_leaves_unwrapped_and_stands_in_the_end_event() -> None:
    async with running() as bus:
        own, gate, a = Recorder(), Gate(), bus.session("a")
        error = ValueError("body")
        with pytest.raises(ValueError, match="body") as caught:  # noqa: PT012 - the body is what is tested
            async with a:
                a.register_event_handler(SessionEndEvent, own)
                a.register_event_handler(Said, gate)
                await a.publish(Said())
                await a.publish(Said())
                await gate.entered.wait()
                raise error
        assert caught.value is error
        assert gate.cancelled
        assert own.seen[0].outcome is Outcome.ERROR
        assert own.seen[0].error.message == "body"
        assert bus.stats().total.discarded == 2
        assert a.closed


async def test_a_cancelled_body_ends_the_session_with_its_end_event_delivered() -> None:
    async with running() as bus:
        own = Recorder()
        with anyio.CancelScope() as scope:
            async with bus.session("a") as a:
                a.register_event_handler(SessionEndEvent, own)
                scope.cancel()
                await anyio.sleep_forever()
        assert scope.cancelled_caught
        assert own.seen[0].outcome is Outcome.CANCELLED
        assert bus.stats().sessions == 0
        assert len(bus.stats().subscriptions) == 1  # what is gone is counted under its handler


async def test_leaving_normally_drains_the_sessions_handlers() -> None:
    async with running() as bus:
        seen = Recorder()
        async with bus.session() as session:
            session.register_event_handler(Said, seen, retry=Retry(attempts=2, delay=0))
            for number in range(20):
                await session.publish(Said(number=number))
        assert [e.number for e in seen.seen] == list(range(20))


async def test_what_does_not_drain_in_time_is_cancelled_and_discarded() -> None:
    async with running() as bus:
        gate = Gate()
        async with bus.session(drain=0) as session:
            session.register_event_handler(Said, gate)
            await session.publish(Said())
            await session.publish(Said())
            await gate.entered.wait()
        assert gate.cancelled
        assert bus.stats().total.discarded == 2


async def test_a_closed_session_refuses_everything() -> None:
    async with running() as bus:
        async with bus.session("a") as a:
            pass
        assert a.closed
        with pytest.raises(SessionClosedError, match="session 'a' has ended"):
            await a.publish(Said())
        with pytest.raises(SessionClosedError):
            await a.execute(Ask())
        with pytest.raises(SessionClosedError):
            a.stream(Count())
        with pytest.raises(SessionClosedError):
            a.register_event_handler(Said, print)
        with pytest.raises(SessionClosedError):
            a.register_command_handler(Ask, answer)
        with pytest.raises(SessionClosedError):
            a.expect(Said)
        with pytest.raises(SessionClosedError):
            a.schedule(Said(), delay=0)
        with pytest.raises(SessionClosedError):
            a.start_soon(anyio.sleep_forever)
        with pytest.raises(SessionClosedError):
            await a.__aenter__()
        await a.aclose()
        await bus.session("never opened").aclose()
        await bus.session("never opened").__aexit__(None, None, None)


async def test_events_of_a_closed_session_reach_the_buss_handlers_only_and_never_revive_it() -> None:
    async with running() as bus:
        seen, own = Recorder(), Recorder()
        bus.register_event_handler(Said, seen)
        async with bus.session("a") as a:
            a.register_event_handler(Said, own)
            a.register_command_handler(Ask, answer)
        await bus.publish(Said(session_id="a"))
        await seen.wait_for(1)
        assert own.seen == []
        assert bus.stats().sessions == 0
        with pytest.raises(HandlerNotFoundError):
            await bus.execute(Ask(session_id="a"))


async def test_what_handlers_of_the_end_event_publish_for_the_session_reaches_the_buss_handlers_only() -> None:
    async with running() as bus:
        seen, own, done = Recorder(), Recorder(), anyio.Event()
        bus.register_event_handler(Said, seen)

        async def publish_more(event: SessionEndEvent) -> None:
            await bus.publish(Said("after the end"))
            with pytest.raises(SessionClosedError):
                await session.publish(Said())
            done.set()

        async with bus.session("a") as session:
            session.register_event_handler(Said, own)
            session.register_event_handler(SessionEndEvent, publish_more)
        assert done.is_set()
        await seen.wait_for(1)
        assert own.seen == []


async def test_a_sessions_id_may_be_opened_again_and_starts_afresh() -> None:
    async with running() as bus:
        first, second = Recorder(), Recorder()
        for recorder in (first, second):
            async with bus.session("a") as a:
                a.register_event_handler(Said, recorder)
                await a.publish(Said())
        assert len(first.seen) == len(second.seen) == 1


async def test_an_id_that_is_open_is_refused_or_shared_with_join_and_the_last_to_leave_ends_it() -> None:
    async with running() as bus:
        async with bus.session("a") as first:
            with pytest.raises(SessionExistsError, match="join=True"):
                await bus.session("a").__aenter__()
            with pytest.raises(SessionExistsError):
                await first.__aenter__()
            async with bus.session("a", join=True) as second:
                assert bus.stats().sessions == 1
            assert not second.closed
            await second.publish(Said())
        assert first.closed
        assert second.closed


async def test_a_session_that_is_ending_cannot_be_joined() -> None:
    async with running() as bus:
        errors: list[Exception] = []

        async def join(event: SessionEndEvent) -> None:
            try:
                await bus.session("a", join=True).__aenter__()
            except SessionClosedError as error:
                errors.append(error)

        async with bus.session("a") as a:
            a.register_event_handler(SessionEndEvent, join)
        assert len(errors) == 1


# ── what runs for a session ends with it ─────────────────────────────────────────────────────────────────────────────


async def test_an_execute_that_runs_when_its_session_closes_is_cancelled_with_session_closed_error() -> None:
    async with running() as bus:
        gate = Gate()
        bus.register_command_handler(Ask, gate)
        session = bus.session("a")
        await session.__aenter__()
        async with in_background(session.execute, Ask()) as errors:
            await gate.entered.wait()
            await session.aclose()
        assert gate.cancelled
        assert [type(e) for e in errors] == [SessionClosedError]


async def test_a_stream_that_runs_when_its_session_closes_ends_with_session_closed_error() -> None:
    closed = anyio.Event()

    async def wait(command: Count) -> AsyncGenerator[int, None]:
        try:
            yield 1
            await anyio.sleep_forever()
        finally:
            closed.set()

    async with running() as bus:
        bus.register_command_handler(Count, wait)
        with pytest.raises(SessionClosedError):  # noqa: PT012 - the stream is open while the session closes
            async with bus.session("a") as session, session.stream(Count()) as items:
                async for _ in items:
                    await session.aclose()
                    assert closed.is_set()


async def test_schedules_and_expectations_end_with_their_session() -> None:
    async with running() as bus:
        seen = Recorder()
        bus.register_event_handler(Said, seen)
        async with bus.session("a") as session:
            session.schedule(Said("never"), delay=1000)
            now = session.expect(Noted)
            session.schedule(Noted("now"), delay=0)
            await now
            expected = session.expect(Said)
            end = session.expect(SessionEndEvent)
        with pytest.raises(SessionClosedError):
            await expected
        assert (await end).session_id == "a"
        assert seen.seen == []


async def test_an_expectation_in_a_session_is_asked_about_that_sessions_events_only(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = 0
    offer = cast("Any", Expectation).offer

    def counting(expectation: Expectation[Any], event: Event) -> bool:
        nonlocal asked
        asked += 1
        return bool(offer(expectation, event))

    monkeypatch.setattr(Expectation, "offer", counting)
    async with running() as bus, AsyncExitStack() as left:
        sessions = [await left.enter_async_context(bus.session()) for _ in range(20)]
        expected = [session.expect(Said, timeout=5) for session in sessions]
        everywhere = bus.expect(Event, where=lambda e: False)
        for session in sessions:
            await session.publish(Noted())
            await session.publish(Said(session.id))
        assert [(await each).text for each in expected] == [session.id for session in sessions]
        assert asked == 20 + 40  # and those of the whole bus about all
        del everywhere


async def test_background_tasks_end_with_the_session() -> None:
    async with running() as bus:
        gate = Gate()
        async with bus.session() as session:
            session.start_soon(gate, "argument")
            await gate.entered.wait()
        assert gate.cancelled
        assert gate.seen == ["argument"]


async def test_errors_of_background_tasks_are_raised_when_the_session_is_left() -> None:
    async def fail(text: str) -> None:
        raise ValueError(text)

    async def leave() -> None:
        raise SystemExit(3)

    async with running() as bus:
        with pytest.raises(ExceptionGroup) as caught:  # noqa: PT012 - the body goes on
            async with bus.session() as session:
                session.start_soon(fail, "one")
                session.start_soon(fail, "two")
                await anyio.wait_all_tasks_blocked()
        assert sorted(str(e) for e in caught.value.exceptions) == ["one", "two"]
        with pytest.raises(BaseExceptionGroup) as base:  # noqa: PT012 - the body goes on
            async with bus.session() as session:
                session.start_soon(leave)
                await anyio.wait_all_tasks_blocked()
        assert isinstance(base.value.exceptions[0], SystemExit)
        with pytest.raises(ExceptionGroup):  # noqa: PT012 - closed before it is left
            async with bus.session() as session:
                session.start_soon(fail, "three")
                await anyio.wait_all_tasks_blocked()
                await session.aclose()


async def test_errors_of_background_tasks_never_replace_the_bodys_own(caplog: pytest.LogCaptureFixture) -> None:
    async def fail() -> None:
        raise ValueError("background")

    async with running() as bus:
        with pytest.raises(KeyError):  # noqa: PT012 - the body goes on
            async with bus.session() as session:
                session.start_soon(fail)
                await anyio.wait_all_tasks_blocked()
                raise KeyError("body")
        assert "a background task of session" in caplog.text


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_background_task_that_raises_cancelled_error_itself_leaves_the_bus_alone(anyio_backend: str) -> None:
    async def give_up() -> None:
        raise asyncio.CancelledError

    async with running() as bus:
        bus.register_command_handler(Ask, answer)
        with pytest.raises(BaseExceptionGroup):  # noqa: PT012 - the body goes on
            async with bus.session() as session:
                session.start_soon(give_up)
                await anyio.wait_all_tasks_blocked()
                assert await session.execute(Ask("x")) == "answer to x"


# ── closing from anywhere ────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_session_may_be_closed_from_inside_its_own_handlers_which_then_finish() -> None:
    async with running() as bus:
        seen: list[str] = []
        async with bus.session("a") as session:

            async def close(event: Said) -> None:
                await session.aclose()
                await session.publish(Noted())
                seen.append("event handler")

            session.register_event_handler(Said, close)
            await session.publish(Said())
            await bus.wait_idle()
        assert seen == ["event handler"]
        async with bus.session("b") as other:

            async def close_other(command: Ask) -> str:
                await other.aclose()
                await anyio.lowlevel.checkpoint()
                await bus.publish(Noted())
                return "closing"

            other.register_command_handler(Ask, close_other)
            assert await other.execute(Ask()) == "closing"


async def test_a_session_or_the_bus_may_be_closed_from_a_background_task() -> None:
    async with running() as bus:
        asked = anyio.Event()

        async def close(what: Any) -> None:
            await what()
            asked.set()

        async with bus.session() as session:
            session.start_soon(close, session.aclose)
            await asked.wait()
        assert session.closed
        asked = anyio.Event()
        async with bus.session() as session:
            session.start_soon(close, bus.stop)
            await asked.wait()
        with pytest.raises(BusClosedError):
            await bus.publish(Said())


async def test_a_session_that_is_left_inside_its_own_handler_ends_when_the_handler_has(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def fail() -> None:
        raise ValueError("background")

    async with running() as bus:
        done = anyio.Event()
        bus.register_event_handler(SessionEndEvent, lambda event: done.set())

        async def visit(event: Said) -> None:
            async with bus.session("a", join=True) as session:
                session.start_soon(fail)
                await anyio.lowlevel.checkpoint()
            assert not session.closed

        bus.register_event_handler(Said, visit)
        await bus.publish(Said(session_id="a"))
        await done.wait()
        await bus.wait_idle()
        assert bus.stats().sessions == 0
        assert "a background task of session 'a' failed" in caplog.text


async def test_many_may_close_a_session_at_once_and_it_ends_once() -> None:
    async with running() as bus:
        ends, gate = Recorder(), Gate()
        bus.register_event_handler(SessionEndEvent, ends)
        async with bus.session("a") as session, anyio.create_task_group() as tasks:
            session.register_event_handler(Said, gate)
            await session.publish(Said())
            await gate.entered.wait()
            for _ in range(5):
                tasks.start_soon(session.aclose)
            await anyio.wait_all_tasks_blocked()
            gate.open.set()
        await bus.wait_idle()
        assert len(ends.seen) == 1


async def test_new_work_from_outside_is_refused_while_the_session_closes() -> None:
    async with running() as bus:
        gate = Gate()
        async with bus.session("a") as session, anyio.create_task_group() as tasks:
            session.register_event_handler(Said, gate)
            await session.publish(Said())
            await gate.entered.wait()
            tasks.start_soon(session.aclose)
            await anyio.wait_all_tasks_blocked()
            with pytest.raises(SessionClosedError):
                await session.publish(Said())
            gate.open.set()


async def test_a_publisher_that_waits_for_room_when_its_session_closes_gets_session_closed_error() -> None:
    async with running(capacity=1) as bus:
        gate = Gate()
        bus.register_event_handler(Said, gate)
        session = bus.session("a")
        await session.__aenter__()
        await bus.publish(Said())
        await gate.entered.wait()
        await bus.publish(Said())
        async with in_background(session.publish, Said()) as errors, in_background(bus.publish, Said("last")) as others:
            await anyio.wait_all_tasks_blocked()
            await session.aclose()
            gate.open.set()
        assert [type(e) for e in errors] == [SessionClosedError]
        assert others == []
        await bus.wait_idle()
        assert gate.seen[-1].text == "last"


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_session_whose_exit_is_cancelled_by_asyncio_ends_all_the_same(anyio_backend: str) -> None:
    async with running() as bus:
        gate, ends = Gate(), Recorder()
        bus.register_event_handler(SessionEndEvent, ends)

        async def live() -> None:
            async with bus.session("a") as session:
                session.register_event_handler(Said, gate)
                await session.publish(Said())
                await gate.entered.wait()

        task = asyncio.create_task(live())
        await gate.entered.wait()
        await anyio.wait_all_tasks_blocked()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        gate.open.set()
        await ends.wait_for(1)
        await bus.wait_idle()
        assert not gate.cancelled
        async with bus.session("a"):
            pass


# ── the bus's end ────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_bus_that_stops_ends_the_sessions_that_are_open() -> None:
    bus = MessageBus()
    await bus.start()
    own, gate = Recorder(), Gate()
    async with bus.session("a") as session:
        session.register_event_handler(SessionEndEvent, own)
        session.start_soon(gate, None)
        await gate.entered.wait()
        await bus.stop()
        assert session.closed
    assert gate.cancelled
    assert len(own.seen) == 1


async def test_a_bus_that_stops_asks_each_of_its_sessions_only_when_it_is_concerned(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked, check = 0, Idle.check

    def counting(idle: Idle) -> None:
        nonlocal asked
        asked += len(idle.waiting)
        check(idle)

    monkeypatch.setattr(Idle, "check", counting)
    bus, ended, number = MessageBus(), Recorder(), 200
    await bus.start()
    for _ in range(number):
        session = await bus.session().__aenter__()
        session.register_event_handler(SessionEndEvent, ended)
    await bus.stop(drain=30)
    assert len(ended.seen) == number
    assert number <= asked < 10 * number  # all of them at each delivery, and a stop of thousands would take minutes


async def test_sessions_that_fail_at_once_have_the_queue_looked_through_once_for_all_of_them(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    looked, discard = 0, Backlog._discard_queued

    def counting(backlog: Backlog, leaving: set[Subscription]) -> None:
        nonlocal looked
        looked += 1
        discard(backlog, leaving)

    monkeypatch.setattr(Backlog, "_discard_queued", counting)
    async with running() as bus:
        number, recorder = 50, Recorder()

        async def fail() -> None:
            with suppress(ZeroDivisionError):
                async with bus.session(drain=0) as session:
                    session.register_event_handler(Said, recorder)
                    for _ in range(10):
                        await session.publish(Said())
                    raise ZeroDivisionError

        async with anyio.create_task_group() as tasks:
            for _ in range(number):
                tasks.start_soon(fail)
        await bus.wait_idle(timeout=5)
        total = bus.stats().total
        assert total.deliveries == number * 10
        assert total.delivered == len(recorder.seen)
        assert total.discarded == number * 10 - len(recorder.seen) > 0
        assert 0 < looked < number / 5
        assert not caplog.records  # to wait for the others is not to overstay


async def test_a_bus_that_stops_at_its_deadline_still_shows_the_end_of_its_sessions() -> None:
    bus = MessageBus()
    shown: list[Event] = []
    bus.add_tap(shown.append)
    await bus.start()
    gate = Gate()
    async with bus.session("a") as session:
        session.register_event_handler(Said, gate)
        await session.publish(Said())
        await gate.entered.wait()
        await bus.stop(drain=0)
        assert session.closed
    assert [e.outcome for e in shown if isinstance(e, SessionEndEvent)] == [Outcome.CANCELLED]
    assert balanced(bus.stats())
    assert bus.stats().total.pending == 0


async def test_sessions_close_in_any_order_and_from_any_task() -> None:
    async with running() as bus:
        sessions = [bus.session(str(number)) for number in range(5)]
        for session in sessions:
            await session.__aenter__()
        async with anyio.create_task_group() as tasks:
            for session in sessions:
                tasks.start_soon(session.aclose)
        assert bus.stats().sessions == 0


@pytest.mark.no_cover  # what tracing costs here is what most others take together
async def test_ten_thousand_sessions_leave_the_count_of_living_objects_flat() -> None:
    async def live(bus: MessageBus, number: int) -> None:
        async with bus.session(str(number)) as session:
            session.register_event_handler(Said, Recorder())
            session.register_command_handler(Ask, answer)
            session.start_soon(anyio.sleep_forever)
            session.schedule(Said(), delay=1000)
            await session.publish(Said())
            await session.execute(Ask())

    bus = MessageBus()
    async with bus:
        for number in range(20):
            await live(bus, number)
        gc.collect()
        before = len(gc.get_objects())
        for number in range(10_000):
            await live(bus, number)
        gc.collect()
        assert len(gc.get_objects()) - before < 200  # what other tests have left may go meanwhile
        assert bus.stats().total.delivered == 10_020


async def test_something_that_does_not_heed_its_cancellation_does_not_hold_up_the_sessions_end(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with running() as bus:
        release, entered = anyio.Event(), anyio.Event()

        async def stubborn() -> None:
            with anyio.CancelScope(shield=True):
                entered.set()
                await release.wait()

        async with bus.session(drain=0) as session:
            session.start_soon(stubborn)
            await entered.wait()
        assert session.closed
        assert "does not heed its cancellation" in caplog.text
        release.set()


async def test_a_background_task_stands_in_no_handlers_call() -> None:
    async with running() as bus:
        gate = Gate()
        states: list[bool] = []

        async def look() -> None:
            await gate(None)
            states.append(bus._engine.frame() is None)

        async with bus.session("a") as session:

            async def start(command: Ask) -> str:
                session.start_soon(look)
                await gate.entered.wait()
                return ""

            session.register_command_handler(Ask, start)
            await session.execute(Ask())
            gate.open.set()
            await anyio.wait_all_tasks_blocked()
        assert states == [True]


async def test_a_session_that_lost_events_leaves_nothing_behind() -> None:
    """That its losses have been told is known no longer than its handler."""

    class Handler:
        async def __call__(self, event: Said) -> None: ...

    async with running() as bus:
        async with bus.session() as session:
            handler = Handler()
            known = weakref.ref(handler)
            registered = session.register_event_handler(Said, handler, capacity=1, overflow="drop_newest")
            await session.publish(Said())
            await session.publish(Said())
            assert bus.stats().total.dropped == 1
            del handler, registered
        gc.collect()
        assert known() is None


async def test_a_task_that_outlives_the_handler_that_made_it_stands_in_that_call_no_more() -> None:
    async with running() as bus:
        stale: list[contextvars.Context] = []

        async def keep(event: Said) -> None:
            stale.append(contextvars.copy_context())

        bus.register_event_handler(Said, keep)
        await bus.publish(Said())
        await bus.wait_idle()
        assert stale[0].run(bus._engine.frame) is None


async def test_a_background_task_waits_for_the_stop_of_another_bus() -> None:
    done = anyio.Event()
    async with running() as bus, bus.session("s") as session:

        async def work() -> None:
            async with MessageBus() as other:
                other.register_event_handler(Said, seen := Recorder())
                await other.publish(Said())
            assert len(seen.seen) == 1
            with pytest.raises(BusClosedError, match="stopped"):
                await other.publish(Said())
            done.set()

        session.start_soon(work)
        await done.wait()


async def test_a_session_that_was_not_entered_says_that_it_is_not_open_yet() -> None:
    async with running() as bus:
        with pytest.raises(RuntimeError, match="'s' is not open yet"):
            await bus.session("s").publish(Said())


@pytest.mark.parametrize("way", ["stop", "cancel", "time"])
async def test_a_session_that_waits_for_its_handlers_ends_when_the_bus_stops_it_is_cancelled_or_its_time_is_up(
    way: str,
) -> None:
    async with running() as bus:
        gate = Gate()
        session = bus.session("s", drain=0.01 if way == "time" else 5)

        async def converse() -> None:
            async with session:
                session.register_event_handler(Said, gate)
                await session.publish(Said())
                await gate.entered.wait()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(converse)
            await gate.entered.wait()
            await anyio.wait_all_tasks_blocked()
            if way == "stop":
                await bus.stop(drain=0)
            elif way == "cancel":
                tasks.cancel_scope.cancel()
                gate.open.set()
        assert session.closed
        assert gate.left.is_set()
        assert bus.stats().sessions == 0
        assert bus.stats().total.pending == 0


async def test_a_handler_of_the_end_that_hangs_is_cancelled_when_the_sessions_time_is_up() -> None:
    async with running() as bus:
        gate = Gate()
        async with bus.session("a", drain=0.01) as session:
            session.register_event_handler(SessionEndEvent, gate)
        assert gate.entered.is_set()
        with anyio.fail_after(5):
            await gate.left.wait()
        assert gate.cancelled
        await bus.wait_idle(timeout=5)
        assert (bus.stats().total.discarded, bus.stats().total.delivered) == (1, 0)
