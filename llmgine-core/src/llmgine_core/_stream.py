"""A streamed answer: the handler's generator in a task of its own, its items in a bounded buffer."""

from __future__ import annotations

import contextvars
import functools
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

import anyio
import attrs

from llmgine_core._loop import is_cancellation, run_in_context
from llmgine_core.contracts import Message

__all__ = ["AnswerStream", "Source"]

_logger = logging.getLogger("llmgine.bus")

T = TypeVar("T")
_BUFFER = 16


@attrs.frozen(eq=False)
class Source(Generic[T]):
    """What a stream reads from.

    Attributes:
        generator: the handler's.
        frame: entered around everything that the generator does.
        seconds: how long it may take; None for as long as it takes.
        is_announced: whether its first item is none, but says that the answer has begun.
    """

    generator: AsyncGenerator[T, None]
    frame: AbstractContextManager[None]
    seconds: float | None
    is_announced: bool = False


class AnswerStream(Generic[T]):
    """Runs a generator while its items are read; leaving early closes it and waits for its `finally`.

    Args:
        command: what it answers.
        start: called on entry; looks the handler up.
        spawn: starts a coroutine function in the bus's task group.
        closed: called when the task has ended.
        paused: called when the handler is as far ahead of the reader as it may be.
        late: what the error says when the time is up.
    """

    def __init__(
        self,
        command: Message,
        start: Callable[[], Source[T]],
        spawn: Callable[..., None],
        closed: Callable[[BaseException | None], None],
        paused: Callable[[], None],
        late: str,
    ) -> None:
        self.command: Message = command
        self.waits_for_reader: bool = False
        self._start, self._spawn, self._closed, self._paused, self._late = start, spawn, closed, paused, late
        self._scope = anyio.CancelScope()
        self._ended = anyio.Event()
        self._error: BaseException | None = None
        self._left = False
        self._cut_short: BaseException | None = None

    async def __aenter__(self) -> Self:
        source = self._start()
        if source.seconds is not None:
            self._scope.deadline = anyio.current_time() + source.seconds
        send, self._receive = anyio.create_memory_object_stream[T](_BUFFER)
        self._spawn(self._run, source, send, contextvars.copy_context())
        if source.is_announced:
            try:
                await self.__anext__()
            except BaseException as error:
                await self.__aexit__(type(error), error, error.__traceback__)
                raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._left = True
        if error is not None:  # the reader has failed, or is cancelled: either way the answer was cut short
            self._cut_short = error if is_cancellation(error) else GeneratorExit()
        self._scope.cancel()
        self._receive.close()
        with anyio.CancelScope(shield=True):
            await self._ended.wait()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> T:
        try:
            return await self._receive.receive()
        except (anyio.EndOfStream, anyio.ClosedResourceError):
            await self._ended.wait()
            if self._error is not None:
                raise self._error from None
            raise StopAsyncIteration from None

    def fail(self, error: Exception) -> None:
        """End the stream; its reader gets the error."""
        self._error = self._error or error
        self._scope.cancel()

    async def _give(self, send: Any, item: T) -> None:
        try:
            send.send_nowait(item)
        except anyio.WouldBlock:
            self.waits_for_reader = True
            self._paused()
            try:
                await send.send(item)
            finally:
                self.waits_for_reader = False

    async def _run(self, source: Source[T], send: Any, context: contextvars.Context) -> None:
        after_leaving: BaseException | None = None
        try:
            with self._scope:
                await run_in_context(context, _forward(source, functools.partial(self._give, send)))
        except BaseException as error:  # the reader's to see; raised here, it would end the bus
            self._error = self._error or error
            if self._left and not is_cancellation(error):
                after_leaving = error
                _logger.error("a stream's handler failed after its reader had left", exc_info=error)
        if self._scope.cancelled_caught and not self._left:
            self._error = self._error or TimeoutError(self._late)
        send.close()
        self._ended.set()
        self._closed(after_leaving or self._cut_short if self._left else self._error)


async def _forward(source: Source[T], give: Callable[[T], Awaitable[None]]) -> None:
    # The guard is entered before the generator may enter scopes of its own, so that they are left in order.
    with source.frame, anyio.CancelScope() as guard:
        try:
            async for item in source.generator:
                try:
                    await give(item)
                except anyio.BrokenResourceError:
                    return  # the reader has gone
        finally:
            guard.shield = True
            await _close(source.generator)


async def _close(generator: AsyncGenerator[Any, None]) -> None:
    try:
        await generator.aclose()
    except BaseExceptionGroup as group:  # a task group around a `yield` wraps the GeneratorExit that closes it
        _, rest = group.split(GeneratorExit)
        if rest is not None:
            raise rest from None
