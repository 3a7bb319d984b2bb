"""Streams: the handler's generator, item by item."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import anyio
import anyio.lowlevel
import pytest

from llmgine_conformance.bus.actors import Gate, answer, numbers, settle
from llmgine_conformance.bus.kit import BusClauses, Make
from llmgine_conformance.bus.messages import Ask, Count
from llmgine_conformance.clause import clause
from llmgine_core.errors import HandlerNotFoundError

__all__ = ["StreamClauses"]

_FAR_AHEAD = 1_000


class StreamClauses(BusClauses):
    """What `stream` promises."""

    @clause
    async def test_stream_1_items(self, make: Make) -> None:
        """A stream yields what its handler yields, in order, all of it."""
        async with self.running(make) as bus:
            bus.register_command_handler(Count, numbers)
            async with bus.stream(Count(100)) as items:
                assert [item async for item in items] == list(range(100))

    @clause
    async def test_stream_2_left_early(self, make: Make) -> None:
        """Leaving the block early runs the generator's finally, in its own task, before the block is left."""
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

        async with self.running(make) as bus:
            bus.register_command_handler(Count, endless)
            async with bus.stream(Count()) as items:
                async for item in items:
                    assert item == 1
                    break
            assert closed == ["finally"]
            with pytest.raises(ValueError, match="reader"):  # noqa: PT012 - the block is what is left
                async with bus.stream(Count()) as items:
                    async for _ in items:
                        raise ValueError("reader")
            assert closed == ["finally"] * 2

    @clause
    async def test_stream_3_cancelled_reader(self, make: Make) -> None:
        """A reader that is cancelled closes the stream."""
        gate = Gate()

        async def wait(command: Count) -> AsyncGenerator[int, None]:
            await gate(command)
            yield 1

        async with self.running(make) as bus:
            bus.register_command_handler(Count, wait)

            async def read() -> None:
                async with bus.stream(Count()) as items:
                    async for _ in items:
                        pass

            async with anyio.create_task_group() as tasks:
                tasks.start_soon(read)
                await gate.entered.wait()
                tasks.cancel_scope.cancel()
            assert gate.cancelled

    @clause
    async def test_stream_4_error(self, make: Make) -> None:
        """The handler's own exception reaches the reader unchanged, after the items before it."""
        error = ValueError("after two")

        async def fail_after_two(command: Count) -> AsyncGenerator[int, None]:
            yield 1
            yield 2
            raise error

        async with self.running(make) as bus:
            bus.register_command_handler(Count, fail_after_two)
            got: list[int] = []

            async def read() -> None:
                async with bus.stream(Count()) as items:
                    async for item in items:
                        got.append(item)  # noqa: PERF401 - what came before the error counts

            with pytest.raises(ValueError, match="after two") as caught:
                await read()
            assert (got, caught.value) == ([1, 2], error)

    @clause
    async def test_stream_5_timeout(self, make: Make) -> None:
        """A stream whose time is up, by its reader or by its handler's registration, raises TimeoutError."""

        async def wait(command: Count) -> AsyncGenerator[int, None]:
            await anyio.sleep_forever()
            yield 1

        async with self.running(make) as bus:

            async def read(timeout: float | None) -> None:
                async with bus.stream(Count(), timeout=timeout) as items:
                    async for _ in items:
                        pass

            registration = bus.register_command_handler(Count, wait)
            with pytest.raises(TimeoutError):
                await read(0.01)
            registration.unregister()
            bus.register_command_handler(Count, wait, timeout=0.01)
            with pytest.raises(TimeoutError):
                await read(None)

    @clause
    async def test_stream_6_no_handler(self, make: Make) -> None:
        """A stream without a handler is refused on entry with HandlerNotFoundError."""
        async with self.running(make) as bus:
            stream = bus.stream(Count())
            with pytest.raises(HandlerNotFoundError):
                async with stream:
                    raise AssertionError("never reached")

    @clause
    async def test_stream_7_system_exit(self, make: Make) -> None:
        """A SystemExit in a stream's handler reaches the reader and leaves the bus alone."""

        async def leave(command: Count) -> AsyncGenerator[int, None]:
            yield 1
            raise SystemExit(3)

        async with self.running(make) as bus:
            bus.register_command_handler(Ask, answer)
            bus.register_command_handler(Count, leave)

            async def read() -> None:
                async with bus.stream(Count()) as items:
                    async for _ in items:
                        pass

            with pytest.raises(SystemExit):
                await read()
            assert await bus.execute(Ask("x")) == "answer to x"

    @clause
    async def test_stream_8_bounded(self, make: Make) -> None:
        """A handler is only so far ahead of its reader: its items wait in a bounded buffer."""
        ahead: list[int] = []

        async def count(command: Count) -> AsyncGenerator[int, None]:
            for number in range(command.upto):
                ahead.append(number)
                yield number

        async with self.running(make) as bus:
            bus.register_command_handler(Count, count)
            async with bus.stream(Count(_FAR_AHEAD)) as items:
                assert await anext(items) == 0
                await settle()
                assert len(ahead) < _FAR_AHEAD
                assert [item async for item in items] == list(range(1, _FAR_AHEAD))

    @clause
    async def test_stream_9_session(self, make: Make) -> None:
        """A session's stream is answered by its own handler, and by the bus's elsewhere."""

        async def own(command: Count) -> AsyncGenerator[int, None]:
            yield -1

        async with self.running(make) as bus, bus.session() as session:
            bus.register_command_handler(Count, numbers)
            session.register_command_handler(Count, own)
            async with session.stream(Count(2)) as items:
                assert [item async for item in items] == [-1]
            async with bus.stream(Count(2)) as items:
                assert [item async for item in items] == [0, 1]
