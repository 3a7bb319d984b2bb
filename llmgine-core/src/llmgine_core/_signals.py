"""The signals that tell a process to stop, shared by all who wait for one."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

__all__ = ["told_of_signals"]

_NUMBERS = (signal.SIGTERM, signal.SIGINT)


class _Watch:
    """Signal handlers of the process, set while somebody in the main thread waits.

    Python runs signal handlers in the main thread, between two of its instructions; so nothing here takes a lock.
    """

    def __init__(self) -> None:
        self._listeners: dict[object, tuple[Callable[[], None], bool]] = {}
        self._former: dict[int, Any] = {}

    def add(self, key: object, listener: Callable[[], None]) -> None:
        is_main = threading.current_thread() is threading.main_thread()
        self._listeners[key] = (listener, is_main)
        if is_main and not self._former:
            self._install()

    def remove(self, key: object) -> None:
        _, is_main = self._listeners.pop(key, (None, False))
        if is_main and not any(main for _, main in self._listeners.copy().values()):
            self._put_back()

    def _install(self) -> None:
        for number in _NUMBERS:
            former = signal.getsignal(number)
            # None was not set from Python and could not be put back; what the process ignores, it goes on to ignore
            if former not in (None, signal.SIG_IGN):
                self._former[number] = former
                signal.signal(number, self._on_signal)

    def _put_back(self) -> None:
        for number, former in self._former.items():
            if signal.getsignal(number) == self._on_signal:  # else somebody has set another meanwhile
                signal.signal(number, former)
        self._former.clear()

    def _on_signal(self, _number: int, _frame: Any) -> None:
        for listener, _ in self._listeners.copy().values():
            listener()


_watch = _Watch()  # one, as there is one set of signal handlers


@contextmanager
def told_of_signals(listener: Callable[[], None], *, once: bool = False) -> Generator[None]:
    """Call a function when the process is told to stop.

    Args:
        listener: called in the main thread, at any point of what runs there.
        once: let go of signals after the first, which gives the next one its ordinary effect.
    """
    key = object()

    def tell_once() -> None:
        _watch.remove(key)
        listener()

    _watch.add(key, tell_once if once else listener)
    try:
        yield
    finally:
        _watch.remove(key)
