"""Commands: one handler each, and its answer or error to the caller."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from llmgine_conformance.bus.actors import Gate, Recorder, answer, beside, fail
from llmgine_conformance.bus.kit import BusClauses, Make
from llmgine_conformance.bus.messages import Ask, AskMore, AskPolitely, Count, Said, Wrapped
from llmgine_conformance.clause import clause
from llmgine_core.contracts import Outcome
from llmgine_core.errors import DuplicateHandlerError, HandlerNotFoundError
from llmgine_core.events import CommandResultEvent, CommandStartedEvent

__all__ = ["CommandClauses"]


class CommandClauses(BusClauses):
    """What `execute` promises."""

    @clause
    async def test_command_1_answer(self, make: Make) -> None:
        """A command is answered with what its handler returns."""
        async with self.running(make) as bus:
            bus.register_command_handler(Ask, answer)
            assert await bus.execute(Ask("life")) == "answer to life"
            assert bus.stats().executed == 1

    @clause
    async def test_command_2_one_handler(self, make: Make) -> None:
        """A second handler of a command in the same scope is refused with DuplicateHandlerError."""
        async with self.running(make) as bus:
            bus.register_command_handler(Ask, answer)
            with pytest.raises(DuplicateHandlerError):
                bus.register_command_handler(Ask, fail)
            assert await bus.execute(Ask("who")) == "answer to who"

    @clause
    async def test_command_3_no_handler(self, make: Make) -> None:
        """A command without a handler is refused with HandlerNotFoundError, which names near misses."""
        async with self.running(make) as bus:
            bus.register_command_handler(AskMore, answer)
            with pytest.raises(HandlerNotFoundError) as caught:
                await bus.execute(Ask())
            assert "AskMore" in str(caught.value)

    @clause
    async def test_command_4_unregistered(self, make: Make) -> None:
        """A command handler that is unregistered answers no more, and another may take its place."""
        async with self.running(make) as bus:
            first = bus.register_command_handler(Ask, fail)
            first.unregister()
            with pytest.raises(HandlerNotFoundError):
                await bus.execute(Ask())
            bus.register_command_handler(Ask, answer)
            first.unregister()
            assert await bus.execute(Ask("again")) == "answer to again"

    @clause
    async def test_command_5_exact_type(self, make: Make) -> None:
        """A handler answers commands of exactly its type, not of subclasses."""
        async with self.running(make) as bus:
            bus.register_command_handler(Ask, answer)
            with pytest.raises(HandlerNotFoundError):
                await bus.execute(AskPolitely())

    @clause
    async def test_command_6_generic(self, make: Make) -> None:
        """A generic alias of a command counts as the command."""

        async def unwrap(command: Wrapped[Any]) -> Any:
            return command.value

        async def spell(command: Wrapped[str]) -> str:
            return command.value

        async with self.running(make) as bus:
            bus.register_command_handler(Wrapped[int], unwrap)
            assert await bus.execute(Wrapped(5)) == 5
            with pytest.raises(DuplicateHandlerError):
                bus.register_command_handler(Wrapped[str], spell)

    @clause
    async def test_command_7_error(self, make: Make) -> None:
        """The handler's own exception reaches the caller unchanged, with its traceback."""
        error = ValueError("mine")

        async def raise_it(command: Ask) -> str:
            raise error

        async with self.running(make) as bus:
            bus.register_command_handler(Ask, raise_it)
            with pytest.raises(ValueError, match="mine") as caught:
                await bus.execute(Ask())
            assert caught.value is error
            assert caught.traceback[-1].name == "raise_it"
            assert error.__cause__ is None

    @clause
    async def test_command_8_one_attempt(self, make: Make) -> None:
        """A handler that fails is called once."""
        calls = Recorder()

        async def note_and_fail(command: Ask) -> str:
            calls.note(command)
            raise ValueError("no")

        async with self.running(make) as bus:
            bus.register_command_handler(Ask, note_and_fail)
            with pytest.raises(ValueError, match="no"):
                await bus.execute(Ask())
            assert len(calls.seen) == 1

    @clause
    async def test_command_9_system_exit(self, make: Make) -> None:
        """A handler's SystemExit reaches its caller and leaves the bus alone."""

        async def leave(command: AskMore) -> str:
            raise SystemExit(3)

        async with self.running(make) as bus:
            bus.register_command_handler(AskMore, leave)
            bus.register_command_handler(Ask, answer)
            with pytest.raises(SystemExit):
                await bus.execute(AskMore())
            assert await bus.execute(Ask("next")) == "answer to next"

    @clause
    async def test_command_10_own_cancelled_error(self, make: Make) -> None:
        """A handler's own CancelledError reaches its caller and is not taken for a cancellation of the caller."""

        async def give_up(command: Ask) -> str:
            raise asyncio.CancelledError

        async with self.running(make) as bus:
            ends = Recorder()
            bus.register_event_handler(CommandResultEvent, ends)
            bus.register_command_handler(Ask, give_up)
            with pytest.raises(asyncio.CancelledError):
                await bus.execute(Ask())
            await ends.wait_for(1)
            assert ends.seen[0].outcome is Outcome.ERROR

    @clause
    async def test_command_11_cancelled_caller(self, make: Make) -> None:
        """Cancelling the caller cancels the handler."""
        async with self.running(make) as bus:
            gate = Gate()
            bus.register_command_handler(Ask, gate)
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(bus.execute, Ask())
                await gate.entered.wait()
                tasks.cancel_scope.cancel()
            assert gate.cancelled

    @clause
    async def test_command_12_callers_timeout(self, make: Make) -> None:
        """When the caller's timeout is up, execute raises TimeoutError and the handler is cancelled."""
        async with self.running(make) as bus:
            gate = Gate()
            bus.register_command_handler(Ask, gate)
            with pytest.raises(TimeoutError):
                await bus.execute(Ask(), timeout=0.01)
            assert gate.cancelled

    @clause
    async def test_command_13_handlers_timeout(self, make: Make) -> None:
        """When the timeout of the handler's registration is up, execute raises TimeoutError."""
        async with self.running(make) as bus:
            gate = Gate()
            bus.register_command_handler(Ask, gate, timeout=0.01)
            with pytest.raises(TimeoutError):
                await bus.execute(Ask())
            assert gate.cancelled

    @clause
    async def test_command_14_deadline(self, make: Make) -> None:
        """When the command's own deadline passes, execute raises TimeoutError."""
        async with self.running(make) as bus:
            gate = Gate()
            bus.register_command_handler(Ask, gate)
            with pytest.raises(TimeoutError):
                await bus.execute(Ask(deadline=datetime.now(UTC) + timedelta(seconds=0.01)))

    @clause
    async def test_command_15_deadline_travels(self, make: Make) -> None:
        """The time that the caller gives travels in the command's deadline."""
        seen = Recorder()

        async def look(command: Ask) -> str:
            seen.note(command.deadline)
            return ""

        async with self.running(make) as bus:
            bus.register_command_handler(Ask, look)
            before = datetime.now(UTC)
            await bus.execute(Ask(), timeout=60)
            assert seen.seen[0] is not None
            assert timedelta(seconds=59) < seen.seen[0] - before < timedelta(seconds=70)

    @clause
    async def test_command_16_own_timeout_error(self, make: Make) -> None:
        """A TimeoutError that the handler raises itself passes unchanged."""
        error = TimeoutError("the handler's")

        async def raise_it(command: Ask) -> str:
            raise error

        async with self.running(make) as bus:
            bus.register_command_handler(Ask, raise_it)
            with pytest.raises(TimeoutError) as caught:
                await bus.execute(Ask(), timeout=60)
            assert caught.value is error

    @clause
    async def test_command_17_concurrent(self, make: Make) -> None:
        """Commands of different callers run at the same time, also of one type and in one session."""
        async with self.running(make) as bus, bus.session() as session:
            gate = Gate()
            bus.register_command_handler(Ask, gate)
            async with beside(session.execute, Ask()) as first, beside(session.execute, Ask()) as second:
                await gate.wait_for(2)
                gate.open.set()
            assert first == second == ["through the gate"]

    @clause
    async def test_command_18_events(self, make: Make) -> None:
        """A command has one started and one result event, in its own chain, with its answer and duration."""
        async with self.running(make) as bus:
            told = Recorder()
            bus.register_event_handler(CommandStartedEvent, told.note)
            bus.register_event_handler(CommandResultEvent, told.note)
            bus.register_command_handler(Ask, answer)
            command = Ask("x")
            await bus.execute(command)
            await bus.wait_idle()
            assert [type(event) for event in told.seen] == [CommandStartedEvent, CommandResultEvent]
            started, ended = told.seen
            assert started.command_id == ended.command_id == command.id
            assert started.command_type == ended.command_type == Ask.type_name
            assert started.correlation_id == ended.correlation_id == command.id
            assert (ended.outcome, ended.result, ended.error) == (Outcome.OK, "answer to x", None)
            assert ended.duration >= 0

    @clause
    async def test_command_19_outcome(self, make: Make) -> None:
        """The result event of a command that failed, ran out of time or was cancelled says so."""
        async with self.running(make) as bus:
            ends, gate = Recorder(), Gate()
            bus.register_event_handler(CommandResultEvent, ends)
            bus.register_command_handler(AskMore, fail)
            bus.register_command_handler(Ask, gate)
            with pytest.raises(ValueError, match="on purpose"):
                await bus.execute(AskMore())
            with pytest.raises(TimeoutError):
                await bus.execute(Ask(), timeout=0.01)
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(bus.execute, Ask())
                await gate.wait_for(2)
                tasks.cancel_scope.cancel()
            await ends.wait_for(3)
            outcomes = [event.outcome for event in ends.seen]
            assert outcomes == [Outcome.ERROR, Outcome.TIMEOUT, Outcome.CANCELLED]
            assert (ends.seen[0].error.type, ends.seen[0].error.message) == ("ValueError", "failed on purpose")

    @clause
    async def test_command_20_kinds(self, make: Make) -> None:
        """A verb that gets the wrong kind of message raises TypeError, and refuses it."""
        wrong: list[Callable[[Any], Awaitable[Any]]] = [
            lambda bus: bus.execute(Said()),
            lambda bus: bus.execute(Count()),
            lambda bus: bus.publish(Ask()),
        ]
        async with self.running(make) as bus:
            for call in wrong:
                with pytest.raises(TypeError):
                    await call(bus)
            untyped: Any = bus
            with pytest.raises(TypeError):
                untyped.stream(Ask())

    @clause
    async def test_command_21_kinds_of_handlers(self, make: Make) -> None:
        """A handler of the wrong kind is refused with TypeError when it is registered."""

        def plain(message: Any) -> None:
            pass

        bus: Any = make()
        commands: list[tuple[Any, Any]] = [(Ask, plain), (Count, answer), (Said, answer)]
        for kind, handler in commands:
            with pytest.raises(TypeError):
                bus.register_command_handler(kind, handler)
        events: list[tuple[Any, Any, bool]] = [(Ask, plain, False), (Said, 5, False), (Said, answer, True)]
        for kind, handler, in_thread in events:
            with pytest.raises(TypeError):
                bus.register_event_handler(kind, handler, in_thread=in_thread)

    @clause
    async def test_command_22_own_work(self, make: Make) -> None:
        """A command handler may execute commands itself, its own type too."""

        async def count_down(command: Ask) -> str:
            left = int(command.question)
            await anyio.lowlevel.checkpoint()
            return "done" if not left else await bus.execute(Ask(str(left - 1)))

        async with self.running(make) as bus:
            bus.register_command_handler(Ask, count_down)
            assert await bus.execute(Ask("10")) == "done"
