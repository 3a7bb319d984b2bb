"""Seeing that a handler blocks the event loop, and saying which."""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from types import CodeType, FrameType
from typing import Any

from llmgine_core._handlers import handler_name, unwrapped
from llmgine_core._loop import EventLoop

__all__ = ["StallDetector"]

_logger = logging.getLogger("llmgine.bus")


class StallDetector:
    """A thread that asks the loop for a sign of life, and looks at what it does when none comes.

    Handlers run as they are: nothing is measured around them.

    Args:
        after: seconds without a sign of life.
        handlers: gives the handlers that may be to blame.

    Attributes:
        count: how often the loop was seen to be blocked.
    """

    def __init__(self, after: float, handlers: Callable[[], Iterable[Callable[..., Any]]]) -> None:
        self._after, self._handlers = after, handlers
        self._over = threading.Event()
        self.count: int = 0

    def start(self, loop: EventLoop) -> None:
        """Begin to watch this loop."""
        self._over = threading.Event()
        threading.Thread(target=self._watch, args=(loop, self._over), name="llmgine-stalls", daemon=True).start()

    def stop(self) -> None:
        """Watch no more."""
        self._over.set()

    def _watch(self, loop: EventLoop, over: threading.Event) -> None:
        while not over.wait(self._after):
            alive, asked = threading.Event(), time.monotonic()
            try:
                loop.call_soon(alive.set)
            except RuntimeError:  # the loop has ended without a stop of the bus
                return
            if not alive.wait(self._after) and not over.is_set():
                self.count += 1
                self._report(loop.thread, time.monotonic() - asked)
                while not (over.is_set() or alive.wait(self._after)):
                    pass  # one stall, one report

    def _report(self, thread: int, seconds: float) -> None:
        # documented for this use, though its name begins with an underscore
        frames = sys._current_frames()  # pyright: ignore[reportPrivateUsage]
        stack = list(_stack(frames.get(thread)))
        if not stack:
            return
        code, line = stack[0].f_code, stack[0].f_lineno
        name = self._to_blame({frame.f_code for frame in stack})
        place = f"{code.co_filename}:{line} in {code.co_qualname}"
        _logger.warning("%s blocks the event loop for %.1f s, now at %s", name, seconds, place)

    def _to_blame(self, running: set[CodeType]) -> str:
        try:
            handlers = list(self._handlers())
        except RuntimeError:  # the loop went on meanwhile and changed what was being read
            handlers = []
        blamed = [handler_name(h) for h in handlers if _code(h) in running]
        return f"handler {blamed[0]}" if blamed else "something that is no handler of the bus"


def _stack(frame: FrameType | None) -> Iterator[FrameType]:
    while frame is not None:
        yield frame
        frame = frame.f_back


def _code(handler: Callable[..., Any]) -> CodeType | None:
    target: Any = unwrapped(handler)
    if not hasattr(target, "__code__"):
        target = getattr(handler.__class__, "__call__", None)  # noqa: B004 - the method itself
    return getattr(target, "__code__", None)
