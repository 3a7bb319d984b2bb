"""A child process that tells of its steps, whatever becomes of it."""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from typing import IO

import attrs

from llmgine_core.cli._report import READY, Step, loaded

__all__ = ["steps_of"]

_KEPT, _SHOWN = 200, 5
_CRASHED = "Current thread "  # as faulthandler writes it
_FAREWELL = 1.0
"""Seconds that a child may take to end after its last step, and its last words to arrive."""


def steps_of(arguments: Sequence[str], expected: Sequence[str], timeout: float) -> Iterator[Step]:
    """Have an examination made in a child process; each step as it is told, up to the first that is not.

    A child that ends without telling of a step, or does not tell in time, has failed at that step; it is killed, and so
    is what it started.

    Args:
        arguments: those of `llmgine_core.cli._examination`.
        expected: the steps, in order.
        timeout: seconds that each may take.
    """
    try:
        child = _Child(arguments)
    except OSError as error:
        yield Step(step=expected[0], ok=False, seconds=0.0, error=f"no child process could be started: {error}")
        return
    with contextlib.closing(child):
        ready = child.take(READY, timeout)
        if not ready.ok:
            yield attrs.evolve(ready, step=expected[0])
            return
        for name in expected:
            step = child.take(name, timeout)
            yield step
            if step.error:
                break
        child.let_end()


class _Child:
    """The process and the threads that listen to it."""

    def __init__(self, arguments: Sequence[str]) -> None:
        # -P: a module in the working directory must not stand in for one that the examination itself needs
        command = [sys.executable, "-P", "-X", "faulthandler", "-m", "llmgine_core.cli._examination", *arguments]
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,  # so that what it starts can be killed with it
            text=True,
            encoding="utf-8",
            errors="replace",
        )
        self._steps: queue.SimpleQueue[Step | None] = queue.SimpleQueue()
        self._words: deque[str] = deque(maxlen=_KEPT)
        assert self._process.stdout
        assert self._process.stderr
        self._listeners = [
            threading.Thread(target=self._read_steps, args=(self._process.stdout,), daemon=True),
            threading.Thread(target=self._read_words, args=(self._process.stderr,), daemon=True),
        ]
        for thread in (*self._listeners, threading.Thread(target=self._note_end, daemon=True)):
            thread.start()

    def _read_steps(self, stream: IO[str]) -> None:
        with stream:
            for line in stream:
                if (step := loaded(line)) is not None:
                    self._steps.put(step)

    def _read_words(self, stream: IO[str]) -> None:
        with stream:
            for line in stream:
                if line.strip():
                    self._words.append(line.rstrip())

    def _note_end(self) -> None:
        self._process.wait()
        self._hear_out()  # what it started may hold its pipes open, so that these do not tell of its end
        self._steps.put(None)

    def _hear_out(self) -> None:
        deadline = time.monotonic() + _FAREWELL
        for thread in self._listeners:
            thread.join(max(0.0, deadline - time.monotonic()))

    def take(self, name: str, timeout: float) -> Step:
        """The next step as it is told, or as a failure where it is not."""
        began = time.perf_counter()
        try:
            step = self._steps.get(timeout=timeout)
        except queue.Empty:
            what = f"the step {name!r} has not ended after {timeout:g} s, so its process was killed"
            cure = "mend what hangs, give it more time with --timeout, or select another plugin"
        else:
            if step is not None:
                return step
            what = f"the step {name!r} ended the process, {_ending(self._process.wait())}"
            cure = "fix or upgrade the distribution, or select another plugin"
        seconds = time.perf_counter() - began
        self.close()
        words = [f"    {line}" for line in self._last_words()]
        lines = [what, *(["  last words:", *words] if words else []), f"  cure: {cure}"]
        return Step(step=name, ok=False, seconds=seconds, error="\n".join(lines))

    def _last_words(self) -> list[str]:
        """What it said last; of a crash, the innermost calls of the thread that crashed, which come first there."""
        words = list(self._words)
        crash = next((number for number, line in enumerate(words) if line.startswith(_CRASHED)), None)
        return words[-_SHOWN:] if crash is None else words[crash + 1 : crash + 1 + _SHOWN]

    def let_end(self) -> None:
        """Wait a moment for it to end by itself."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_FAREWELL)

    def close(self) -> None:
        """End it, and all that it started."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if sys.platform == "win32":
                self._process.kill()
            else:
                os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._hear_out()


def _ending(code: int) -> str:
    if code >= 0:
        return f"with exit code {code}"
    try:
        return f"by the signal {signal.Signals(-code).name}"
    except ValueError:
        return f"by the signal {-code}"
