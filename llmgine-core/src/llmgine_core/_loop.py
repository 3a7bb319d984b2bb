"""The running event loop, asyncio's or trio's, as far as anyio does not cover it."""

from __future__ import annotations

import asyncio
import contextvars
import sys
import threading
from collections.abc import Awaitable, Callable, Coroutine, Generator
from typing import Any, Protocol, TypeVar

import anyio
import anyio.lowlevel

__all__ = ["EventLoop", "Ticket", "current_task", "is_cancellation", "run_in_context"]

T = TypeVar("T")

# Which of a loop's tasks runs. Before 3.12 asyncio's own is a function in Python, half as dear as to await a handler;
# there this is the dictionary that it looks in.
current_task: Callable[[Any], Any]
current_task = asyncio.current_task if sys.version_info >= (3, 12) else vars(asyncio.tasks)["_current_tasks"].get


class EventLoop:
    """A handle on the loop that runs the caller."""

    def __init__(self) -> None:
        self._thread = threading.get_ident()
        self._trio: Any = _running_trio()
        self._token: Any = self._trio.lowlevel.current_trio_token() if self._trio else asyncio.get_running_loop()
        self._anyio_token = anyio.lowlevel.current_token()
        self._owned: set[Any] = set()

    @property
    def backend(self) -> str:
        """Whose it is: `asyncio` or `trio`."""
        return "trio" if self._trio else "asyncio"

    @property
    def thread(self) -> int:
        """The identity of the loop's thread."""
        return self._thread

    @property
    def interrupts_tasks(self) -> bool:
        """Whether a task can be cancelled from outside without a scope around what it does: asyncio's can."""
        return self._trio is None

    @property
    def token(self) -> Any:
        """What asyncio or trio itself knows the loop by."""
        return self._token

    def time(self) -> float:
        """The loop's clock, in seconds; on its thread, also outside of tasks, where anyio may not know the loop."""
        return float(self._trio.current_time() if self._trio else self._token.time())

    def ticket(self) -> Ticket:
        """Something to wait for that costs less than an `anyio.Event`, for one waiter."""
        return _TrioTicket(self._trio.lowlevel) if self._trio else _AsyncioTicket(self._token)

    async def breathe(self) -> None:
        """Let other tasks run."""
        if self._trio:
            await self._trio.lowlevel.cancel_shielded_checkpoint()
        else:
            await asyncio.sleep(0)

    @property
    def is_here(self) -> bool:
        """Whether the caller is on the loop's thread."""
        return threading.get_ident() == self._thread

    def spawn(self, function: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Run a coroutine function as a task of the loop itself; the loop cancels it when it ends."""
        context = contextvars.copy_context()
        if self._trio:
            self._trio.lowlevel.spawn_system_task(function, context=context)
            return
        task = self._token.create_task(function(), context=context)
        self._owned.add(task)  # the loop itself holds its tasks weakly
        task.add_done_callback(self._owned.discard)

    def run(self, function: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Run a coroutine function on the loop, from another thread, and wait for what it returns."""
        from anyio import from_thread  # with typing_extensions as heavy as asyncio, and few publish from threads

        return from_thread.run(function, token=self._anyio_token)

    def call_soon(self, function: Callable[[], object]) -> None:
        """Call a function on the loop soon; from any thread.

        Raises:
            RuntimeError: the loop has ended.
        """
        if self._trio:
            try:
                self._token.run_sync_soon(function)
            except self._trio.RunFinishedError as error:
                raise RuntimeError("the event loop has ended") from error
        else:
            self._token.call_soon_threadsafe(function)


class Ticket(Protocol):
    """What one task waits for, and another wakes it with."""

    async def wait(self) -> None:
        """Wait until woken; at most once."""
        ...

    def wake(self) -> None:
        """Wake the one who waits, or will."""
        ...


class _AsyncioTicket:
    __slots__ = ("_future",)

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._future: asyncio.Future[None] = loop.create_future()

    async def wait(self) -> None:
        await self._future

    def wake(self) -> None:
        if not self._future.done():  # it is, where the waiter has been cancelled
            self._future.set_result(None)


class _TrioTicket:
    __slots__ = ("_lowlevel", "_task", "_woken")

    def __init__(self, lowlevel: Any) -> None:
        self._lowlevel, self._task, self._woken = lowlevel, None, False

    async def wait(self) -> None:
        if self._woken:
            return
        self._task = self._lowlevel.current_task()
        await self._lowlevel.wait_task_rescheduled(self._abort)

    def _abort(self, _: object) -> Any:
        self._task = None
        return self._lowlevel.Abort.SUCCEEDED

    def wake(self) -> None:
        self._woken = True
        if self._task is not None:
            task, self._task = self._task, None
            self._lowlevel.reschedule(task)


def _running_trio() -> Any:
    trio = sys.modules.get("trio")  # unless trio has been imported, it cannot be what runs us
    return trio if trio is not None and trio.lowlevel.in_trio_run() else None


def is_cancellation(error: BaseException) -> bool:
    """Whether the error means that this task is being cancelled; code may raise asyncio's CancelledError by itself."""
    if not isinstance(error, anyio.get_cancelled_exc_class()):
        return False
    if _running_trio():
        return True  # trio lets nobody else raise its own
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


class run_in_context(Awaitable[T]):  # noqa: N801 - reads as a function: `await run_in_context(context, coroutine)`
    """Await a coroutine so that its every step runs in the given context, whatever the task's own context is."""

    def __init__(self, context: contextvars.Context, coroutine: Coroutine[Any, Any, T]) -> None:
        self._context, self._coroutine = context, coroutine

    def __await__(self) -> Generator[Any, Any, T]:
        run, coroutine = self._context.run, self._coroutine
        step: Callable[[Any], Any] = coroutine.send
        argument: Any = None
        while True:
            try:
                yielded = run(step, argument)
            except StopIteration as stop:
                answer: T = stop.value
                return answer
            try:
                step, argument = coroutine.send, (yield yielded)
            except BaseException as error:  # thrown in by the loop: the coroutine decides what becomes of it
                step, argument = coroutine.throw, error
