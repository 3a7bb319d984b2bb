"""Several buses that share a transport: what crosses it, what stays, and what becomes of its faults."""

from __future__ import annotations

import contextvars
import gc
import logging
import weakref
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import anyio
import attrs
import pytest

from llmgine_core import (
    BusClosedError,
    Command,
    CommandStartedEvent,
    DuplicateHandlerError,
    Event,
    HandlerNotFoundError,
    InMemoryTransport,
    MessageBus,
    QueueFullError,
    RemoteHandlerError,
    Retry,
    SerializationError,
    SessionClosedError,
    SessionEndEvent,
    SessionStartEvent,
    TransportCapabilities,
    _link,
    handling,
)
from llmgine_core.abc import Endpoint
from llmgine_core.testing import LoopbackTransport
from tests.core.messages import Ask, Count, Gate, Noted, Recorder, Said, answer, numbers

pytestmark = pytest.mark.anyio


@attrs.frozen
class Opaque(Event):
    thing: Any = None


@attrs.frozen
class Odd(Command[int]):
    fault: str = ""


class StrangeError(Exception):
    """An error that only the process which raises it knows."""


class Listener(Recorder):
    """An event handler that gives what it saw."""

    async def saw(self, count: int) -> list[Any]:
        await self.wait_for(count)
        return self.seen


async def buses(stack: AsyncExitStack, hub: LoopbackTransport, count: int = 2, **options: Any) -> list[MessageBus]:
    """So many started buses that meet at the hub."""
    return [await stack.enter_async_context(MessageBus(transport=hub.connect(), **options)) for _ in range(count)]


async def collect(bus: MessageBus, count: Count) -> list[int]:
    async with bus.stream(count) as items:
        return [item async for item in items]


# ── events ───────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_an_event_reaches_the_handlers_of_every_bus_once() -> None:
    """The other buses get a copy with the same header; the publisher's own gets the event itself."""
    async with AsyncExitStack() as stack:
        near, far, third = await buses(stack, LoopbackTransport(), 3)
        listeners = [Listener() for _ in range(3)]
        for bus, listener in zip((near, far, third), listeners, strict=True):
            bus.register_event_handler(Event, listener, where=lambda event: isinstance(event, (Said, Noted)))
        event = Noted("hello", session_id="s", metadata={"k": [1]})
        await near.publish(event)
        for listener in listeners:
            await listener.saw(1)
        await near.publish(Said("last"))
        for listener in listeners:
            first, last = await listener.saw(2)
            assert (first, last) == (event, Said("last"))
            assert (first.id, first.session_id, first.correlation_id) == (event.id, "s", event.correlation_id)
            assert dict(first.metadata) == {"k": [1]}
        assert listeners[0].seen[0] is event
        assert listeners[1].seen[0] is not event
        assert (near.stats().accepted, near.stats().received) == (2, 0)
        assert (far.stats().accepted, far.stats().received) == (0, 2)


async def test_the_header_travels_and_context_variables_do_not() -> None:
    """What a remote handler sends has its cause in the publisher's process; it sees none of its variables."""
    variable = contextvars.ContextVar("variable", default="unset")
    seen: dict[str, str] = {}
    async with AsyncExitStack() as stack:
        near, far = await buses(stack, LoopbackTransport())
        answers = Listener()
        near.register_event_handler(Noted, answers)
        near.register_event_handler(Said, lambda _: seen.__setitem__("near", variable.get()))

        async def pass_on(event: Said) -> None:
            seen["far"] = variable.get()
            await far.publish(Noted("answer"))

        far.register_event_handler(Said, pass_on)
        variable.set("mine")
        said = Said("question", session_id="s")
        await near.publish(said)
        (heard,) = await answers.saw(1)
    assert (heard.causation_id, heard.correlation_id, heard.session_id) == (said.id, said.id, "s")
    assert seen == {"near": "mine", "far": "unset"}


async def test_what_comes_does_not_have_the_cause_of_the_buss_own_start() -> None:
    """A handler may start a bus for its own ends; the messages of others have nothing to do with it."""
    hub, events = LoopbackTransport(), Listener()
    async with AsyncExitStack() as stack:
        (near,) = await buses(stack, hub, 1)
        with handling(Ask(session_id="starter's")):
            (far,) = await buses(stack, hub, 1)
        commands: list[Ask] = []

        async def keep(command: Ask) -> str:
            commands.append(command)
            return ""

        far.register_event_handler(Said, events)
        far.register_command_handler(Ask, keep)
        await near.publish(Said())
        await near.execute(Ask())
        for message in (*await events.saw(1), *commands):
            assert (message.session_id, message.causation_id, message.correlation_id) == (None, None, message.id)


async def test_what_others_publish_for_a_session_meets_its_handlers_where_it_is_open() -> None:
    """A session exists in one process; events for it come home by its id."""
    async with AsyncExitStack() as stack:
        near, far = await buses(stack, LoopbackTransport())
        mine, others = Listener(), Listener()
        async with near.session("chat") as session, near.session("other") as other:
            session.register_event_handler(Said, mine)
            other.register_event_handler(Said, others)
            await far.publish(Said("for you", session_id="chat"))
            await mine.saw(1)
        assert others.seen == []


async def test_taps_see_what_their_own_bus_accepts_and_expectations_what_comes() -> None:
    """One process records an event, however many handle it."""
    async with AsyncExitStack() as stack:
        near, far = await buses(stack, LoopbackTransport())
        tapped: list[Event] = []
        far.add_tap(tapped.append)
        expected = far.expect(Said, timeout=5)
        await near.publish(Said("from afar"))
        assert (await expected).text == "from afar"
        await far.publish(Noted("from here"))
        assert tapped == [Noted("from here")]


async def test_what_the_runtime_says_of_itself_stays_in_its_process() -> None:
    """Lifecycle events of one bus would be noise, or doubles, on the others."""
    async with AsyncExitStack() as stack:
        near, far = await buses(stack, LoopbackTransport())
        here, there = Listener(), Listener()
        for event_type in (SessionStartEvent, SessionEndEvent, Said):
            near.register_event_handler(event_type, here)
            far.register_event_handler(event_type, there)
        async with near.session("s"):
            pass
        await near.publish(Said("end"))
        assert await there.saw(1) == [Said("end")]
        assert [type(event) for event in await here.saw(3)] == [SessionStartEvent, SessionEndEvent, Said]


async def test_an_event_that_comes_twice_is_handled_once() -> None:
    """A broker delivers at least once; ids make it once, and what was let go has a number."""
    hub = LoopbackTransport()
    async with AsyncExitStack() as stack:
        near, far = await buses(stack, hub)
        each, one = Listener(), Listener()
        far.register_event_handler(Said, each)
        far.register_event_handler(Said, one, group="one")
        hub.duplicate(3)
        for number in range(10):
            await near.publish(Said(number=number))
        hub.duplicate(1)
        await near.publish(Said("last"))
        await each.saw(11)
        await one.saw(11)
        await far.wait_idle(timeout=5)
        assert [e.number for e in each.seen] == [e.number for e in one.seen] == [*range(10), 0]
        assert far.stats().deduplicated == 40
        assert far.stats().received == 11
    with pytest.raises(ValueError, match="at least 1"):
        hub.duplicate(0)


async def test_a_paused_transport_keeps_what_comes() -> None:
    """Publishers go on, since the event is with the transport; nothing is lost."""
    hub = LoopbackTransport()
    async with AsyncExitStack() as stack:
        near, far = await buses(stack, hub)
        each, one = Listener(), Listener()
        far.register_event_handler(Said, each)
        far.register_event_handler(Said, one, group="one")
        far.register_command_handler(Ask, answer)
        hub.pause()
        for number in range(5):
            await near.publish(Said(number=number))
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_expect_answer, near)
            await anyio.wait_all_tasks_blocked()
            assert (each.seen, one.seen) == ([], [])
            hub.resume()
        assert [e.number for e in await each.saw(5)] == list(range(5))
        assert [e.number for e in await one.saw(5)] == list(range(5))


async def _expect_answer(bus: MessageBus) -> None:
    assert await bus.execute(Ask("well")) == "answer to well"


async def test_a_full_transport_holds_up_publishers_or_refuses_what_must_not_wait() -> None:
    """As the bus's own room does; a refused event reaches nobody."""
    hub = LoopbackTransport()
    async with AsyncExitStack() as stack:
        near, far = await buses(stack, hub)
        here, there = Listener(), Listener()
        near.register_event_handler(Said, here)
        far.register_event_handler(Said, there)
        refused: list[QueueFullError] = []

        async def pass_on(event: Noted) -> None:
            try:
                await near.publish(Said("below"))
            except QueueFullError as error:
                refused.append(error)

        near.register_event_handler(Noted, pass_on)
        hub.full = True
        near.emit(Noted("stays here"))
        await near.wait_idle()
        assert (len(refused), near.stats().refused) == (1, 1)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(near.publish, Said("waits"))
            await anyio.wait_all_tasks_blocked()
            assert here.seen == []
            hub.full = False
        await there.saw(1)
        assert [e.text for e in there.seen] == ["waits"]
        assert [e.text for e in here.seen] == ["waits"]


async def test_a_bus_that_never_waits_is_refused_by_a_full_transport() -> None:
    """Whoever asked for an error instead of waiting gets it, wherever there is no room."""
    hub = LoopbackTransport()
    async with AsyncExitStack() as stack:
        (bus,) = await buses(stack, hub, 1, overflow="raise")
        hub.full = True
        with pytest.raises(QueueFullError, match="transport"):
            await bus.publish(Said())
        assert (bus.stats().accepted, bus.stats().refused) == (0, 1)


async def test_an_event_that_cannot_be_written_is_refused_before_anybody_gets_it() -> None:
    """Also by handlers here, which could have taken it as it is."""
    async with AsyncExitStack() as stack:
        near, _ = await buses(stack, LoopbackTransport())
        here = Listener()
        near.register_event_handler(Opaque, here)
        with pytest.raises(SerializationError, match="object"):
            await near.publish(Opaque(object()))
        assert (here.seen, near.stats().refused, near.stats().total.deliveries) == ([], 1, 0)


async def test_an_event_that_cannot_be_read_is_let_go_and_harms_nobody(caplog: pytest.LogCaptureFixture) -> None:
    """Not even the bus that it comes to, nor the group whose lane it heads."""
    listeners = [Listener(), Listener()]
    async with AsyncExitStack() as stack:
        near, far = await buses(stack, LoopbackTransport())
        far.register_event_handler(Said, listeners[0])
        far.register_event_handler(Said, listeners[1], group="workers")
        await near.publish(Said(number=cast("Any", "no number")))
        await near.publish(Said(number=1))
        for listener in listeners:
            assert [event.number for event in await listener.saw(1)] == [1]
        assert far.stats().received == 1
    assert caplog.text.count("cannot be read") == 2


async def test_what_comes_waits_for_room_even_where_a_publisher_would_be_refused() -> None:
    """There is nobody to refuse it to; the transport holds back, and order is kept."""
    async with AsyncExitStack() as stack:
        hub = LoopbackTransport()
        (near,) = await buses(stack, hub, 1)
        (far,) = await buses(stack, hub, 1, capacity=1, overflow="raise")
        gate = Gate()
        far.register_event_handler(Said, gate)
        for number in range(6):
            await near.publish(Said(number=number))
        await gate.entered.wait()
        await anyio.wait_all_tasks_blocked()
        assert far.stats().total.pending <= 2
        gate.open.set()
        last = Listener()
        far.register_event_handler(Noted, last)
        await near.publish(Noted())
        await last.saw(1)
        await far.wait_idle(timeout=5)
        assert [e.number for e in gate.seen if type(e) is Said] == list(range(6))


async def test_an_event_that_is_too_late_for_others_expires_there() -> None:
    """Its time to live goes on while it travels."""
    hub = LoopbackTransport()
    async with AsyncExitStack() as stack:
        near, far = await buses(stack, hub)
        there, group = Listener(), Listener()
        far.register_event_handler(Said, there)
        far.register_event_handler(Said, group, group="g")
        hub.pause()
        await near.publish(Said("late"), ttl=0)
        hub.resume()
        await near.publish(Said("in time"), ttl=60)
        assert [e.text for e in await there.saw(1)] == ["in time"]
        assert [e.text for e in await group.saw(1)] == ["in time"]
        assert far.stats().total.expired == 2


# ── commands ─────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_command_is_answered_here_if_it_can_be_and_elsewhere_if_not() -> None:
    """The nearest handler is the cheapest; who has none asks the others."""

    async def elsewhere(_: Ask) -> str:
        return "elsewhere"

    async def here(_: Ask) -> str:
        return "here"

    async with AsyncExitStack() as stack:
        near, far = await buses(stack, LoopbackTransport())
        far.register_command_handler(Ask, elsewhere)
        assert await near.execute(Ask()) == "elsewhere"
        registration = near.register_command_handler(Ask, here)
        assert await near.execute(Ask()) == "here"
        registration.unregister()
        assert await near.execute(Ask(), timeout=5) == "elsewhere"
        assert (near.stats().executed, far.stats().executed) == (1, 2)


async def test_what_a_bus_handles_from_its_start_on_is_known_to_the_others() -> None:
    """Handlers and groups that were registered before the transport was open."""
    hub = LoopbackTransport()
    far, listener = MessageBus(transport=hub.connect()), Listener()
    far.register_command_handler(Ask, answer)
    far.register_event_handler(Said, listener, group="workers")
    async with MessageBus(transport=hub.connect()) as near, far:
        assert await near.execute(Ask("who"), timeout=5) == "answer to who"
        await near.publish(Said(number=1))
        assert [event.number for event in await listener.saw(1)] == [1]


async def test_a_command_that_nobody_answers_anywhere_names_near_misses() -> None:
    """The same error as without other buses."""
    async with AsyncExitStack() as stack:
        near, far = await buses(stack, LoopbackTransport())
        registration = far.register_command_handler(Ask, answer)
        registration.unregister()
        near.register_command_handler(Count, numbers)
        with pytest.raises(HandlerNotFoundError, match="Ask"):
            await near.execute(Ask())
        with pytest.raises(HandlerNotFoundError):
            await InMemoryTransport().request(Ask())
        with pytest.raises(HandlerNotFoundError):
            InMemoryTransport().request_stream(Count())


async def test_buses_that_answer_the_same_command_take_turns() -> None:
    """More processes share the work."""
    async with AsyncExitStack() as stack:
        near, *others = await buses(stack, LoopbackTransport(), 4)
        for other in others:
            other.register_command_handler(Ask, answer)
        for _ in range(6):
            await near.execute(Ask())
        assert [other.stats().executed for other in others] == [2, 2, 2]


@pytest.mark.parametrize(
    ("error", "wanted"),
    [
        (KeyError("key"), KeyError),
        (HandlerNotFoundError("Other"), HandlerNotFoundError),
        (TimeoutError("slow"), TimeoutError),
        (StrangeError("odd"), RemoteHandlerError),
        (StopAsyncIteration("over"), StopAsyncIteration),
        (SystemExit("leave"), RemoteHandlerError),
    ],
)
async def test_a_remote_handlers_error_arrives_as_what_it_was(error: BaseException, wanted: type[Exception]) -> None:
    """Builtins and llmgine's own keep their type; of another, its name and what it said. The handler's bus goes on."""

    async def fail(_: Odd) -> int:
        raise error

    async with AsyncExitStack() as stack:
        near, far = await buses(stack, LoopbackTransport())
        far.register_command_handler(Odd, fail)
        with pytest.raises(wanted) as caught:
            await near.execute(Odd())
        assert str(error) in str(caught.value)
        await far.publish(Said())


async def test_an_answer_that_cannot_be_written_is_an_error_of_the_caller() -> None:
    """Rather than a call that never returns."""

    async def wrong(_: Odd) -> int:
        return object()  # type: ignore[return-value]

    async with AsyncExitStack() as stack:
        near, far = await buses(stack, LoopbackTransport())
        far.register_command_handler(Odd, wrong)  # pyright: ignore[reportArgumentType]
        with pytest.raises(SerializationError):
            await near.execute(Odd())


async def test_cancelling_the_caller_cancels_the_handler_elsewhere() -> None:
    """A caller who is gone wants no answer."""
    async with AsyncExitStack() as stack:
        near, far = await buses(stack, LoopbackTransport())
        gate = Gate()
        far.register_command_handler(Ask, gate)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(near.execute, Ask())
            await gate.entered.wait()
            tasks.cancel_scope.cancel()
        await far.wait_idle(timeout=5)
        assert gate.cancelled


async def test_the_deadline_travels_with_the_command() -> None:
    """The handler's process gives up on its own, and the caller hears of it."""
    seen: list[datetime | None] = []

    async def slow(ask: Ask) -> str:
        seen.append(ask.deadline)
        await anyio.sleep_forever()
        return "never"

    async with AsyncExitStack() as stack:
        near, far = await buses(stack, LoopbackTransport())
        far.register_command_handler(Ask, slow)
        with pytest.raises(TimeoutError):
            await near.execute(Ask(), timeout=0.05)
        with pytest.raises(TimeoutError):
            await near.execute(Ask(deadline=datetime.now(UTC) + timedelta(seconds=0.05)))
        assert all(seen)


async def test_middleware_wraps_a_command_where_it_is_asked_only() -> None:
    """Where it is answered it has been through middleware already; the events about it are told there."""
    passed: list[str] = []

    def middleware(name: str) -> Any:
        async def wrap(message: Any, call_next: Any) -> Any:
            passed.append(name)
            return await call_next(message)

        return wrap

    async with AsyncExitStack() as stack:
        near, far = await buses(stack, LoopbackTransport())
        near.add_middleware(middleware("near"))
        far.add_middleware(middleware("far"))
        far.register_command_handler(Ask, answer)
        told_near, told_far = Listener(), Listener()
        near.register_event_handler(CommandStartedEvent, told_near)
        far.register_event_handler(CommandStartedEvent, told_far)
        await near.execute(Ask())
        await told_far.saw(1)
    assert (passed, told_near.seen) == (["near"], [])


async def test_a_command_of_a_session_meets_handlers_of_the_bus_elsewhere() -> None:
    """The session's own handlers are in its own process."""
    seen: list[str | None] = []

    async def note(ask: Ask) -> str:
        seen.append(ask.session_id)
        return "noted"

    async with AsyncExitStack() as stack:
        near, far = await buses(stack, LoopbackTransport())
        far.register_command_handler(Ask, note)
        async with near.session("s") as session:
            assert await session.execute(Ask()) == "noted"
    assert seen == ["s"]


async def test_whoever_waits_for_a_bus_that_stops_or_is_lost_gets_an_error() -> None:
    """Nobody waits for an answer that cannot come."""
    hub = LoopbackTransport()
    async with AsyncExitStack() as stack:
        (near,) = await buses(stack, hub, 1)
        for stops in (True, False):
            far = MessageBus(transport=hub.connect())
            await far.start()
            gate = Gate()
            far.register_command_handler(Ask, gate)
            errors: list[BaseException] = []

            async def ask(errors: list[BaseException] = errors) -> None:
                try:
                    await near.execute(Ask())
                except BusClosedError as error:
                    errors.append(error)

            async with anyio.create_task_group() as tasks:
                tasks.start_soon(ask)
                await gate.entered.wait()
                if stops:
                    await far.stop(drain=0)
                else:
                    hub.drop_consumer(far)
            assert len(errors) == 1
            with pytest.raises(HandlerNotFoundError):
                await near.execute(Ask())
            await far.stop(drain=0)


async def test_an_answer_can_be_streamed_from_elsewhere() -> None:
    """Item by item, in order, with the handler's error at the end if it has one."""

    async def failing(count: Count) -> AsyncGenerator[int]:
        yield count.upto
        raise KeyError("end")

    async with AsyncExitStack() as stack:
        near, far = await buses(stack, LoopbackTransport())
        registration = far.register_command_handler(Count, numbers)
        assert await collect(near, Count(100)) == list(range(100))
        registration.unregister()
        far.register_command_handler(Count, failing)
        with pytest.raises(KeyError, match="end"):
            await collect(near, Count(7))
        assert near.stats().executed == 0


async def test_leaving_a_remote_stream_early_runs_its_handlers_finally() -> None:
    """As for a stream of one's own."""
    ended = anyio.Event()

    async def endless(_: Count) -> AsyncGenerator[int]:
        try:
            while True:
                yield 1
        finally:
            ended.set()

    async with AsyncExitStack() as stack:
        near, far = await buses(stack, LoopbackTransport())
        far.register_command_handler(Count, endless)
        async with near.stream(Count()) as items:
            async for _ in items:
                break
        assert ended.is_set()
        await far.wait_idle(timeout=5)


async def test_a_stream_that_nobody_answers_is_an_error() -> None:
    """At the latest when it is read."""

    async with AsyncExitStack() as stack:
        near, _ = await buses(stack, LoopbackTransport())
        with pytest.raises(HandlerNotFoundError):
            await collect(near, Count())


# ── groups ───────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_one_member_of_a_group_gets_each_event_whichever_bus_it_is_on() -> None:
    """The books are kept where the member is; the publisher's bus counts it as matched."""
    async with AsyncExitStack() as stack:
        members = await buses(stack, LoopbackTransport(), 3)
        listeners = [Listener() for _ in members]
        for bus, listener in zip(members, listeners, strict=True):
            bus.register_event_handler(Said, listener, group="workers")
        for number in range(30):
            await members[0].publish(Said(number=number, session_id=str(number)))
        with anyio.fail_after(5):
            while sum(len(listener.seen) for listener in listeners) < 30:
                await anyio.wait_all_tasks_blocked()
        assert sorted(e.number for listener in listeners for e in listener.seen) == list(range(30))
        assert all(listener.seen for listener in listeners)
        for bus, listener in zip(members, listeners, strict=True):
            await bus.wait_idle(timeout=5)
            assert bus.stats().total.delivered == len(listener.seen)
            assert bus.stats().unmatched == 0


async def test_a_group_sees_a_sessions_events_in_order_one_at_a_time() -> None:
    """Also when the next member is on another bus."""
    running, order = 0, list[int]()

    async def note(event: Said) -> None:
        nonlocal running
        running += 1
        assert running == 1
        await anyio.lowlevel.checkpoint()
        order.append(event.number)
        running -= 1

    async with AsyncExitStack() as stack:
        members = await buses(stack, LoopbackTransport(), 3)
        for bus in members:
            bus.register_event_handler(Said, note, group="workers")
        for number in range(20):
            await members[number % 3].publish(Said(number=number, session_id="s"))
        with anyio.fail_after(5):
            while len(order) < 20:
                await anyio.wait_all_tasks_blocked()
    assert order == list(range(20))


async def test_what_a_lost_member_has_not_finished_goes_to_another() -> None:
    """A delivery is acknowledged when its handler has ended, not when it has begun."""
    hub = LoopbackTransport()
    async with AsyncExitStack() as stack:
        near, lost, other = await buses(stack, hub, 3)
        gate, rest = Gate(), Listener()
        lost.register_event_handler(Said, gate, group="g")
        await near.publish(Said("first", session_id="s"))
        await gate.entered.wait()
        other.register_event_handler(Said, rest, group="g")
        await near.publish(Said("second", session_id="s"))
        hub.drop_consumer(lost)
        assert [e.text for e in await rest.saw(2)] == ["first", "second"]
        gate.open.set()
        await lost.wait_idle(timeout=5)
        assert len(rest.seen) == 2
        lost.register_event_handler(Said, gate, group="g")
        lost.register_command_handler(Ask, answer)
        await near.publish(Said("third", session_id="s"))
        assert len(await rest.saw(3)) == 3
        with pytest.raises(HandlerNotFoundError):
            await near.execute(Ask())
        await lost.stop()
        await lost.start()
        assert await near.execute(Ask("back")) == "answer to back"
    with pytest.raises(LookupError, match="connect"):
        hub.drop_consumer(MessageBus())


async def test_a_delivery_whose_transport_gives_up_waiting_is_not_made_twice() -> None:
    """The handler goes on, and whoever brings the event again hears of how it ended."""
    transport = Bare()
    async with MessageBus(transport=transport) as bus:
        gate, event = Gate(), Said("once")
        bus.register_event_handler(Said, gate, group="g")
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(transport.endpoint.take, event, "g")
            await gate.entered.wait()
            tasks.cancel_scope.cancel()
        gate.open.set()
        assert await transport.endpoint.take(event, "g")
        assert await transport.endpoint.take(event, "g")
        assert (len(gate.seen), bus.stats().deduplicated) == (1, 2)
        assert not await transport.endpoint.take(Said(), "unknown")


async def test_a_lost_bus_gets_nothing_more_until_it_is_started_anew() -> None:
    """Whatever it registers meanwhile."""
    hub = LoopbackTransport()
    async with AsyncExitStack() as stack:
        near, lost = await buses(stack, hub)
        seen = Listener()
        hub.drop_consumer(lost)
        lost.register_command_handler(Ask, answer)
        lost.register_event_handler(Said, seen, group="g")
        with pytest.raises(HandlerNotFoundError):
            await near.execute(Ask())
        await near.publish(Said("first"))
        await anyio.wait_all_tasks_blocked()
        assert seen.seen == []
        await lost.stop()
        near.register_event_handler(Said, seen, group="g")
        assert [event.text for event in await seen.saw(1)] == ["first"]
        await lost.start()
        assert await near.execute(Ask("you")) == "answer to you"


async def test_what_waits_for_a_member_that_goes_is_not_done_with() -> None:
    """The transport hears that it is another member's, and may bring it again."""
    transport = Bare()
    async with MessageBus(transport=transport) as bus:
        gate, event, answers = Gate(), Said("second", session_id="s"), list[bool]()
        registration = bus.register_event_handler(Said, gate, group="g")

        async def take(event: Said) -> None:
            answers.append(await transport.endpoint.take(event, "g"))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(take, Said("first", session_id="s"))
            await gate.entered.wait()
            tasks.start_soon(take, event)
            await anyio.wait_all_tasks_blocked()
            registration.unregister()
            await anyio.wait_all_tasks_blocked()
            assert answers == [False]
            gate.open.set()
        assert answers == [False, True]
        bus.register_event_handler(Said, gate, group="g")
        assert await transport.endpoint.take(event, "g")
        assert [seen.text for seen in gate.seen] == ["first", "second"]


async def test_what_a_transport_brings_while_the_bus_starts_waits_until_it_has() -> None:
    """It may bring something as soon as it is open."""

    class Eager(InMemoryTransport):
        async def open(self, endpoint: Endpoint) -> None:
            endpoint.spawn(self.bring, endpoint)
            await anyio.wait_all_tasks_blocked()

        async def bring(self, endpoint: Endpoint) -> None:
            answers.append(await endpoint.answer(Ask("early")))

    answers: list[str] = []
    bus = MessageBus(transport=Eager())
    bus.register_command_handler(Ask, answer)
    async with bus:
        await bus.wait_idle(timeout=5)
        await anyio.wait_all_tasks_blocked()
    assert answers == ["answer to early"]


async def test_a_bounded_lane_has_room_again_after_each_event_that_the_transport_took() -> None:
    """The place that is kept meanwhile is given back."""
    async with AsyncExitStack() as stack:
        (bus,) = await buses(stack, LoopbackTransport(), 1)
        seen = Listener()
        bus.register_event_handler(Said, seen, capacity=1)
        with anyio.fail_after(5):
            for number in range(5):
                await bus.publish(Said(number=number))
        assert len(await seen.saw(5)) == 5


async def test_what_a_group_without_members_is_owed_waits_for_one() -> None:
    """A named group is known to the transport; a member that comes back, or a new one, goes on where it was."""
    hub = LoopbackTransport()
    async with AsyncExitStack() as stack:
        (near,) = await buses(stack, hub, 1)
        worker, seen = MessageBus(transport=hub.connect()), Listener()
        worker.register_event_handler(Said, seen, group="g")
        async with worker:
            await near.publish(Said("first"))
            await seen.saw(1)
        await near.publish(Said("second"))
        async with worker:
            assert [e.text for e in await seen.saw(2)] == ["first", "second"]


async def test_an_event_on_which_a_group_fails_for_good_is_done_with() -> None:
    """It is a dead letter of the bus that tried; others are not to fail on it as well."""

    async def fail(_: Said) -> None:
        raise ValueError("no")

    async with AsyncExitStack() as stack:
        near, far = await buses(stack, LoopbackTransport())
        after = Listener()
        far.register_event_handler(Said, fail, group="g", retry=Retry(attempts=2, delay=0))
        far.register_event_handler(Noted, after)
        await near.publish(Said("bad"))
        with anyio.fail_after(5):
            while not far.dead_letters():
                await anyio.wait_all_tasks_blocked()
        (letter,) = far.dead_letters()
        assert (letter.event, letter.attempts) == (Said("bad"), 2)
        assert far.stats().total.failed == 1


async def test_a_groups_filter_is_asked_where_the_member_is() -> None:
    """What it does not want is done with; a filter that fails is a failed delivery."""

    def loud(event: Said) -> bool:
        if event.text == "bad":
            raise ValueError("cannot say")
        return event.number > 0

    async with AsyncExitStack() as stack:
        near, far = await buses(stack, LoopbackTransport())
        seen = Listener()
        far.register_event_handler(Said, seen, group="g", where=loud)
        for event in (Said(number=0), Said("bad"), Said(number=1)):
            await near.publish(event)
        assert [e.number for e in await seen.saw(1)] == [1]
        assert far.stats().total.failed == 1
        assert (near.stats().unmatched, far.stats().unmatched) == (3, 0)


async def test_members_that_differ_are_refused_across_buses() -> None:
    """At registration where the bus runs, at its start where it does not; then it can be started anew."""
    hub = LoopbackTransport()
    async with AsyncExitStack() as stack:
        near, far = await buses(stack, hub)
        near.register_event_handler(Said, Listener(), group="g")
        with pytest.raises(DuplicateHandlerError, match="g"):
            far.register_event_handler(Noted, Listener(), group="g")
        with pytest.raises(DuplicateHandlerError):
            far.register_event_handler(Said, Listener(), group="g", where=bool)
        late = MessageBus(transport=hub.connect())
        wrong = late.register_event_handler(Noted, Listener(), group="g")
        with pytest.raises(DuplicateHandlerError):
            await late.start()
        with pytest.raises(BusClosedError):
            await late.publish(Said())
        wrong.unregister()
        await late.start()
        await late.publish(Said())
        await late.stop()


async def test_a_member_that_leaves_gives_what_waits_to_the_others() -> None:
    """`unregister` discards here what another can still do."""
    async with AsyncExitStack() as stack:
        near, first, second = await buses(stack, LoopbackTransport(), 3)
        gate, rest = Gate(), Listener()
        registration = first.register_event_handler(Said, gate, group="g", capacity=1)
        await near.publish(Said("one"))
        await gate.entered.wait()
        await near.publish(Said("two"))
        second.register_event_handler(Said, rest, group="g")
        registration.unregister()
        gate.open.set()
        assert [e.text for e in await rest.saw(1)] == ["two"]


async def test_a_group_of_a_session_stays_with_the_session() -> None:
    """It ends with it, so no other bus can have members."""
    async with AsyncExitStack() as stack:
        near, far = await buses(stack, LoopbackTransport())
        seen = Listener()
        async with near.session("s") as session:
            session.register_event_handler(Said, seen, group="g")
            far.register_event_handler(Noted, Listener(), group="g")
            await session.publish(Said("mine"))
            await seen.saw(1)


async def test_a_letter_of_a_shared_group_is_redelivered_here() -> None:
    """The books that it is in are this bus's."""
    fails = True

    async def handle(_: Said) -> None:
        if fails:
            raise ValueError("not yet")

    async with AsyncExitStack() as stack:
        near, far = await buses(stack, LoopbackTransport())
        far.register_event_handler(Said, handle, group="g")
        await near.publish(Said("again"))
        with anyio.fail_after(5):
            while not far.dead_letters():
                await anyio.wait_all_tasks_blocked()
        fails = False
        await far.redeliver(far.dead_letters()[0].id)
        await far.wait_idle(timeout=5)
        assert (far.stats().total.delivered, far.stats().total.failed) == (1, 1)


# ── starting and stopping ────────────────────────────────────────────────────────────────────────────────────────────


class Bare(InMemoryTransport):
    """A transport that a test brings events through by hand."""

    async def open(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint


class Faulty(InMemoryTransport):
    """A transport that fails as it is told to."""

    def __init__(self, *, opens: bool = True, backends: frozenset[str] = frozenset({"asyncio", "trio"})) -> None:
        self.opens = opens
        self.capabilities = TransportCapabilities(backends=backends)

    async def open(self, endpoint: Endpoint) -> None:
        if not self.opens:
            raise ConnectionRefusedError("nobody there")

    async def close(self) -> None:
        raise ConnectionResetError("gone")

    def unserve(self, command_type: Any) -> None:
        raise ConnectionResetError("gone")


async def test_a_transport_that_does_not_open_fails_the_start() -> None:
    """Whoever starts the bus gets the reason; it can be started once that is mended."""
    transport = Faulty(opens=False)
    bus = MessageBus(transport=transport)
    with pytest.raises(ConnectionRefusedError, match="nobody there"):
        await bus.start()
    with pytest.raises(BusClosedError):
        await bus.publish(Said())
    transport.opens = True
    await bus.start()
    await bus.publish(Said())
    await bus.stop()


async def test_a_stop_does_not_wait_for_ever_for_a_transport_that_does_not_open() -> None:
    """It has the time that a drain has; whoever starts the bus gets an answer, and it can be started once more."""

    class Silent(Slow):
        async def open(self, endpoint: Any) -> None:
            self.asked.set()
            await self.gate.wait()

    transport = Silent()
    transport.hold()
    bus = MessageBus(transport=transport)

    async def start() -> None:
        with pytest.raises(BusClosedError):
            await bus.start()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(start)
        await transport.asked.wait()
        with anyio.fail_after(5):
            await bus.stop(drain=0)
    transport.gate.set()
    async with bus:
        await bus.publish(Said())
        assert bus.stats().accepted == 1


async def test_a_transport_that_fails_to_close_does_not_keep_the_bus_from_stopping(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """It is in the log, since nobody waits for it."""
    with caplog.at_level(logging.ERROR, "llmgine.bus"):
        async with MessageBus(transport=Faulty()) as bus:
            bus.register_command_handler(Ask, answer)
    assert "Faulty failed to unserve" in caplog.text
    assert "Faulty failed to close" in caplog.text


async def test_a_transport_that_cannot_run_here_says_so_at_the_start(anyio_backend_name: str) -> None:
    """Before anything is sent that would never arrive."""
    other = "trio" if anyio_backend_name == "asyncio" else "asyncio"
    with pytest.raises(RuntimeError, match=f"runs on {other}, not on {anyio_backend_name}"):
        await MessageBus(transport=Faulty(backends=frozenset({other}))).start()


async def test_a_connection_serves_one_bus() -> None:
    """Two would take each other's messages."""
    connection = LoopbackTransport().connect()
    async with MessageBus(transport=connection) as bus:
        assert bus.transport is connection
        assert bus.transport.capabilities.cross_process
        with pytest.raises(RuntimeError, match="another bus"):
            await MessageBus(transport=connection).start()


class Endpoints(InMemoryTransport):
    """A transport through which a test can hand a bus what another would."""

    endpoint: Any = None

    async def open(self, endpoint: Any) -> None:
        self.endpoint = endpoint
        await super().open(endpoint)


async def test_what_comes_for_a_group_that_is_gone_is_not_done_with() -> None:
    """The transport gives it to another bus."""
    transport = Endpoints()
    async with MessageBus(transport=transport) as bus:
        registration = bus.register_event_handler(Said, Listener(), group="workers")
        registration.unregister()
        assert await transport.endpoint.take(Said(), "workers") is False
        assert bus.stats().total.deliveries == 0


async def test_only_so_many_ids_are_kept_to_know_an_event_that_comes_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a bus that runs for months would keep them all."""
    monkeypatch.setattr(_link, "_WINDOW", 1_000)
    transport, events = Endpoints(), [Said(number=number) for number in range(1_001)]
    async with MessageBus(transport=transport) as bus:
        for event in [*events, *events[-1_000:]]:
            await transport.endpoint.receive(event)
        assert (bus.stats().received, bus.stats().deduplicated) == (1_001, 1_000)
        await transport.endpoint.receive(events[0])
        assert (bus.stats().received, bus.stats().deduplicated) == (1_002, 1_000)


def test_a_hub_and_its_buses_can_be_made_before_there_is_a_loop() -> None:
    """As a bus in memory can."""
    hub = LoopbackTransport()
    near, far = (MessageBus(transport=hub.connect()) for _ in range(2))
    far.register_command_handler(Ask, answer)
    hub.full = False
    hub.pause()
    hub.resume()

    async def main() -> str:
        async with near, far:
            return await near.execute(Ask("now"))

    assert anyio.run(main) == "answer to now"


class Slow(InMemoryTransport):
    """A transport that takes an event when a test says so."""

    def __init__(self) -> None:
        self.asked, self.gate = anyio.Event(), anyio.Event()
        self.gate.set()

    def hold(self) -> None:
        """Take no more until `gate` is set."""
        self.asked, self.gate = anyio.Event(), anyio.Event()

    async def publish(self, event: Event, *, ttl: float | None, wait: bool) -> None:
        self.asked.set()
        await self.gate.wait()


@pytest.mark.parametrize("through", ["bus", "session"])
async def test_a_publisher_that_a_stop_finds_at_the_transport_gets_an_answer(through: str) -> None:
    """At once; whether the others get the event is not known, that this bus does not is certain."""
    transport, seen = Slow(), Listener()
    bus = MessageBus(transport=transport)
    bus.register_event_handler(Said, seen)
    await bus.start()
    transport.hold()

    async def publish() -> None:
        with pytest.raises(BusClosedError):
            await (bus if through == "bus" else session).publish(Said())

    async with bus.session() as session, anyio.create_task_group() as tasks:
        tasks.start_soon(publish)
        await transport.asked.wait()
        with anyio.fail_after(5):
            await bus.stop()
    assert (seen.seen, bus.stats().refused) == ([], 1)


async def test_a_handlers_publication_that_a_stop_finds_at_the_transport_is_part_of_the_drain() -> None:
    """The stop waits for the handler, and so for what it publishes."""
    transport, ended = Slow(), list[str]()
    bus = MessageBus(transport=transport)

    async def pass_on(_: Said) -> None:
        transport.hold()
        await bus.publish(Noted())
        ended.append("published")

    bus.register_event_handler(Said, pass_on)
    await bus.start()
    await bus.publish(Said())
    async with anyio.create_task_group() as tasks:
        await anyio.wait_all_tasks_blocked()
        tasks.start_soon(bus.stop)
        await anyio.wait_all_tasks_blocked()
        transport.gate.set()
    assert ended == ["published"]


async def test_a_publisher_that_the_end_of_its_session_finds_at_the_transport_gets_an_answer() -> None:
    """Else the session could publish after its end has been told."""
    transport, bus_wide = Slow(), Listener()
    async with MessageBus(transport=transport) as bus:
        bus.register_event_handler(Event, bus_wide)

        async def publish() -> None:
            with pytest.raises(SessionClosedError):
                await session.publish(Said())

        async with anyio.create_task_group() as tasks:
            async with bus.session() as session:
                transport.hold()
                tasks.start_soon(publish)
                await transport.asked.wait()
            transport.gate.set()
        assert [type(event) for event in await bus_wide.saw(2)] == [SessionStartEvent, SessionEndEvent]


async def test_publishers_that_give_up_at_a_full_lane_leave_nothing_behind() -> None:
    """Not even where the one at the transport, which held the place, gives up as well."""

    class Handler:
        async def __call__(self, event: Said) -> None: ...

    transport, handler = Slow(), Handler()
    known = weakref.ref(handler)
    async with MessageBus(transport=transport) as bus, bus.session() as session:
        session.register_event_handler(Said, handler, capacity=1)
        del handler
        transport.hold()
        async with anyio.create_task_group() as tasks:
            for number in range(3):
                tasks.start_soon(session.publish, Said(number=number))
            await transport.asked.wait()
            await anyio.wait_all_tasks_blocked()
            tasks.cancel_scope.cancel()
        await session.aclose()
        gc.collect()
        assert known() is None
        assert bus.stats().refused == 3


async def test_an_older_event_gives_way_only_if_there_is_no_room_yet_when_the_transport_has_taken_the_newer() -> None:
    """What was full when it was asked may be empty by then."""
    transport, gate = Slow(), Gate()
    async with MessageBus(transport=transport, capacity=1, overflow="drop_oldest") as bus:
        bus.register_event_handler(Said, gate)
        await bus.publish(Said(number=0))
        await gate.entered.wait()
        await bus.publish(Said(number=1))
        transport.hold()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(bus.publish, Said(number=2))
            await transport.asked.wait()
            gate.open.set()
            await bus.wait_idle()
            transport.gate.set()
        await bus.wait_idle()
        assert [event.number for event in gate.seen] == [0, 1, 2]
        assert bus.stats().total.dropped == 0


async def test_a_bus_that_drains_leaves_commands_to_those_that_do_not() -> None:
    """It would refuse them, and nobody asks twice."""
    async with AsyncExitStack() as stack:
        near, leaving, staying = await buses(stack, LoopbackTransport(), 3)
        gate = Gate()
        leaving.register_event_handler(Noted, gate)
        for bus in (leaving, staying):
            bus.register_command_handler(Ask, answer)
        await leaving.publish(Noted())
        await gate.entered.wait()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(leaving.stop)
            await anyio.wait_all_tasks_blocked()
            for _ in range(2):
                assert await near.execute(Ask("you")) == "answer to you"
            gate.open.set()
        await leaving.start()
        for _ in range(2):
            await near.execute(Ask())
        assert (leaving.stats().executed, staying.stats().executed) == (1, 3)


async def test_handlers_can_use_the_transport_while_the_bus_drains() -> None:
    """What they still publish and execute is part of the drain."""
    hub = LoopbackTransport()
    async with AsyncExitStack() as stack:
        (far,) = await buses(stack, hub, 1)
        there = Listener()
        far.register_event_handler(Noted, there)
        far.register_command_handler(Ask, answer)
        bus, gate, answers = MessageBus(transport=hub.connect()), Gate(), list[str]()

        async def work(event: Said) -> None:
            await gate(event)
            answers.append(await bus.execute(Ask("late")))
            await bus.publish(Noted("late"))

        bus.register_event_handler(Said, work)
        await bus.start()
        await bus.publish(Said())
        await gate.entered.wait()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(bus.stop)
            await anyio.wait_all_tasks_blocked()
            gate.open.set()
        assert answers == ["answer to late"]
        await there.saw(1)
