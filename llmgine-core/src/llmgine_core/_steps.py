"""The parts of an application: started in order, stopped in reverse, each within its time."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, cast

import anyio

from llmgine_core._faults import cure_for, printed, said
from llmgine_core._loop import EventLoop
from llmgine_core.errors import LlmgineError, PluginLoadError, PluginTimeoutError

__all__ = ["Steps"]

_logger = logging.getLogger("llmgine.bootstrap")
_LETTING_GO = 1.0  # seconds that a part has to clean up after it was given up


class Steps:
    """What has been started, and how it is stopped.

    Args:
        start_timeout: seconds that each part may take to start.
        stop_timeout: seconds that each may take to stop.
    """

    def __init__(self, start_timeout: float, stop_timeout: float) -> None:
        self._start_timeout, self._stop_timeout = start_timeout, stop_timeout
        self._started: list[_Step] = []
        self._stopped: anyio.Event | None = None

    async def start(
        self, part: AbstractAsyncContextManager[Any], label: str, *, hide: Callable[[str], str] = str
    ) -> None:
        """Enter a part.

        Args:
            part: what to enter.
            label: how messages speak of it.
            hide: takes out of a message what must not be shown.

        Raises:
            PluginTimeoutError: it did not start in time.
            PluginLoadError: it raised something that is no error of ours.
            LlmgineError: whatever else it raised.
        """
        step = _Step(part, label, hide)
        await step.start(self._start_timeout, self._stop_timeout)
        self._started.append(step)

    async def stop(self, cause: BaseException | None) -> None:
        """Leave all parts, the newest first, whatever becomes of those before and of the caller.

        Who asks a second time waits for the first to be done, and is told nothing.

        Args:
            cause: the error that ends the application; it is the caller's to raise. What goes wrong at the stop is then
                in the log alone.

        Raises:
            Exception: what one part raised, or did not do in time.
            ExceptionGroup: what several did.
        """
        if self._stopped is not None:
            await self._stopped.wait()
            return
        faults: list[BaseException] = []
        ended = self._stopped = anyio.Event()

        async def leave_all() -> None:
            try:
                while self._started:
                    fault = await self._started.pop().stop(cause, self._stop_timeout)
                    faults.extend([] if fault is None else [fault])
            finally:
                ended.set()

        # in a task of the loop: whoever leaves the application may be cancelled meanwhile
        EventLoop().spawn(leave_all)
        cancellation = await _outlast(ended)
        _tell(faults, cause)
        if cause is None and cancellation is not None:
            raise cancellation


def _tell(faults: list[BaseException], cause: BaseException | None) -> None:
    """Raise what went wrong, unless something else ends the application anyway."""
    for fault in faults:
        if not isinstance(fault, Exception):  # KeyboardInterrupt: whoever asked for it must get it
            raise fault
        if cause is not None:
            _logger.error("while the application stops: %s", fault, exc_info=fault)
    if cause is None and len(faults) == 1:
        raise faults[0]
    if cause is None and faults:
        raise ExceptionGroup(f"{len(faults)} parts of the application did not stop as they should", _all(faults))


def _all(faults: list[BaseException]) -> list[Exception]:
    return cast("list[Exception]", faults)


async def _outlast(event: anyio.Event, timeout: float = math.inf) -> BaseException | None:
    """Wait for the event though the caller is cancelled; a cancellation that heeds no shield is returned."""
    cancellation: BaseException | None = None
    with anyio.move_on_after(timeout, shield=True) as scope:
        while not event.is_set():
            try:
                await event.wait()
            except asyncio.CancelledError as error:
                if scope.cancel_called:
                    raise
                cancellation = error  # asyncio's own, by Task.cancel
    return cancellation


class _Step:
    """A part of the application that runs in a task of its own.

    So it may open task groups that stay open, the application may be left by another task than entered it, and both
    ways have a deadline.
    """

    def __init__(self, part: AbstractAsyncContextManager[Any], label: str, hide: Callable[[str], str]) -> None:
        self._part, self._label, self._hide = part, label, hide
        self._scope = anyio.CancelScope()
        self._opened, self._asked, self._ended = anyio.Event(), anyio.Event(), anyio.Event()
        self._cause: BaseException | None = None
        self._error: BaseException | None = None

    async def start(self, timeout: float, stop_timeout: float) -> None:
        EventLoop().spawn(self._run)
        try:
            with anyio.move_on_after(timeout):
                await self._opened.wait()
        except BaseException:
            await self._give_up(stop_timeout)
            raise
        if not self._opened.is_set():
            await self._give_up(stop_timeout)
            raise self._late("start", timeout) from (
                None if self._error is None else self._as_told("starting", self._error)
            )
        if self._ended.is_set() and self._error is not None:
            raise self._failure("starting", self._error)

    async def stop(self, cause: BaseException | None, timeout: float) -> BaseException | None:
        """Leave the part and return what went wrong with that, which is not the cause itself."""
        self._cause = cause
        self._asked.set()
        with anyio.move_on_after(timeout):
            await self._ended.wait()
        if not self._ended.is_set():
            await self._give_up(_LETTING_GO)
            return self._late("stop", timeout)
        error = _without(cause, self._error)
        if error is None:
            return None
        failure = self._as_told("stopping", error)
        if not isinstance(failure, LlmgineError):
            failure.add_note(f"raised while stopping {self._label}")
        return failure

    async def _give_up(self, timeout: float) -> None:
        self._scope.cancel()
        await _outlast(self._ended, timeout)

    def _late(self, verb: str, timeout: float) -> PluginTimeoutError:
        cure = f"see what it waits for, or raise `{verb}_timeout` in the configuration"
        return PluginTimeoutError(f"it did not {verb} within {timeout:g} s", self._label, cure)

    def _failure(self, doing: str, error: BaseException) -> BaseException:
        """What to raise: an error of ours speaks for itself, any other is named with its plugin."""
        if isinstance(error, (LlmgineError, KeyboardInterrupt)):
            return error
        what, cure = f"{doing} it raised {said(error)}", cure_for(error, "mend what the message names")
        failure = PluginLoadError(self._hide(what), self._label, cure)
        failure.__cause__ = error if self._may_be_printed(error) else None
        return failure

    def _may_be_printed(self, error: BaseException) -> bool:
        text = printed(error)
        return self._hide(text) == text

    def _as_told(self, doing: str, error: BaseException) -> BaseException:
        """An error for whoever stops the part, or for the log: itself, or one without what must not be shown."""
        is_told = isinstance(error, Exception) and self._may_be_printed(error)
        return error if is_told else self._failure(doing, error)

    async def _run(self) -> None:
        try:
            with self._scope:
                await self._part.__aenter__()
                self._opened.set()
                await self._live()
        except BaseException as error:  # for whoever starts or stops the part; raised here, it would end the loop
            self._error = error
            if self._opened.is_set() and not self._asked.is_set() and isinstance(error, Exception):
                _logger.error(
                    "%s failed while the application runs", self._label, exc_info=self._as_told("running", error)
                )
        finally:
            self._ended.set()
            self._opened.set()

    async def _live(self) -> None:
        try:
            await self._asked.wait()
        except BaseException as error:  # a task group of its own has failed
            if not await self._part.__aexit__(type(error), error, error.__traceback__):
                raise
        else:
            cause = self._cause
            await self._part.__aexit__(type(cause) if cause else None, cause, cause.__traceback__ if cause else None)


def _without(cause: BaseException | None, error: BaseException | None) -> BaseException | None:
    """What of an error is the part's own: it may raise the cause on, as it is or in a group."""
    if error is cause:
        return None
    if isinstance(error, BaseExceptionGroup):
        group = cast("BaseExceptionGroup[BaseException]", error)
        return group.split(lambda each: each is cause)[1]
    return error
