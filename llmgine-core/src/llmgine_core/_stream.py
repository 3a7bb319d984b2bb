"""A streamed answer: the handler's generator in a task of its own, its items in a bounded buffer."""

from __future__ import annotations

import contextvars
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from types import TracebackType
from typing import Any, Generic, TypeVar

import anyio

from llmgine_core._loop import run_in_context

__all__ = ["AnswerStream"]

T = TypeVar("T")
_BUFFER = 16


class AnswerStream(Generic[T]):
    """Runs a generator while its items are read; leaving early closes it and waits for its `finally`.

    Args:
        start: called on entry; looks the handler up and returns its generator.
        spawn: starts a coroutine function in the bus's task group.
        closed: called when the task has ended.
        timeout: seconds that the whole stream may take.
    """

    def __init__(
        self,
        start: Callable[[], AsyncIterator[T]],
        spawn: Callable[..., None],
        closed: Callable[[AnswerStream[Any], BaseException | None], None],
        timeout: float | None,
    ) -> None:
        self._start, self._spawn, self._closed, self._timeout = start, spawn, closed, timeout
        self.scope = anyio.CancelScope()
        self._ended = anyio.Event()
        self._error: BaseException | None = None
        self._left = False

    async def __aenter__(self) -> AsyncIterator[T]:
        generator = self._start()
        send, self._receive = anyio.create_memory_object_stream[T](_BUFFER)
        self._spawn(self._run, generator, send, contextvars.copy_context())
        self._reading = self._items()
        return self._reading

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._left = True
        self.scope.cancel()
        with anyio.CancelScope(shield=True):
            await self._ended.wait()
            await self._reading.aclose()
        self._receive.close()

    def limit(self, seconds: float) -> None:
        """Allow no more time than that."""
        self._timeout = seconds if self._timeout is None else min(seconds, self._timeout)

    def fail(self, error: BaseException) -> None:
        """End the stream; its reader gets the error."""
        self._error = self._error or error
        self.scope.cancel()

    async def _items(self) -> AsyncGenerator[T]:
        async for item in self._receive:
            yield item
        await self._ended.wait()
        if self._error is not None:
            raise self._error

    async def _run(self, generator: Any, send: Any, context: contextvars.Context) -> None:
        failure: BaseException | None = None
        try:
            with self.scope, anyio.fail_after(self._timeout):
                await run_in_context(context, _forward(generator, send))
        except BaseException as error:
            failure = error
            self._error = self._error or error
            if isinstance(error, anyio.get_cancelled_exc_class()) and not self.scope.cancel_called:
                raise  # the bus itself is being cancelled
        finally:
            send.close()
            self._ended.set()
            self._closed(self, None if self._left else failure or self._error)


async def _forward(generator: Any, send: Any) -> None:
    # The guard is entered before the generator may enter scopes of its own, so that they are left in order.
    with anyio.CancelScope() as guard:
        try:
            async for item in generator:
                await send.send(item)
        except anyio.BrokenResourceError:
            return  # the reader has gone
        finally:
            guard.shield = True
            await _close(generator)


async def _close(generator: Any) -> None:
    try:
        await generator.aclose()
    except BaseExceptionGroup as group:  # a task group around a `yield` wraps the GeneratorExit that closes it
        _, rest = group.split(GeneratorExit)
        if rest is not None:
            raise rest from None
