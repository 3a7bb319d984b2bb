"""Saying what hangs while an application starts: an import or a hook that blocks cannot be interrupted, only named."""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager
from types import FrameType

__all__ = ["told_if_late"]

_logger = logging.getLogger("llmgine.plugins")
_CURE = (
    "nothing but the end of the process stops it: mend that line, or select another plugin; "
    "`start_timeout` is how long this waits"
)


@contextmanager
def told_if_late(what: str, plugin: str, seconds: float) -> Generator[None]:
    """Log one error if the block, which calls a plugin in this thread, has not ended after so many seconds.

    Args:
        what: what the block does.
        plugin: which plugin it calls.
        seconds: how long to wait.
    """
    timer = threading.Timer(min(seconds, threading.TIMEOUT_MAX), _tell, (what, plugin, seconds, threading.get_ident()))
    timer.name, timer.daemon = "llmgine-watchdog", True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _tell(what: str, plugin: str, seconds: float, thread: int) -> None:
    # documented for this use, though its name begins with an underscore
    frame = sys._current_frames().get(thread)  # pyright: ignore[reportPrivateUsage]
    place = _place(frame) if frame else "an unknown place"
    _logger.error(
        "%s has not ended after %g s\n  plugin: %s, now at %s\n  cure: %s", what, seconds, plugin, place, _CURE
    )


def _place(frame: FrameType) -> str:
    """The line that is run, or where code that is not Python's own called what runs."""
    caller: FrameType | None = frame
    while caller is not None and _is_pythons(caller):
        caller = caller.f_back
    shown = caller or frame
    return f"{shown.f_code.co_filename}:{shown.f_lineno} in {shown.f_code.co_qualname}"


def _is_pythons(frame: FrameType) -> bool:
    return str(frame.f_globals.get("__name__", "")).partition(".")[0] in sys.stdlib_module_names
