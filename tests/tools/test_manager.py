"""Tools are registered and called; however a call ends, there is one result and one event."""

import asyncio
import json
import sys
import threading
from collections.abc import Callable
from contextvars import ContextVar
from functools import partial
from types import SimpleNamespace
from typing import Any, cast

import anyio
import anyio.from_thread
import anyio.lowlevel
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmgine_core import (
    Approval,
    ApproveToolCall,
    BusSession,
    Event,
    MessageBus,
    Outcome,
    SessionClosedError,
    ToolCall,
    ToolContext,
    ToolExecuteResultEvent,
    ToolExecuteStartEvent,
    ToolFailure,
    ToolOutcome,
    ToolResult,
    current_message,
)
from llmgine_tools import ToolManager, ToolSettings


def get_time(city: str) -> str:
    """The local time in a city.

    Args:
        city: Its English name.
    """
    return {"Tokyo": "21:04"}.get(city, "unknown")


@pytest.fixture
def manager(session: BusSession) -> ToolManager:
    return ToolManager(session)


async def run(manager: ToolManager, function: Callable[..., Any], arguments: str = "{}", **options: Any) -> ToolResult:
    """Register a function as `probe` and call it."""
    manager.register_tool(function, name="probe", **options)
    return await manager.execute_tool_call(ToolCall("1", "probe", arguments))


def ends(events: list[Event]) -> list[ToolExecuteResultEvent]:
    return [event for event in events if isinstance(event, ToolExecuteResultEvent)]


# ── how calls end ────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("kind", ["plain", "coroutine", "coroutine in disguise"])
async def test_a_call_that_works_is_ok(manager: ToolManager, kind: str) -> None:
    async def coroutine(n: int) -> dict[str, int]:
        await anyio.lowlevel.checkpoint()
        return {"n": n}

    def plain(n: int) -> dict[str, int]:
        return {"n": n}

    def disguised(n: int) -> Any:
        return coroutine(n)

    function: Any = {"plain": plain, "coroutine": coroutine}.get(kind, disguised)
    assert await run(manager, function, '{"n": 4}') == ToolResult("1", "probe", '{"n": 4}', ToolOutcome.OK)


class OddError(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no words")


@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.parametrize(
    "error",
    [
        ValueError("bad city"),
        SystemExit(3),
        KeyboardInterrupt(),
        StopIteration(),
        GeneratorExit(),
        asyncio.CancelledError(),
        TimeoutError(),
        RecursionError(),
        ExceptionGroup("several", [ValueError("one")]),
        OddError(),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_nothing_that_a_tool_raises_gets_out(
    manager: ToolManager, events: list[Event], error: BaseException, is_async: bool
) -> None:
    def plain() -> None:
        raise error

    async def coroutine() -> None:
        raise error

    result = await run(manager, coroutine if is_async else plain)
    assert result.outcome is ToolOutcome.ERROR
    assert result.content.startswith("probe failed: ")
    (end,) = ends(events)
    assert end.error is not None
    assert end.error.message in ("bad city", "3") or end.error.type != "ValueError"


async def test_a_failure_that_a_tool_words_reaches_the_model_as_it_is(manager: ToolManager) -> None:
    def probe() -> None:
        raise ToolFailure("no such city; try Tokyo")

    assert await run(manager, probe) == ToolResult("1", "probe", "no such city; try Tokyo", ToolOutcome.ERROR)


@pytest.mark.parametrize("anyio_backend", ["asyncio"])  # which alone lets a task be cancelled from anywhere
async def test_a_tool_that_cancels_the_task_it_runs_in_cancels_only_itself(manager: ToolManager) -> None:
    async def probe() -> None:
        cast("asyncio.Task[Any]", asyncio.current_task()).cancel()
        await anyio.sleep_forever()

    assert (await run(manager, probe)).outcome is ToolOutcome.ERROR


async def test_a_huge_result_is_cut(manager: ToolManager) -> None:
    result = await run(manager, lambda: "x" * 20_000_000)
    assert len(result.content) < 100_100
    assert "cut" in result.content


@pytest.mark.parametrize("is_async", [False, True])
async def test_a_result_that_contains_itself_is_an_error(manager: ToolManager, is_async: bool) -> None:
    circle: list[Any] = []
    circle.append(circle)

    async def coroutine() -> list[Any]:
        return circle

    result = await run(manager, coroutine if is_async else lambda: circle)
    assert result.outcome is ToolOutcome.ERROR


async def test_a_tool_that_does_not_exist_is_answered_with_those_that_do(
    manager: ToolManager, events: list[Event]
) -> None:
    manager.register_tool(get_time)
    result = await manager.execute_tool_call(ToolCall("1", "get_tim", "{}"))
    assert result.outcome is ToolOutcome.NOT_FOUND
    assert result.content == "there is no tool 'get_tim'; available: get_time; did you mean get_time?"
    assert len(ends(events)) == 1


async def test_arguments_that_do_not_fit_are_answered_with_every_fault(
    manager: ToolManager, events: list[Event]
) -> None:
    def probe(city: str, days: int) -> str:
        raise AssertionError("must not be called")

    result = await run(manager, probe, '{"cit": "Tokyo", "days": 2.5}')
    assert result.outcome is ToolOutcome.INVALID_ARGUMENTS
    for fault in (
        'missing "city"',
        "unknown key 'cit'; did you mean \"city\"?",
        "expected an integer, got 2.5 @ $.days",
    ):
        assert fault in result.content
    assert len(ends(events)) == 1


@given(text=st.text() | st.sampled_from(["[" * 100_000, '{"city": NaN}', "\ud800", '{"city": "\\ud800"}']))
async def test_no_arguments_make_a_call_fail_otherwise(text: str) -> None:
    async with MessageBus() as bus, bus.session() as session:
        result = await run(ToolManager(session), get_time, text)
    assert result.outcome in (ToolOutcome.OK, ToolOutcome.INVALID_ARGUMENTS)


async def test_a_coroutine_is_stopped_at_its_deadline(manager: ToolManager, events: list[Event]) -> None:
    with anyio.fail_after(5):
        result = await run(manager, anyio.sleep_forever, timeout=0.01)
    assert result == ToolResult("1", "probe", "probe did not finish within 0.01 s", ToolOutcome.TIMEOUT)
    assert ends(events)[0].outcome is Outcome.TIMEOUT


async def test_a_thread_is_left_behind_at_its_deadline(manager: ToolManager) -> None:
    released = threading.Event()
    try:
        with anyio.fail_after(5):
            result = await run(manager, lambda: released.wait(10), timeout=0.01)
        assert result.outcome is ToolOutcome.TIMEOUT
    finally:
        released.set()


async def test_the_settings_say_how_long_a_tool_may_take_that_does_not(session: BusSession) -> None:
    manager = ToolManager(session, settings=ToolSettings(default_timeout=0.01))
    with anyio.fail_after(5):
        assert (await run(manager, anyio.sleep_forever)).outcome is ToolOutcome.TIMEOUT


async def test_a_failure_while_being_stopped_is_still_a_timeout(manager: ToolManager) -> None:
    async def probe() -> None:
        try:
            await anyio.sleep_forever()
        finally:
            raise ValueError("while cleaning up")

    assert (await run(manager, probe, timeout=0.01)).outcome is ToolOutcome.TIMEOUT


async def test_past_too_many_threads_left_behind_plain_functions_are_refused(session: BusSession) -> None:
    manager = ToolManager(session, settings=ToolSettings(max_abandoned=1))
    released = threading.Event()
    try:
        await run(manager, lambda: released.wait(10), timeout=0.01)
        result = await manager.execute_tool_call(ToolCall("2", "probe"))
        assert result.outcome is ToolOutcome.ERROR
        assert "1 earlier calls that timed out are still running" in result.content
    finally:
        released.set()


# ── cancellation of the caller ───────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("is_async", [False, True])
async def test_a_cancelled_call_is_told_as_cancelled_and_the_cancellation_goes_on(
    manager: ToolManager, events: list[Event], is_async: bool
) -> None:
    released, running = threading.Event(), anyio.Event()

    def plain() -> None:
        anyio.from_thread.run_sync(running.set)
        released.wait(10)

    async def coroutine() -> None:
        running.set()
        await anyio.sleep_forever()

    reached = False
    try:
        with anyio.fail_after(5):
            async with anyio.create_task_group() as tasks:

                async def caller() -> None:
                    nonlocal reached
                    await run(manager, coroutine if is_async else plain)
                    reached = True

                tasks.start_soon(caller)
                await running.wait()
                tasks.cancel_scope.cancel()
    finally:
        released.set()
    assert not reached
    (end,) = ends(events)
    assert end.outcome is Outcome.CANCELLED
    assert end.result.outcome is ToolOutcome.CANCELLED


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_cancellation_in_the_manner_of_asyncio_goes_on_too(manager: ToolManager, events: list[Event]) -> None:
    running = anyio.Event()

    async def probe() -> None:
        running.set()
        await anyio.sleep_forever()

    task = asyncio.ensure_future(run(manager, probe))
    await running.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert [end.outcome for end in ends(events)] == [Outcome.CANCELLED]


async def test_a_cancellation_while_approval_is_awaited_is_no_denial(
    manager: ToolManager, session: BusSession, events: list[Event]
) -> None:
    asked = anyio.Event()

    async def decide(_: ApproveToolCall) -> Approval:
        asked.set()
        await anyio.sleep_forever()
        raise AssertionError

    session.register_command_handler(ApproveToolCall, decide)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(partial(run, manager, get_time, '{"city": ""}', requires_approval=True))
        await asked.wait()
        tasks.cancel_scope.cancel()
    assert [end.result.outcome for end in ends(events)] == [ToolOutcome.CANCELLED]


# ── events and context ───────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_call_begins_and_ends_with_one_event_each_at_one_place(
    manager: ToolManager, events: list[Event]
) -> None:
    result = await run(manager, get_time, '{"city": "Tokyo"}')
    start, end = [e for e in events if isinstance(e, (ToolExecuteStartEvent, ToolExecuteResultEvent))]
    assert isinstance(start, ToolExecuteStartEvent)
    assert isinstance(end, ToolExecuteResultEvent)
    assert end.start_id == start.id
    assert start.description == manager.definitions()[0].description != ""
    assert (end.call, end.result, end.outcome, end.error) == (start.call, result, Outcome.OK, None)
    assert end.duration > 0
    assert end.session_id == start.session_id == "chat-1"
    assert (end.correlation_id, end.causation_id) == (start.correlation_id, start.causation_id)


@pytest.mark.parametrize("is_async", [False, True])
async def test_what_a_tool_sends_names_the_call_as_its_cause(
    manager: ToolManager, events: list[Event], is_async: bool
) -> None:
    causes: list[Any] = []

    def plain() -> None:
        causes.append(current_message())

    async def coroutine() -> None:
        plain()

    await run(manager, coroutine if is_async else plain)
    assert isinstance(causes[0], ToolExecuteStartEvent)
    assert current_message() is None


colour: ContextVar[str] = ContextVar("colour")


@pytest.mark.parametrize("is_async", [False, True])
async def test_a_tool_sees_its_callers_context_and_changes_only_a_copy(manager: ToolManager, is_async: bool) -> None:
    def plain() -> str:
        before = colour.get()
        colour.set("blue")
        return before

    async def coroutine() -> str:
        return plain()

    colour.set("red")
    assert (await run(manager, coroutine if is_async else plain)).content == "red"
    assert colour.get() == "red"


async def test_a_tool_learns_of_its_session_call_and_application(bus: MessageBus) -> None:
    async with bus.session("chat-2") as session:
        app = SimpleNamespace(state="the state")
        wrapped: Any = SimpleNamespace(publish=session.publish, execute=session.execute, app=app)
        seen: list[ToolContext] = []

        def probe(context: ToolContext) -> None:
            seen.append(context)

        await run(ToolManager(wrapped), probe)
        assert seen == [ToolContext(wrapped, ToolCall("1", "probe"), cast("Any", app), "the state")]


async def test_a_session_without_an_application_gives_none(manager: ToolManager, session: BusSession) -> None:
    async def probe(context: ToolContext) -> list[Any]:
        return [context.session is session, context.app, context.state]

    assert json.loads((await run(manager, probe)).content) == [True, None, None]


async def test_a_call_in_a_session_that_has_ended_is_not_begun(bus: MessageBus) -> None:
    async with bus.session() as session:
        manager = ToolManager(session)
    with pytest.raises(SessionClosedError):
        await run(manager, sys.exit)


async def test_a_result_is_not_lost_with_its_event(caplog: pytest.LogCaptureFixture, bus: MessageBus) -> None:
    published: list[Event] = []

    async def publish(event: Event) -> None:
        if published:
            raise SessionClosedError("s")
        published.append(event)

    session: Any = SimpleNamespace(publish=publish)
    assert (await run(ToolManager(session), lambda: "done")).content == "done"
    assert "could not be published" in caplog.text


# ── several calls ────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("is_async", [False, True])
async def test_several_calls_run_in_parallel_and_keep_their_order(manager: ToolManager, is_async: bool) -> None:
    barrier, reached, all_there = threading.Barrier(3), 0, anyio.Event()

    def plain(n: int) -> int:
        barrier.wait(10)
        return n

    async def coroutine(n: int) -> int:
        nonlocal reached
        reached += 1
        if reached == 3:
            all_there.set()
        await all_there.wait()
        return n

    manager.register_tool(coroutine if is_async else plain, name="probe")
    with anyio.fail_after(10):
        results = await manager.execute_tool_calls([ToolCall(f"{n}", "probe", f'{{"n": {n}}}') for n in range(3)])
    assert [(result.call_id, result.content) for result in results] == [("0", "0"), ("1", "1"), ("2", "2")]


async def test_calls_that_fail_do_not_touch_the_others(manager: ToolManager) -> None:
    manager.register_tool(get_time)
    calls = [ToolCall("1", "nothing"), ToolCall("2", "get_time", '{"city": "Tokyo"}'), ToolCall("3", "get_time")]
    results = await manager.execute_tool_calls(calls)
    assert [result.outcome.value for result in results] == ["not_found", "ok", "invalid_arguments"]


async def test_no_calls_have_no_results(manager: ToolManager) -> None:
    assert await manager.execute_tool_calls([]) == ()


async def test_an_error_of_the_bus_is_raised_as_itself(bus: MessageBus) -> None:
    async with bus.session() as session:
        manager = ToolManager(session)
    with pytest.raises(SessionClosedError):
        await manager.execute_tool_calls([ToolCall("1", "probe"), ToolCall("2", "probe")])


async def test_a_plain_function_without_a_place_waits_for_one_within_its_deadline(session: BusSession) -> None:
    manager = ToolManager(session, settings=ToolSettings(max_threads=1))
    released = threading.Event()
    manager.register_tool(lambda: released.wait(10), name="slow", timeout=5)
    manager.register_tool(lambda: "done", name="quick", timeout=0.01)
    async with anyio.create_task_group() as tasks:
        try:
            tasks.start_soon(manager.execute_tool_call, ToolCall("1", "slow"))
            await anyio.wait_all_tasks_blocked()
            result = await manager.execute_tool_call(ToolCall("2", "quick"))
            assert result.outcome is ToolOutcome.TIMEOUT
        finally:
            released.set()
