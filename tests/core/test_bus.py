"""The bus: commands, events, start and stop, streams, room, middleware, threads."""

# Handlers are lambdas here, and a test may look inside.
# pyright: reportPrivateUsage=false, reportUnknownArgumentType=false, reportUnknownLambdaType=false, reportUnknownMemberType=false

import asyncio
import contextvars
import functools
import gc
import threading
import weakref
from collections.abc import AsyncGenerator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import anyio
import anyio.lowlevel
import anyio.to_thread
import attrs
import pytest

from llmgine_core import (
    BusClosedError,
    Command,
    CommandResultEvent,
    CommandStartedEvent,
    DuplicateHandlerError,
    Event,
    EventHandlerFailedEvent,
    EventHandlerResultEvent,
    EventHandlerStartEvent,
    HandlerNotFoundError,
    Message,
    MessageBus,
    Outcome,
    QueueFullError,
    StopReport,
    current_message,
    handling,
)
from tests.core.messages import (
    Ask,
    AskMore,
    Count,
    Gate,
    Noted,
    Recorder,
    Said,
    answer,
    balanced,
    in_background,
    numbers,
    running,
)

# ── commands ─────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_command_is_answered_by_its_one_handler() -> None:
    async with running() as bus:
        bus.register_command_handler(Ask, answer)
        assert await bus.execute(Ask("life")) == "answer to life"
        assert bus.stats().executed == 1


async def test_a_second_handler_of_a_command_is_refused_and_names_the_first() -> None:
    bus = MessageBus()
    bus.register_command_handler(Ask, answer)
    with pytest.raises(DuplicateHandlerError, match=r"Ask is handled by tests\.core\.messages\.answer on the bus"):
        bus.register_command_handler(Ask, answer)


async def test_a_command_without_a_handler_is_refused_with_near_misses() -> None:
    async with running() as bus:
        bus.register_command_handler(AskMore, Gate())
        with pytest.raises(HandlerNotFoundError, match="did you mean AskMore") as caught:
            await bus.execute(Ask())
        assert caught.value.near_misses == ("AskMore",)


async def test_a_handler_that_was_unregistered_is_not_found_and_may_be_replaced() -> None:
    async with running() as bus:
        registration = bus.register_command_handler(Ask, answer)
        registration.unregister()
        registration.unregister()
        with pytest.raises(HandlerNotFoundError):
            await bus.execute(Ask())
        bus.register_command_handler(Ask, answer)
        registration.unregister()
        assert await bus.execute(Ask("again")) == "answer to again"


async def test_a_handlers_exception_reaches_the_caller_unchanged_with_its_traceback() -> None:
    error = ValueError("mine")

    async def fail(command: Ask) -> str:
        raise error

    async with running() as bus:
        bus.register_command_handler(Ask, fail)
        with pytest.raises(ValueError, match="mine") as caught:
            await bus.execute(Ask())
        assert caught.value is error
        assert caught.traceback[-1].name == "fail"
        assert error.__cause__ is None


async def test_a_handlers_system_exit_reaches_the_caller_and_leaves_the_bus_alone() -> None:
    async def leave(command: Ask) -> str:
        raise SystemExit(3)

    async with running() as bus:
        ends = Recorder()
        bus.register_event_handler(CommandResultEvent, ends)
        bus.register_command_handler(Ask, leave)
        with pytest.raises(SystemExit):
            await bus.execute(Ask())
        await ends.wait_for(1)
        assert ends.seen[0].outcome is Outcome.ERROR


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_handlers_own_cancelled_error_is_told_as_an_error_of_the_command(anyio_backend: str) -> None:
    async def give_up(command: Ask) -> str:
        raise asyncio.CancelledError

    async with running() as bus:
        ends = Recorder()
        bus.register_event_handler(CommandResultEvent, ends)
        bus.register_command_handler(Ask, give_up)
        with pytest.raises(asyncio.CancelledError):
            await bus.execute(Ask())
        await ends.wait_for(1)
        assert ends.seen[0].outcome is Outcome.ERROR
        task = asyncio.current_task()
        assert task is not None
        assert task.cancelling() == 0


async def test_cancelling_the_caller_cancels_the_handler() -> None:
    async with running() as bus:
        gate, ends = Gate(), Recorder()
        bus.register_event_handler(CommandResultEvent, ends)
        bus.register_command_handler(Ask, gate)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(bus.execute, Ask())
            await gate.entered.wait()
            tasks.cancel_scope.cancel()
        assert gate.cancelled
        await ends.wait_for(1)
        assert ends.seen[0].outcome is Outcome.CANCELLED


@pytest.mark.parametrize("who", ["caller", "handler", "deadline"])
async def test_a_command_whose_time_is_up_is_a_timeout_error(who: str) -> None:
    async with running() as bus:
        gate = Gate()
        bus.register_command_handler(Ask, gate, timeout=0 if who == "handler" else None)
        command = Ask(deadline=datetime.now(UTC)) if who == "deadline" else Ask()
        with pytest.raises(TimeoutError, match="Ask was not answered in time"):
            await bus.execute(command, timeout=0 if who == "caller" else None)
        assert gate.cancelled


async def test_a_handlers_own_timeout_error_passes_unchanged() -> None:
    error = TimeoutError("the handler's")

    async def fail(command: Ask) -> str:
        raise error

    async with running() as bus:
        bus.register_command_handler(Ask, fail)
        with pytest.raises(TimeoutError) as caught:
            await bus.execute(Ask(), timeout=5)
        assert caught.value is error


async def test_an_answer_that_comes_in_time_is_not_spoilt_by_a_deadline() -> None:
    async with running() as bus:
        bus.register_command_handler(Ask, answer, timeout=60)
        in_a_minute = datetime.now(UTC) + timedelta(minutes=1)
        assert await bus.execute(Ask("x", deadline=in_a_minute), timeout=60) == "answer to x"


async def test_execute_shares_the_callers_context() -> None:
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")

    async def change(command: Ask) -> str:
        seen = variable.get()
        variable.set("handler's")
        return seen

    async with running() as bus:
        bus.register_command_handler(Ask, change)
        variable.set("caller's")
        assert await bus.execute(Ask()) == "caller's"
        assert variable.get() == "handler's"


async def test_what_a_handler_sends_names_its_message_as_the_cause() -> None:
    async with running() as bus:
        seen = Recorder()
        bus.register_event_handler(Said, seen)

        async def handle(command: Ask) -> str:
            assert current_message() is command
            await bus.publish(Said("inside"))
            return ""

        bus.register_command_handler(Ask, handle)
        command = Ask(session_id="s", metadata={"tenant": 1})
        await bus.execute(command)
        await seen.wait_for(1)
        said = seen.seen[0]
        assert (said.causation_id, said.correlation_id, said.session_id) == (command.id, command.id, "s")
        assert current_message() is None


async def test_a_command_has_one_started_and_one_result_event_that_share_its_chain() -> None:
    async with running() as bus:
        told = Recorder()
        bus.register_event_handler(CommandStartedEvent, told.note)
        bus.register_event_handler(CommandResultEvent, told.note)
        bus.register_command_handler(Ask, answer)
        command = Ask("x")
        await bus.execute(command)
        await told.wait_for(2)
        started, ended = told.seen
        assert started.command_id == ended.command_id == command.id
        assert started.correlation_id == ended.correlation_id == command.id
        assert (ended.outcome, ended.result, ended.error) == (Outcome.OK, "answer to x", None)
        assert ended.duration >= 0


async def test_lifecycle_events_are_not_made_if_nobody_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    async with running() as bus:
        bus.register_command_handler(Ask, answer)
        bus.register_event_handler(Said, Recorder())
        await bus.execute(Ask())
        await bus.publish(Said())
        await bus.wait_idle()
        assert bus.stats().accepted == 1


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda bus: bus.execute(Said()), "execute"),
        (lambda bus: bus.publish(Ask()), "publish"),
        (lambda bus: bus.execute(Count()), "execute"),
    ],
)
async def test_a_verb_that_gets_the_wrong_kind_of_message_says_which_it_takes(
    call: Callable[[Any], Awaitable[Any]], says: str
) -> None:
    async with running() as bus:
        with pytest.raises(TypeError, match=says):
            await call(bus)
        with pytest.raises(TypeError, match="stream"):
            bus.stream(Ask())  # type: ignore[arg-type]


async def test_handlers_of_the_wrong_kind_are_refused_when_they_are_registered() -> None:
    bus = MessageBus()
    with pytest.raises(TypeError, match="must be a coroutine function"):
        bus.register_command_handler(Ask, lambda command: "x")  # type: ignore[arg-type,return-value]
    with pytest.raises(TypeError, match="must be an async generator function"):
        bus.register_command_handler(Count, answer)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="is no command class"):
        bus.register_command_handler(Said, answer)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="is no event class"):
        bus.register_event_handler(Ask, print)  # type: ignore[type-var]
    with pytest.raises(TypeError, match="drop in_thread"):
        bus.register_event_handler(Said, Recorder(), in_thread=True)
    with pytest.raises(TypeError, match="must be callable"):
        bus.register_event_handler(Said, 5)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="at least 1"):
        MessageBus(capacity=0)


# ── events ───────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_an_event_that_nobody_wants_is_counted_as_unmatched() -> None:
    async with running() as bus:
        await bus.publish(Said())
        stats = bus.stats()
        assert (stats.accepted, stats.unmatched, stats.total.deliveries) == (1, 1, 0)


async def test_publish_returns_before_the_event_is_handled() -> None:
    async with running() as bus:
        gate = Gate()
        bus.register_event_handler(Said, gate)
        await bus.publish(Said())
        assert not gate.left.is_set()
        gate.open.set()


async def test_expect_gets_the_next_event_that_is_accepted_after_its_call() -> None:
    async with running() as bus:
        await bus.publish(Said("before"))
        expected = bus.expect(Said, where=lambda e: e.number == 2, timeout=5)
        await bus.publish(Said("no", 1))
        await bus.publish(Said("yes", 2))
        await bus.publish(Said("later", 2))
        assert (await expected).text == "yes"
        assert (await expected).text == "yes"


@pytest.mark.parametrize(
    "told", [CommandStartedEvent, CommandResultEvent, EventHandlerStartEvent, EventHandlerResultEvent]
)
async def test_what_the_bus_tells_of_itself_can_be_expected_where_nobody_else_listens(told: type[Event]) -> None:
    """An expectation is a listener, from its first moment on."""
    async with running() as bus:
        bus.register_command_handler(Ask, answer)
        bus.register_event_handler(Said, lambda e: None)
        expected = bus.expect(told, timeout=5)
        await bus.execute(Ask())
        await bus.publish(Said())
        assert type(await expected) is told


async def test_expect_ends_with_a_timeout_error_or_with_the_bus() -> None:
    async with running() as bus:
        with pytest.raises(TimeoutError):
            await bus.expect(Said, timeout=0)
        expected = bus.expect(Said)
        await bus.stop()
        with pytest.raises(BusClosedError):
            await expected
        with pytest.raises(BusClosedError):
            bus.expect(Said)


async def test_what_was_expected_and_came_is_there_even_if_the_time_is_up() -> None:
    async with running() as bus:
        expected = bus.expect(Said, timeout=0)
        await bus.publish(Said("came"))
        assert (await expected).text == "came"


async def test_an_expectation_whose_filter_raises_tells_the_one_who_waits() -> None:
    async with running() as bus:
        expected = bus.expect(Said, where=lambda e: 1 / 0 > 0)
        await bus.publish(Said())
        with pytest.raises(ZeroDivisionError):
            await expected


async def test_an_expectation_that_nobody_keeps_is_forgotten() -> None:
    async with running() as bus:
        kept = bus.expect(Said)
        assert bus.listens(Said)
        assert not bus.listens(Noted)
        gone = weakref.ref(kept)
        del kept
        gc.collect()
        assert gone() is None
        assert not bus.listens(Said)


async def test_a_scheduled_event_is_published_when_it_is_due() -> None:
    async with running() as bus:
        expected = bus.expect(Said, timeout=5)
        bus.schedule(Said("due"), delay=0)
        assert (await expected).text == "due"


async def test_a_message_is_not_its_own_cause() -> None:
    """Neither where it is sent from a block that handles it already, nor on the shortest way."""
    async with running() as bus:
        bus.register_command_handler(Ask, answer)
        for message, send in ((Said(), bus.publish), (Ask(), bus.execute)):
            with handling(message):
                await send(cast("Any", message))
            assert (message.causation_id, message.correlation_id) == (None, message.id)


async def test_a_scheduled_event_that_was_cancelled_or_that_the_bus_outlives_is_never_published() -> None:
    async with running() as bus:
        seen = Recorder()
        bus.register_event_handler(Said, seen)
        scheduled = bus.schedule(Said("cancelled"), delay=0)
        scheduled.cancel()
        bus.schedule(Said("too late"), delay=1000)
        last = bus.expect(Noted, timeout=5)
        bus.schedule(Noted(), delay=0)
        await last
        await bus.stop()
        assert seen.seen == []


async def test_a_scheduled_event_that_cannot_be_published_harms_nobody() -> None:
    async def refuse(message: Message, call_next: Callable[[Message], Awaitable[Any]]) -> Any:
        refused.set()
        raise ValueError("no")

    refused = anyio.Event()
    async with running() as bus:
        bus.add_middleware(refuse)
        bus.schedule(Said(), delay=0)
        await refused.wait()
        await anyio.lowlevel.checkpoint()
        with pytest.raises(ValueError, match="no"):
            await bus.publish(Said())


# ── middleware and taps ──────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("ttl", [None, 5.0])
async def test_an_event_whose_handlers_a_tap_takes_out_is_counted_all_the_same(ttl: float | None) -> None:
    """It is discarded, or matched by nobody, as the way on which it was accepted has it."""
    async with running() as bus:
        seen = Recorder()
        registration = bus.register_event_handler(Said, seen)
        bus.add_tap(lambda e: registration.unregister())
        await bus.publish(Said(), ttl=ttl)
        await bus.wait_idle()
        stats = bus.stats()
        assert (seen.seen, stats.accepted, stats.total.discarded + stats.unmatched) == ([], 1, 1)


async def test_the_first_middleware_added_is_the_outermost_around_execute_and_publish() -> None:
    order: list[str] = []

    def named(name: str) -> Any:
        async def middleware(message: Message, call_next: Callable[[Message], Awaitable[Any]]) -> Any:
            order.append(f"{name} in")
            result = await call_next(message)
            order.append(f"{name} out")
            return result

        return middleware

    async with running() as bus:
        bus.register_command_handler(Ask, answer)
        bus.add_middleware(named("first"))
        bus.add_middleware(named("second"))
        assert await bus.execute(Ask("q")) == "answer to q"
        await bus.publish(Said())
        assert order == ["first in", "second in", "second out", "first out"] * 2


async def test_a_middleware_may_replace_the_message_which_then_belongs_to_the_same_session() -> None:
    async def replace(message: Message, call_next: Callable[[Message], Awaitable[Any]]) -> Any:
        if isinstance(message, Said):
            return await call_next(Said("replaced"))
        assert isinstance(message, Ask)
        return await call_next(Ask("replaced"))

    async with running() as bus:
        seen = Recorder()
        bus.register_command_handler(Ask, answer)
        bus.register_event_handler(Said, seen)
        bus.add_middleware(replace)
        async with bus.session("s") as session:
            assert await session.execute(Ask("given")) == "answer to replaced"
            await session.publish(Said("given"))
        await seen.wait_for(1)
        assert (seen.seen[0].text, seen.seen[0].session_id) == ("replaced", "s")


async def test_an_event_that_a_middleware_keeps_or_fails_on_was_refused() -> None:
    async def swallow(message: Message, call_next: Callable[[Message], Awaitable[Any]]) -> Any:
        if isinstance(message, Said) and message.number == 1:
            raise ValueError("one")
        if isinstance(message, Said) and message.number == 2:
            await call_next(message)
            raise ValueError("after")
        return None

    async with running() as bus:
        bus.add_middleware(swallow)
        await bus.publish(Said())
        with pytest.raises(ValueError, match="one"):
            await bus.publish(Said(number=1))
        with pytest.raises(ValueError, match="after"):
            await bus.publish(Said(number=2))
        assert (bus.stats().accepted, bus.stats().refused) == (1, 2)


async def test_what_a_middleware_sets_in_the_context_the_handlers_see() -> None:
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")

    async def enter(message: Message, call_next: Callable[[Message], Awaitable[Any]]) -> Any:
        token = variable.set("middleware's")
        try:
            return await call_next(message)
        finally:
            variable.reset(token)

    seen: list[str] = []
    async with running() as bus:
        bus.add_middleware(enter)
        bus.register_event_handler(Said, lambda event: seen.append(variable.get()))
        await bus.publish(Said())
        await bus.wait_idle()
        assert seen == ["middleware's"]


async def test_a_tap_sees_every_accepted_event_before_delivery_and_harms_nobody_by_failing() -> None:
    order: list[str] = []

    def bad(event: Event) -> None:
        raise ValueError("bad tap")

    def look(event: Event) -> None:
        order.append("tap")

    async with running() as bus:
        bus.add_tap(bad)
        tap = bus.add_tap(look)
        bus.register_event_handler(Said, lambda event: order.append("handler"))
        await bus.publish(Said())
        await bus.wait_idle()
        tap.unregister()
        tap.unregister()
        await bus.publish(Said())
        await bus.wait_idle()
        assert [o for o in order if o != "tap"] == ["handler", "handler"]
        assert order[0] == "tap"
        assert tap.name.endswith("look")


# ── starting and stopping ────────────────────────────────────────────────────────────────────────────────────────────


async def test_work_is_refused_before_the_start_and_after_the_stop() -> None:
    bus = MessageBus()
    bus.register_command_handler(Ask, answer)
    for state in ("new", "stopped"):
        with pytest.raises(BusClosedError, match=state):
            await bus.execute(Ask())
        with pytest.raises(BusClosedError, match=state):
            await bus.publish(Said())
        with pytest.raises(BusClosedError, match=state):
            bus.schedule(Said(), delay=0)
        with pytest.raises(BusClosedError, match=state):
            async with bus.stream(Count()):
                pass
        with pytest.raises(BusClosedError, match=state):
            async with bus.session():
                pass
        with pytest.raises(BusClosedError, match=state):
            bus.publish_from_thread(Said())
        await bus.start()
        await bus.stop()
    assert bus.stats().refused == 2


async def test_start_and_stop_are_idempotent_also_at_the_same_time() -> None:
    bus = MessageBus()
    assert await bus.stop() == StopReport()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(bus.start)
        tasks.start_soon(bus.start)
    bus.register_command_handler(Ask, answer)
    assert await bus.execute(Ask("x")) == "answer to x"
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(bus.stop)
        tasks.start_soon(bus.stop)
    assert await bus.stop() == StopReport()


async def test_a_stopped_bus_opens_anew_with_its_bus_scope_registrations() -> None:
    bus = MessageBus()
    bus.register_command_handler(Ask, answer)
    for _ in range(2):
        async with bus:
            async with bus.session("s") as session:
                session.register_event_handler(Said, Recorder())
                assert await bus.execute(Ask("x")) == "answer to x"
            assert bus.stats().sessions == 0


async def test_start_and_stop_may_come_from_different_tasks() -> None:
    bus = MessageBus()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(bus.start)
    bus.register_command_handler(Ask, answer)
    assert await bus.execute(Ask("x")) == "answer to x"
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(bus.stop)
    with pytest.raises(BusClosedError):
        await bus.execute(Ask("x"))


async def test_stop_drains_what_was_accepted_and_what_handlers_still_publish_and_execute() -> None:
    bus = MessageBus()
    seen = Recorder()

    async def chain(event: Said) -> None:
        seen.note(event)
        if event.number:
            await bus.execute(Ask())
            await bus.publish(Said(number=event.number - 1))

    bus.register_command_handler(Ask, answer)
    bus.register_event_handler(Said, chain)
    await bus.start()
    await bus.publish(Said(number=50))
    report = await bus.stop()
    assert len(seen.seen) == 51
    assert report == StopReport()


async def test_stop_at_its_deadline_reports_what_is_left_and_cancels_it() -> None:
    bus = MessageBus()
    gate, other = Gate(), Gate()
    bus.register_event_handler(Said, gate)
    bus.register_command_handler(Ask, other)
    await bus.start()
    async with in_background(bus.execute, Ask()) as errors:
        await bus.publish(Said())
        await bus.publish(Said())
        await gate.entered.wait()
        await other.entered.wait()
        report = await bus.stop(drain=0)
    assert report == StopReport(left=2, discarded=2, cancelled=2)
    assert gate.cancelled
    assert other.cancelled
    assert [type(e) for e in errors] == [BusClosedError]
    assert bus.stats().total.discarded == 2
    assert balanced(bus.stats())


async def test_stop_waits_for_running_commands_and_streams_within_its_deadline() -> None:
    bus = MessageBus()
    gate = Gate()
    bus.register_command_handler(Ask, gate)
    await bus.start()
    answers: list[str] = []

    async def ask() -> None:
        answers.append(await bus.execute(Ask()))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(ask)
        await gate.entered.wait()
        tasks.start_soon(bus.stop)
        while True:  # until the stop has begun
            try:
                await bus.publish(Said())
            except BusClosedError:
                break
            await anyio.lowlevel.checkpoint()
        gate.open.set()
    assert answers == ["through the gate"]


async def test_stop_from_inside_a_handler_asks_and_does_not_wait() -> None:
    bus = MessageBus()
    after = anyio.Event()

    async def stop(message: Message) -> str:
        assert await bus.stop() == StopReport()
        after.set()
        return "stopping"

    bus.register_command_handler(Ask, stop)
    bus.register_event_handler(Said, stop)
    with anyio.fail_after(5):
        async with bus:
            assert await bus.execute(Ask()) == "stopping"
        after = anyio.Event()
        async with bus:
            await bus.publish(Said())
            await after.wait()


async def test_a_cancelled_stop_goes_on_and_can_be_waited_for() -> None:
    bus = MessageBus()
    gate = Gate()
    bus.register_event_handler(Said, gate)
    await bus.start()
    await bus.publish(Said())
    await gate.entered.wait()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(bus.stop)
        await anyio.lowlevel.checkpoint()
        tasks.cancel_scope.cancel()
        gate.open.set()
    with anyio.fail_after(5):
        await bus.stop()
    assert not gate.cancelled
    assert bus.stats().total.delivered == 1


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_stop_whose_task_is_cancelled_by_asyncio_goes_on(anyio_backend: str) -> None:
    bus = MessageBus()
    gate = Gate()
    bus.register_event_handler(Said, gate)
    await bus.start()
    await bus.publish(Said())
    await gate.entered.wait()
    task = asyncio.create_task(bus.stop())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    gate.open.set()
    with anyio.fail_after(5):
        await bus.stop()
    assert bus.stats().total.delivered == 1


async def test_leaving_the_bus_by_an_exception_drains_as_usual_and_passes_it_unchanged() -> None:
    bus = MessageBus()
    seen = Recorder()
    bus.register_event_handler(Said, seen)
    with pytest.raises(ValueError, match="body"):  # noqa: PT012
        async with bus:
            await bus.publish(Said())
            raise ValueError("body")
    assert len(seen.seen) == 1


async def test_leaving_the_bus_by_cancellation_drains_as_usual() -> None:
    bus = MessageBus()
    seen = Recorder()
    bus.register_event_handler(Said, seen)
    with anyio.CancelScope() as scope:
        async with bus:
            await bus.publish(Said())
            scope.cancel()
            await anyio.sleep_forever()
    assert len(seen.seen) == 1
    with pytest.raises(BusClosedError, match="stopped"):
        await bus.publish(Said())


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_forgotten_stop_ends_with_its_loop_and_the_bus_can_open_anew(
    backend: str, caplog: pytest.LogCaptureFixture
) -> None:
    bus = MessageBus()
    gates: list[Gate] = []

    async def handle(event: Said) -> None:
        gates.append(Gate())
        await gates[-1](event)

    bus.register_event_handler(Said, handle)

    async def forget() -> None:
        await bus.start()
        session = bus.session("kept open")
        await session.__aenter__()
        session.start_soon(anyio.sleep_forever)
        started = anyio.Event()
        bus.register_event_handler(Noted, lambda event: started.set())
        await session.publish(Said())
        await session.publish(Said())
        await session.publish(Noted())
        await started.wait()
        while not gates:
            await anyio.lowlevel.checkpoint()

    for number in (1, 2):
        gates.clear()
        anyio.run(forget, backend=backend)
        assert gates[0].cancelled
        assert bus.stats().total.pending == 0
        assert bus.stats().sessions == 0
        assert bus.stats().total.failed == 0
        assert balanced(bus.stats()), number
    assert "failed" not in caplog.text


async def test_the_shared_bus_is_one_and_unstarted_and_current_needs_an_application() -> None:
    assert MessageBus.shared() is MessageBus.shared()
    with pytest.raises(LookupError, match="ApplicationBootstrap"):
        MessageBus.current()


# ── streams ──────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_stream_yields_what_its_handler_yields() -> None:
    async with running() as bus:
        bus.register_command_handler(Count, numbers)
        async with bus.stream(Count(100)) as items:
            assert [item async for item in items] == list(range(100))


async def test_leaving_a_stream_early_runs_the_handlers_finally_before_the_block_is_left() -> None:
    closed: list[str] = []

    async def endless(command: Count) -> AsyncGenerator[int, None]:
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(anyio.sleep_forever)
                while True:
                    yield 1
        finally:
            await anyio.lowlevel.checkpoint()
            closed.append("finally")

    async with running() as bus:
        ends = Recorder()
        bus.register_event_handler(CommandResultEvent, ends)
        bus.register_command_handler(Count, endless)
        async with bus.stream(Count()) as items:
            async for item in items:
                assert item == 1
                break
        assert closed == ["finally"]
        async with bus.stream(Count()):
            pass
        assert closed == ["finally"] * 2
        with pytest.raises(ValueError, match="reader"):
            async with bus.stream(Count()):
                raise ValueError("reader")
        assert closed == ["finally"] * 3
        await ends.wait_for(3)
        assert [e.outcome for e in ends.seen] == [Outcome.OK, Outcome.OK, Outcome.CANCELLED]


async def test_a_readers_cancellation_closes_the_stream() -> None:
    gate = Gate()

    async def wait(command: Count) -> AsyncGenerator[int, None]:
        await gate(command)
        yield 1

    async with running() as bus:
        bus.register_command_handler(Count, wait)
        async with anyio.create_task_group() as tasks:

            async def read() -> None:
                async with bus.stream(Count()) as items:
                    async for _ in items:
                        pass

            tasks.start_soon(read)
            await gate.entered.wait()
            tasks.cancel_scope.cancel()
        assert gate.cancelled


async def test_a_streams_error_reaches_its_reader_after_the_items_before_it() -> None:
    error = ValueError("after two")

    async def fail(command: Count) -> AsyncGenerator[int, None]:
        yield 1
        yield 2
        raise error

    async with running() as bus:
        ends = Recorder()
        bus.register_event_handler(CommandResultEvent, ends)
        bus.register_command_handler(Count, fail)
        got: list[int] = []
        with pytest.raises(ValueError, match="after two") as caught:  # noqa: PT012
            async with bus.stream(Count()) as items:
                async for item in items:
                    got.append(item)  # noqa: PERF401
        assert got == [1, 2]
        assert caught.value is error
        await ends.wait_for(1)
        assert ends.seen[0].outcome is Outcome.ERROR


async def test_a_handlers_own_broken_resource_error_is_not_taken_for_a_reader_that_left() -> None:
    async def fail(command: Count) -> AsyncGenerator[int, None]:
        yield 1
        raise anyio.BrokenResourceError

    async with running() as bus:
        bus.register_command_handler(Count, fail)
        with pytest.raises(anyio.BrokenResourceError):  # noqa: PT012
            async with bus.stream(Count()) as items:
                async for _ in items:
                    pass


@pytest.mark.parametrize("how", ["caller", "handler", "deadline"])
async def test_a_stream_whose_time_is_up_is_a_timeout_error(how: str) -> None:
    async def wait(command: Count) -> AsyncGenerator[int, None]:
        await anyio.sleep_forever()
        yield 1

    async with running() as bus:
        bus.register_command_handler(Count, wait, timeout=0 if how == "handler" else None)
        command = Count(deadline=datetime.now(UTC)) if how == "deadline" else Count()
        with pytest.raises(TimeoutError, match="Count was not answered in time"):  # noqa: PT012
            async with bus.stream(command, timeout=0 if how == "caller" else None) as items:
                async for _ in items:
                    pass


async def test_a_stream_without_a_handler_is_refused_on_entry_and_leaves_nothing_behind() -> None:
    async with running() as bus:
        with pytest.raises(HandlerNotFoundError):
            async with bus.stream(Count()):
                pass
        bus.stream(Count())
        async with bus.session() as session:
            with pytest.raises(HandlerNotFoundError):
                async with session.stream(Count()):
                    pass
            session.stream(Count())


async def test_a_system_exit_in_a_stream_reaches_its_reader_and_leaves_the_bus_alone() -> None:
    async def leave(command: Count) -> AsyncGenerator[int, None]:
        yield 1
        raise SystemExit(3)

    async with running() as bus:
        bus.register_command_handler(Ask, answer)
        bus.register_command_handler(Count, leave)
        with pytest.raises(SystemExit):  # noqa: PT012
            async with bus.stream(Count()) as items:
                async for _ in items:
                    pass
        assert await bus.execute(Ask("x")) == "answer to x"


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_cancelled_error_that_a_streams_handler_raises_itself_leaves_the_bus_alone(anyio_backend: str) -> None:
    async def give_up(command: Count) -> AsyncGenerator[int, None]:
        yield 1
        raise asyncio.CancelledError

    async with running() as bus:
        bus.register_command_handler(Ask, answer)
        bus.register_command_handler(Count, give_up)
        with pytest.raises(asyncio.CancelledError):  # noqa: PT012
            async with bus.stream(Count()) as items:
                async for _ in items:
                    pass
        assert await bus.execute(Ask("x")) == "answer to x"


async def test_a_stream_that_runs_when_the_bus_stops_ends_with_bus_closed_error() -> None:
    entered = anyio.Event()
    bus = MessageBus()

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
    async with in_background(read) as errors:
        await entered.wait()
        report = await bus.stop(drain=0)
    assert [type(e) for e in errors] == [BusClosedError]
    assert report.cancelled == 1


async def test_a_reader_that_does_not_iterate_when_the_bus_stops_hears_of_it_when_it_does() -> None:
    bus = MessageBus()

    async def endless(command: Count) -> AsyncGenerator[int, None]:
        while True:
            yield 1

    bus.register_command_handler(Count, endless)
    await bus.start()
    with pytest.raises(BusClosedError):  # noqa: PT012 - the stream is open while the bus stops
        async with bus.stream(Count()) as items:
            await bus.stop(drain=0)
            async for _ in items:
                pass


async def test_a_streams_handler_runs_in_a_copy_of_the_readers_context_and_below_its_command() -> None:
    variable: contextvars.ContextVar[int] = contextvars.ContextVar("variable", default=0)
    causes: list[Message | None] = []

    async def look(command: Count) -> AsyncGenerator[int, None]:
        causes.append(current_message())
        yield variable.get()
        variable.set(2)
        yield variable.get()

    async with running() as bus:
        bus.register_command_handler(Count, look)
        variable.set(1)
        command = Count()
        async with bus.stream(command) as items:
            assert [item async for item in items] == [1, 2]
        assert variable.get() == 1
        assert causes == [command]


# ── room ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_publishers_wait_for_room_and_are_let_in_in_order() -> None:
    async with running(capacity=1) as bus:
        gate, seen = Gate(), Recorder()

        async def handle(event: Said) -> None:
            seen.note(event)
            await gate(event)

        bus.register_event_handler(Said, handle)
        done: list[int] = []

        async def publish(number: int) -> None:
            await bus.publish(Said(number=number))
            done.append(number)

        async with anyio.create_task_group() as tasks:
            await publish(0)
            await gate.entered.wait()
            await publish(1)
            for number in range(2, 8):
                tasks.start_soon(publish, number)
                await anyio.wait_all_tasks_blocked()
            assert done == [0, 1]
            assert balanced(bus.stats())
            gate.open.set()
        await bus.wait_idle()
        assert [e.number for e in seen.seen] == list(range(8))
        assert done == list(range(8))


async def test_a_waiting_publisher_that_is_cancelled_gives_its_turn_to_the_next() -> None:
    async with running(capacity=1) as bus:
        gate = Gate()
        bus.register_event_handler(Said, gate)
        await bus.publish(Said())
        await gate.entered.wait()
        await bus.publish(Said())
        async with anyio.create_task_group() as outer:
            cancelled = anyio.CancelScope()

            async def first() -> None:
                with cancelled:
                    await bus.publish(Said("cancelled"))

            outer.start_soon(first)
            await anyio.wait_all_tasks_blocked()
            outer.start_soon(bus.publish, Said("second"))
            await anyio.wait_all_tasks_blocked()
            gate.open.set()
            cancelled.cancel()
        await bus.wait_idle()
        assert [e.text for e in gate.seen] in (["", "", "second"], ["", "", "cancelled", "second"])
        stats = bus.stats()
        assert stats.accepted + stats.refused == 4


async def test_room_that_an_unmatched_event_does_not_use_goes_to_the_next_publisher() -> None:
    async with running(capacity=1) as bus:
        gate = Gate()
        bus.register_event_handler(Said, gate)
        await bus.publish(Said())
        await gate.entered.wait()
        await bus.publish(Said())
        async with anyio.create_task_group() as tasks:
            for event in (Noted("unmatched"), Noted("unmatched"), Said("last")):
                tasks.start_soon(bus.publish, event)
                await anyio.wait_all_tasks_blocked()
            gate.open.set()
        await bus.wait_idle()
        assert bus.stats().accepted == 5


async def test_publishers_that_wait_when_the_stop_begins_get_bus_closed_error() -> None:
    bus = MessageBus(capacity=1)
    gate = Gate()
    bus.register_event_handler(Said, gate)
    await bus.start()
    await bus.publish(Said())
    await gate.entered.wait()
    await bus.publish(Said())
    async with in_background(bus.publish, Said()) as first, in_background(bus.publish, Said()) as second:
        await anyio.wait_all_tasks_blocked()
        await bus.stop(drain=0)
    assert [type(e) for e in first + second] == [BusClosedError, BusClosedError]
    async with bus:
        gate.open.set()
        await bus.publish(Said("anew"))
        await bus.wait_idle()
    assert bus.stats().refused == 2
    assert gate.seen[-1].text == "anew"


async def test_a_command_handler_that_waits_for_room_while_the_bus_stops_is_part_of_the_drain() -> None:
    bus = MessageBus(capacity=1)
    gate, waiting = Gate(), anyio.Event()
    bus.register_event_handler(Said, gate)

    async def publish(command: Ask) -> str:
        waiting.set()
        await bus.publish(Said("from the handler"))
        return "published"

    bus.register_command_handler(Ask, publish)
    await bus.start()
    await bus.publish(Said())
    await gate.entered.wait()
    await bus.publish(Said())
    async with in_background(bus.execute, Ask()) as errors, anyio.create_task_group() as tasks:
        await waiting.wait()
        await anyio.wait_all_tasks_blocked()
        tasks.start_soon(bus.stop)
        await anyio.wait_all_tasks_blocked()
        gate.open.set()
    assert errors == []
    assert gate.seen[-1].text == "from the handler"


async def test_an_event_handlers_publications_never_wait_and_fail_beyond_the_reserve() -> None:
    async with running(capacity=2) as bus:
        errors: list[QueueFullError] = []
        gate = Gate()
        bus.register_event_handler(Noted, gate)

        async def flood(event: Said) -> None:
            for number in range(10):
                try:
                    await bus.publish(Noted(str(number)))
                except QueueFullError as error:
                    errors.append(error)

        bus.register_event_handler(Said, flood)
        await bus.publish(Said())
        with anyio.fail_after(5):
            while len(errors) < 4:
                await anyio.lowlevel.checkpoint()
        assert "must not wait" in str(errors[0])
        assert balanced(bus.stats())
        gate.open.set()
        await bus.wait_idle()
        assert len(gate.seen) == 6


async def test_what_a_full_bus_tells_of_itself_is_counted_as_dropped() -> None:
    async with running(capacity=1) as bus:
        gate = Gate()
        bus.register_event_handler(Said, gate)
        bus.register_event_handler(Said, gate, where=lambda e: e.number == 1)
        for _ in range(6):
            bus.emit(Said())
        stats = bus.stats()
        assert stats.total.dropped == 3
        assert stats.total.deliveries == 6
        assert balanced(stats)
        gate.open.set()


# ── threads ──────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_thread_publishes_with_publish_from_thread_and_the_loop_itself_may_not() -> None:
    async with running() as bus:
        seen = Recorder()
        bus.register_event_handler(Said, seen)
        await anyio.to_thread.run_sync(bus.publish_from_thread, Said("from a thread"))
        assert bus.stats().accepted == 1
        with pytest.raises(RuntimeError, match="await publish"):
            bus.publish_from_thread(Said())
        await seen.wait_for(1)


async def test_emit_takes_events_from_any_thread() -> None:
    async with running() as bus:
        seen = Recorder()
        bus.register_event_handler(Said, seen)

        def emit() -> None:
            for _ in range(50):
                bus.emit(Said())

        threads = [threading.Thread(target=emit) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            await anyio.to_thread.run_sync(thread.join)
        await seen.wait_for(200)


async def test_what_a_thread_emits_while_the_bus_stops_is_shown_and_harms_nobody() -> None:
    bus = MessageBus()
    shown: list[Event] = []
    bus.add_tap(shown.append)
    bus.register_event_handler(Said, Recorder())
    await bus.start()
    thread = threading.Thread(target=bus.emit, args=(Said("late"),))
    await bus.stop()
    bus._engine.state = "running"  # as the thread saw it
    thread.start()
    thread.join()
    bus._engine.state = "stopped"
    while not shown:
        await anyio.lowlevel.checkpoint()
    assert bus.stats().total.pending == 0


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_what_is_emitted_after_the_loop_has_ended_is_counted_as_unmatched(backend: str) -> None:
    bus = MessageBus()
    anyio.run(bus.start, backend=backend)
    bus._engine.state = "running"  # a loop that ended without letting its tasks end
    thread = threading.Thread(target=bus.emit, args=(Said(),))
    thread.start()
    thread.join()
    assert (bus.stats().emitted, bus.stats().unmatched) == (1, 1)


# ── idleness and re-entrance ─────────────────────────────────────────────────────────────────────────────────────────


async def test_wait_idle_waits_for_handlers_and_commands_of_others_or_times_out() -> None:
    async with running() as bus:
        gate = Gate()
        bus.register_event_handler(Said, gate)
        await bus.wait_idle()
        await bus.publish(Said())
        with pytest.raises(TimeoutError):
            await bus.wait_idle(timeout=0)
        gate.open.set()
        await bus.wait_idle()
        assert gate.left.is_set()


async def test_wait_idle_inside_handlers_does_not_wait_for_its_own_chain_of_calls() -> None:
    async with running() as bus:
        other, done = Recorder(), anyio.Event()
        bus.register_event_handler(Noted, other)

        async def inner(command: Ask) -> str:
            await bus.publish(Noted())
            await bus.wait_idle(timeout=5)
            return str(len(other.seen))

        async def outer(event: Said) -> None:
            assert await bus.execute(Ask()) == "1"
            done.set()

        bus.register_command_handler(Ask, inner)
        bus.register_event_handler(Said, outer)
        await bus.publish(Said())
        await done.wait()


@pytest.mark.parametrize("is_busy", [False, True])
async def test_wait_idle_inside_a_handler_waits_for_other_handlers_of_its_event(is_busy: bool) -> None:
    """They stand beside it, also where its own call had to wait in its lane."""

    async def rest(event: Said) -> None:
        if event.number:
            await before(event)
            return
        with pytest.raises(TimeoutError):
            await bus.wait_idle(timeout=0)
        beside.open.set()
        await bus.wait_idle(timeout=5)
        rested.set()

    async def stand_beside(event: Said) -> None:
        if not event.number:
            await beside(event)

    before, beside, rested = Gate(), Gate(), anyio.Event()
    async with running() as bus:
        if is_busy:
            bus.register_event_handler(Said, rest)
        bus.register_event_handler(Said, stand_beside)
        if is_busy:
            await bus.publish(Said(number=1))
            await before.entered.wait()
        else:
            bus.register_event_handler(Said, rest)
        await bus.publish(Said())
        await beside.entered.wait()
        before.open.set()
        with anyio.fail_after(5):
            await rested.wait()


async def test_wait_idle_inside_a_stream_waits_for_other_commands() -> None:
    async with running() as bus:
        gate = Gate()
        waits: list[str] = []

        async def look(command: Count) -> AsyncGenerator[int, None]:
            try:
                await bus.wait_idle(timeout=0)
            except TimeoutError:
                waits.append("waits")
            yield 1

        bus.register_command_handler(Ask, gate)
        bus.register_command_handler(Count, look)
        async with in_background(bus.execute, Ask()):
            await gate.entered.wait()
            async with bus.stream(Count()) as items:
                assert [i async for i in items] == [1]
            gate.open.set()
        assert waits == ["waits"]


@pytest.mark.parametrize("capacity", [4, 1000])
async def test_anything_may_be_done_inside_any_handler_at_any_depth_with_full_queues(capacity: int) -> None:
    async with running(capacity=capacity) as bus:
        done = anyio.Event()

        async def on_ask(command: Ask) -> str:
            depth = int(command.question)
            async with bus.session() as session:
                await session.publish(Said(number=depth))
                if depth:
                    await session.execute(Ask(str(depth - 1)))
            return "ok"

        async def on_said(event: Said) -> None:
            if event.number == 5:
                await bus.execute(Ask("3"))
                done.set()
            elif event.number:
                await bus.publish(Said(number=0))

        bus.register_command_handler(Ask, on_ask)
        bus.register_event_handler(Said, on_said)
        await bus.execute(Ask("4"))
        await bus.publish(Said(number=5))
        await done.wait()
        await bus.wait_idle()


async def test_the_books_balance_at_every_step_inside_handlers_too() -> None:
    async with running() as bus:
        checks: list[bool] = []

        def check(event: Event) -> None:
            checks.append(balanced(bus.stats()))

        async def check_later(event: Event) -> None:
            check(event)
            await anyio.lowlevel.checkpoint()
            check(event)
            if isinstance(event, Said) and event.number % 3 == 0:
                raise ValueError("thrice")

        bus.add_tap(check)
        bus.register_event_handler(Event, check)
        bus.register_event_handler(Event, check_later)
        for number in range(12):
            await bus.publish(Said(number=number))
        await bus.wait_idle()
        assert all(checks)
        stats = bus.stats()
        assert stats.total.failed == 4
        assert stats.total.delivered == stats.total.deliveries - 4
        assert EventHandlerFailedEvent("", "", "", 1, None).event_id == ""  # type: ignore[arg-type]


async def test_a_generic_command_is_handled_under_its_origin() -> None:
    @attrs.frozen
    class Wrapped(Command[Any]):
        value: Any = None

    async def unwrap(command: Wrapped) -> Any:
        return command.value

    async with running() as bus:
        bus.register_command_handler(Wrapped, unwrap)
        assert await bus.execute(Wrapped(5)) == 5


# ── streams that fail at their edges ─────────────────────────────────────────────────────────────────────────────────


async def test_a_stream_whose_handler_cannot_be_called_leaves_nothing_open() -> None:
    async def wrong(command: Count, more: int) -> AsyncGenerator[int, None]:
        yield more

    async with running() as bus:
        told = Recorder()
        bus.add_tap(lambda e: told.note(e) if isinstance(e, CommandResultEvent) else None)
        bus.register_command_handler(Count, wrong)  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="more"):
            async with bus.stream(Count()):
                raise AssertionError("never reached")
        assert not bus._engine.answering.streams
        assert [e.outcome for e in told.seen] == [Outcome.ERROR]


async def test_what_a_generator_raises_after_its_reader_left_is_logged_and_told(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def torn(command: Count) -> AsyncGenerator[int, None]:
        try:
            while True:
                yield 1
        finally:
            raise ValueError("could not clean up")

    async with running() as bus:
        told = Recorder()
        bus.add_tap(lambda e: told.note(e) if isinstance(e, CommandResultEvent) else None)
        bus.register_command_handler(Count, torn)
        async with bus.stream(Count()) as items:
            async for _ in items:
                break
        assert [(e.outcome, e.error.message) for e in told.seen] == [(Outcome.ERROR, "could not clean up")]
        assert "failed after its reader had left" in caplog.text


# ── middleware that takes its time, or liberties ─────────────────────────────────────────────────────────────────────


async def test_a_timeout_covers_what_middleware_takes() -> None:
    async def hang(message: Message, call_next: Callable[[Message], Awaitable[Any]]) -> Any:
        await anyio.sleep_forever()

    async with running() as bus:
        bus.register_command_handler(Ask, answer)
        bus.add_middleware(hang)
        with pytest.raises(TimeoutError, match="Ask was not answered in time"):
            await bus.execute(Ask(), timeout=0.01)


async def test_a_stop_answers_whoever_waits_for_middleware() -> None:
    gate = Gate()

    async def hang(message: Message, call_next: Callable[[Message], Awaitable[Any]]) -> Any:
        await gate(message)

    bus = MessageBus()
    await bus.start()
    bus.register_command_handler(Ask, answer)
    bus.add_middleware(hang)
    async with in_background(bus.execute, Ask()) as errors:
        await gate.entered.wait()
        report = await bus.stop(drain=0.01)
    assert [type(e) for e in errors] == [BusClosedError]
    assert report.cancelled == 1


async def test_middleware_may_ask_for_idleness_and_for_the_end_of_its_bus() -> None:
    async def pause(message: Message, call_next: Callable[[Message], Awaitable[Any]]) -> Any:
        await bus.wait_idle()
        await bus.stop()
        return await call_next(message)

    async with running() as bus:
        bus.register_command_handler(Ask, answer)
        bus.add_middleware(pause)
        assert await bus.execute(Ask("x")) == "answer to x"


async def test_middleware_sees_that_a_handlers_own_time_is_up_and_may_try_again() -> None:
    calls: list[Any] = []

    async def handle(command: Ask) -> str:
        calls.append(command)
        if len(calls) == 1:
            await anyio.sleep_forever()
        return "at last"

    async def again(message: Message, call_next: Callable[[Message], Awaitable[Any]]) -> Any:
        try:
            return await call_next(message)
        except TimeoutError:
            return await call_next(message)

    async with running() as bus:
        bus.register_command_handler(Ask, handle, timeout=0.01)
        bus.add_middleware(again)
        assert await bus.execute(Ask(), timeout=5) == "at last"


async def test_middleware_passes_an_event_on_once() -> None:
    async def twice(message: Message, call_next: Callable[[Message], Awaitable[Any]]) -> Any:
        await call_next(message)
        await call_next(message)

    async with running() as bus:
        bus.add_middleware(twice)
        before = bus.stats()
        with pytest.raises(RuntimeError, match="Said on twice"):
            await bus.publish(Said())
        after = bus.stats()
        assert (after.accepted - before.accepted, after.refused - before.refused) == (1, 0)


async def test_only_what_a_partial_wraps_gives_a_handler_its_name_and_kind() -> None:
    def noted(event: Said) -> None:
        pass

    class Note:
        func = answer  # whatever it means here, it is not what runs

        def __call__(self, event: Said) -> None:
            pass

    async with running() as bus:
        assert "Note" in bus.register_event_handler(Said, Note()).name
        assert not cast("Any", bus.register_event_handler(Said, Note())).suspends
        assert "noted" in bus.register_event_handler(Said, functools.partial(noted)).name


async def test_what_a_middleware_passes_on_in_an_events_place_belongs_to_the_same_session() -> None:
    """`attrs.evolve` makes a message with a header of its own; the session's handlers get it all the same."""

    async def louder(message: Message, call_next: Callable[[Message], Awaitable[Any]]) -> Any:
        return await call_next(attrs.evolve(message, text=f"{message.text}!") if isinstance(message, Said) else message)

    async with running() as bus:
        bus.add_middleware(louder)
        async with bus.session("s") as session:
            seen = Recorder()
            session.register_event_handler(Said, seen)
            await bus.publish(Said("hey", session_id="s"))
            await session.publish(Said("you"))
            await seen.wait_for(2)
    assert [(e.text, e.session_id) for e in seen.seen] == [("hey!", "s"), ("you!", "s")]


# ── idleness ─────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_two_handlers_of_one_event_that_wait_for_idleness_do_not_wait_for_each_other() -> None:
    async with running() as bus:
        rested = Recorder()

        async def rest(event: Said) -> None:
            await bus.wait_idle()
            await rested(event)

        for _ in range(2):
            bus.register_event_handler(Said, rest, timeout=5)
        await bus.publish(Said())
        await rested.wait_for(2)
        await bus.wait_idle()
        assert bus.stats().total.failed == 0


async def test_a_stream_is_waited_for_unless_it_waits_for_its_reader() -> None:
    gate = Gate()

    async def count(command: Count) -> AsyncGenerator[int, None]:
        await bus.wait_idle()  # of its own command, it does not wait
        await gate(command)
        while True:
            yield 1

    async with running() as bus:
        bus.register_command_handler(Count, count)
        async with bus.stream(Count()):
            await gate.entered.wait()
            with pytest.raises(TimeoutError):
                await bus.wait_idle(timeout=0)
            gate.open.set()
            await bus.wait_idle()


async def test_what_the_bus_says_of_itself_counts_as_emitted_and_not_as_accepted() -> None:
    """Nobody called `publish`."""
    async with running() as bus:
        heard = Recorder()
        for kind in (CommandStartedEvent, CommandResultEvent, EventHandlerStartEvent, EventHandlerResultEvent):
            bus.register_event_handler(kind, heard)
        bus.register_event_handler(Said, lambda event: None)
        bus.register_command_handler(Ask, answer)
        await bus.publish(Said())
        await bus.execute(Ask())
        await bus.wait_idle()
        assert (bus.stats().accepted, bus.stats().emitted, len(heard.seen)) == (1, 4, 4)


async def test_a_deadline_stays_as_it_was_given_where_no_timeout_is() -> None:
    """It is read from the clock once, by whoever set it."""
    async with running() as bus:
        seen: list[Ask] = []

        async def note(ask: Ask) -> str:
            seen.append(ask)
            return "noted"

        bus.register_command_handler(Ask, note)
        deadline = datetime.now(UTC) + timedelta(seconds=60)
        await bus.execute(Ask(deadline=deadline))
        assert seen[0].deadline == deadline


async def test_a_scheduled_event_that_a_middleware_fails_on_is_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    """Nobody waits for it, and the bus goes on."""

    async def fail(message: Any, call_next: Callable[[Any], Awaitable[Any]]) -> Any:
        raise ValueError("not this one")

    async with running() as bus:
        bus.add_middleware(fail)
        bus.schedule(Said(), delay=0)
        with anyio.fail_after(5):
            while not bus.stats().refused:
                await anyio.wait_all_tasks_blocked()
        await anyio.wait_all_tasks_blocked()
    assert "was due and could not be published" in caplog.text
