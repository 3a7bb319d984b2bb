"""What goes wrong in other buses, done to ours: each test is a fault that was met in one of them."""

import contextvars
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from llmgine_core import (
    BusClosedError,
    CommandResultEvent,
    CommandStartedEvent,
    Event,
    EventHandlerStartEvent,
    MessageBus,
    Outcome,
    Retry,
)
from tests.core.messages import Ask, Gate, Noted, Recorder, Said, Shouted, running


@pytest.mark.parametrize("capacity", [1, 1000])
async def test_publishing_inside_an_event_handler_does_not_deadlock(capacity: int) -> None:
    async with running(capacity=capacity) as bus:
        seen = Recorder()

        async def echo(event: Said) -> None:
            await bus.publish(Noted(event.text))

        bus.register_event_handler(Said, echo)
        bus.register_event_handler(Noted, seen)
        for number in range(20):
            await bus.publish(Said(str(number)))
        await seen.wait_for(20)


async def test_executing_and_publishing_and_opening_a_session_inside_one_another_does_not_deadlock() -> None:
    async with running(capacity=8) as bus:
        seen = Recorder()

        async def ask(command: Ask) -> str:
            async with bus.session() as session:
                await session.publish(Noted("inside"))
            return "answered"

        async def on_said(event: Said) -> None:
            async with bus.session() as session:
                assert await session.execute(Ask()) == "answered"
            seen.note(event)

        bus.register_command_handler(Ask, ask)
        bus.register_event_handler(Said, on_said)
        for _ in range(5):
            await bus.publish(Said())
        await seen.wait_for(5)


async def test_a_stop_with_a_thousand_queued_events_processes_them_all() -> None:
    bus, seen = MessageBus(), Recorder()
    bus.register_event_handler(Said, seen)
    await bus.start()
    for _ in range(1000):
        await bus.publish(Said())
    report = await bus.stop()
    assert len(seen.seen) == 1000
    assert (report.left, report.discarded) == (0, 0)


async def test_a_stop_that_cannot_finish_in_time_says_what_it_left() -> None:
    bus, gate = MessageBus(), Gate()
    bus.register_event_handler(Said, gate)
    await bus.start()
    for _ in range(1000):
        await bus.publish(Said())
    await gate.entered.wait()
    report = await bus.stop(drain=0)
    assert (report.left, report.discarded, report.cancelled) == (1000, 1000, 1)


async def test_publish_after_stop_is_refused_not_kept() -> None:
    bus, seen = MessageBus(), Recorder()
    bus.register_event_handler(Said, seen)
    async with bus:
        pass
    with pytest.raises(BusClosedError):
        await bus.publish(Said())
    async with bus:
        await bus.wait_idle()
    assert seen.seen == []


async def test_a_handler_of_one_session_that_waits_does_not_delay_another_session() -> None:
    async with running() as bus, bus.session() as a, bus.session() as b:
        gate, seen = Gate(), Recorder()
        a.register_event_handler(Said, gate)
        b.register_event_handler(Said, seen)
        await a.publish(Said())
        await gate.entered.wait()
        await b.publish(Said())
        await seen.wait_for(1)
        assert not gate.left.is_set()
        gate.open.set()


async def test_a_subscription_to_a_base_type_receives_its_subclasses() -> None:
    async with running() as bus:
        base, everything = Recorder(), Recorder()
        bus.register_event_handler(Said, base.note)
        bus.register_event_handler(Event, everything.note, where=lambda e: isinstance(e, Said))
        await bus.publish(Shouted())
        await bus.wait_idle()
        assert (len(base.seen), len(everything.seen)) == (1, 1)


async def test_context_variables_reach_handlers_also_sync_ones_and_those_in_threads() -> None:
    tenant: contextvars.ContextVar[str] = contextvars.ContextVar("tenant")
    seen: list[str] = []

    async def look(event: Said) -> None:
        seen.append(tenant.get())

    async with running() as bus:
        bus.register_event_handler(Said, look)
        bus.register_event_handler(Said, lambda event: seen.append(tenant.get()))
        bus.register_event_handler(Said, lambda event: seen.append(tenant.get()), in_thread=True)
        tenant.set("acme")
        await bus.publish(Said())
        await bus.wait_idle()
    assert seen == ["acme"] * 3


async def test_cancelling_execute_does_not_leave_its_handler_running() -> None:
    async with running() as bus:
        gate = Gate()
        bus.register_command_handler(Ask, gate)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(bus.execute, Ask())
            await gate.entered.wait()
            tasks.cancel_scope.cancel()
        assert gate.cancelled
        await bus.wait_idle(timeout=5)


@pytest.mark.parametrize("how", ["answer", "error", "timeout", "cancel", "stop"])
async def test_every_command_that_started_ends_exactly_once(how: str) -> None:
    bus, gate = MessageBus(), Gate()
    told: list[Event] = []
    bus.add_tap(told.append)

    async def handle(command: Ask) -> str:
        if how == "error":
            raise ValueError("bad")
        return "answer" if how == "answer" else await gate(command)

    bus.register_command_handler(Ask, handle)
    await bus.start()

    async def ask() -> None:
        try:
            await bus.execute(Ask(), timeout=0 if how == "timeout" else None)
        except (ValueError, TimeoutError, BusClosedError):
            return

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(ask)
        if how in ("cancel", "stop"):
            await gate.entered.wait()
        if how == "cancel":
            tasks.cancel_scope.cancel()
        if how == "stop":
            await bus.stop(drain=0)
    await bus.stop()
    started = [e for e in told if isinstance(e, CommandStartedEvent)]
    ended = [e for e in told if isinstance(e, CommandResultEvent)]
    assert [e.command_id for e in started] == [e.command_id for e in ended]
    assert len(ended) == 1
    expected = {"answer": Outcome.OK, "error": Outcome.ERROR, "timeout": Outcome.TIMEOUT}
    assert ended[0].outcome is expected.get(how, Outcome.CANCELLED)


async def test_retries_emit_one_start_not_one_for_each_attempt() -> None:
    async with running() as bus:
        started: list[Event] = []
        bus.add_tap(lambda e: started.append(e) if isinstance(e, EventHandlerStartEvent) else None)

        async def fail(event: Said) -> None:
            raise ValueError("again")

        bus.register_event_handler(Said, fail, retry=Retry(attempts=4, delay=0))
        await bus.publish(Said())
        await bus.wait_idle()
        assert len(started) == 1


async def test_new_publishers_do_not_starve_those_that_wait() -> None:
    async with running(capacity=1) as bus:
        gate, order = Gate(), list[str]()

        async def publish(name: str) -> None:
            await bus.publish(Said(name))
            order.append(name)

        bus.register_event_handler(Said, gate)
        await publish("running")
        await gate.entered.wait()
        await publish("queued")
        async with anyio.create_task_group() as tasks:
            for name in ("first", "second", "third"):
                tasks.start_soon(publish, name)
                await anyio.wait_all_tasks_blocked()
            gate.open.set()
            tasks.start_soon(publish, "late")
        assert order == ["running", "queued", "first", "second", "third", "late"]


async def test_a_middleware_that_opens_a_context_around_publish_does_not_break_the_loop() -> None:
    async def scoped(message: Any, call_next: Callable[[Any], Awaitable[Any]]) -> Any:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(anyio.lowlevel.checkpoint)
            return await call_next(message)

    async with running() as bus:
        seen = Recorder()
        bus.add_middleware(scoped)
        bus.register_event_handler(Said, seen)
        await bus.publish(Said())
        await seen.wait_for(1)
