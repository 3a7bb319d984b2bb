"""The request that an application stop: who waits for it, and what it does to a main function that runs meanwhile."""

from __future__ import annotations

import contextvars
import logging
import math
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from typing import TypeVar

import anyio

from llmgine_core._loop import EventLoop

__all__ = ["StopRequest", "run_until_stopped", "wait_for_stop"]

_logger = logging.getLogger("llmgine.bootstrap")

T = TypeVar("T")


class StopRequest:
    """A request that is made once, from any thread or signal handler, and stays made."""

    def __init__(self) -> None:
        self._asked = False
        self._calls: dict[object, tuple[EventLoop, Callable[[], object]]] = {}

    def ask(self) -> None:
        """Make the request; without effect if it has been made."""
        self._asked = True
        for key, (loop, function) in self._calls.copy().items():
            if self._calls.pop(key, None) is not None:
                _call_on(loop, function)

    @contextmanager
    def calling(self, function: Callable[[], object]) -> Generator[None]:
        """Call a function on the running loop once the request is made; in the order of registration."""
        key = object()
        self._calls[key] = (EventLoop(), function)
        if self._asked:  # looked at after the entry is made, or a request in between would reach nobody
            self.ask()
        try:
            yield
        finally:
            self._calls.pop(key, None)


def _call_on(loop: EventLoop, function: Callable[[], object]) -> None:
    try:
        loop.call_soon(function)
    except RuntimeError:
        _logger.debug("the event loop of one who waited for the stop has ended")


class _Main:
    """A main function that runs until the stop is asked for.

    Attributes:
        scope: what it runs in.
        heeding: how many calls inside of it wait for the stop themselves.
    """

    def __init__(self, grace: float) -> None:
        self.scope = anyio.CancelScope()
        self.heeding = 0
        self._loop, self._grace = EventLoop(), grace

    def end(self) -> None:
        """Cancel it; one that learns of the request by itself, only when its grace is over."""
        if self.heeding:
            self.scope.deadline = self._loop.time() + self._grace
        else:
            self.scope.cancel()


_mains: contextvars.ContextVar[tuple[_Main, ...]] = contextvars.ContextVar("llmgine_mains", default=())


@contextmanager
def _heeding() -> Generator[None]:
    """Let the main functions around the caller know that the request reaches them through it."""
    mains = _mains.get()
    for main in mains:
        main.heeding += 1
    try:
        yield
    finally:
        for main in mains:
            main.heeding -= 1


async def wait_for_stop(request: StopRequest) -> None:
    """Wait until the stop is asked for."""
    asked = anyio.Event()
    with _heeding(), request.calling(asked.set):
        await asked.wait()


async def run_until_stopped(
    request: StopRequest, main: Callable[[], Awaitable[T]], *, grace: float = math.inf
) -> T | None:
    """Run a main function, and cancel it when the stop is asked for.

    Args:
        request: the request.
        main: the function.
        grace: seconds after the request within which `main` may end by itself, where it waits for the stop too.

    Returns:
        What it returned, or None if it was cancelled.
    """
    running = _Main(grace)
    # The request reaches who is further out first, while those further in still wait.
    with _heeding(), request.calling(running.end):
        token = _mains.set((*_mains.get(), running))
        try:
            with running.scope:
                return await main()
        finally:
            _mains.reset(token)
    return None
