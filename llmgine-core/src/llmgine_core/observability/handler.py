"""`ObservabilityEventHandler`: the base of everything that writes events somewhere."""

from __future__ import annotations

import logging
import threading
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING

import attrs

from llmgine_core.contracts import Event
from llmgine_core.observability.content import ContentPolicy
from llmgine_core.observability.record import EventRecord

if TYPE_CHECKING:
    from llmgine_core.abc import Redactor

__all__ = ["HandlerStats", "ObservabilityEventHandler"]

_logger = logging.getLogger("llmgine.observability")
_WARNING_INTERVAL = 30.0


@attrs.frozen
class HandlerStats:
    """The books of a handler: `accepted` = exported + failed + dropped + pending, at every moment.

    Attributes:
        accepted: events shown to the handler.
        exported: records that `export` took.
        failed: records on which `export`, a redactor or the conversion failed.
        dropped: records for which there was no room, or no time at the end.
        pending: records waiting or being exported.
    """

    accepted: int = 0
    exported: int = 0
    failed: int = 0
    dropped: int = 0
    pending: int = 0


class ObservabilityEventHandler(ABC):
    """Writes events somewhere, on a thread of its own, without ever holding up the application.

    A subclass implements `export`, and `open_exporter` and `close_exporter` where there is something to open and close;
    all three are called on the handler's own thread, never two at once.

    Args:
        name: the instance's name, for stats and health.
        capacity: most records waiting; what comes on top is dropped and counted.
        batch_size: most records in one call of `export`.
        interval: seconds to wait for a batch to fill; 0 exports at once.
    """

    def __init__(self, *, name: str = "", capacity: int = 16_384, batch_size: int = 512, interval: float = 0.0) -> None:
        self.name: str = name or type(self).__name__
        self._capacity, self._batch_size, self._interval = capacity, batch_size, interval
        self._policy: ContentPolicy | None = None
        self._redactors: tuple[Redactor, ...] = ()
        self._queue: deque[EventRecord] = deque()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._closing = False
        self._exporting = self._flushes = 0
        self._accepted = self._exported = self._failed = self._dropped = 0
        self._warned_at = -_WARNING_INTERVAL

    # what a subclass writes

    def open_exporter(self) -> None:  # noqa: B027 - most handlers have nothing to open
        """Prepare to export; an exception stops the start of the application."""

    @abstractmethod
    def export(self, batch: Sequence[EventRecord]) -> None:
        """Write the records, oldest first. An exception counts the whole batch as failed.

        Args:
            batch: at least one record.
        """

    def close_exporter(self) -> None:  # noqa: B027 - nor to close
        """Release what `open_exporter` and `export` took."""

    # what the application calls

    def start(self, policy: ContentPolicy | None = None, redactors: Sequence[Redactor] = ()) -> None:
        """Open the exporter and begin to accept.

        Args:
            policy: which fields are written in full; by default no content.
            redactors: applied to each record, in order.

        Raises:
            Exception: whatever `open_exporter` raises.
        """
        self._policy, self._redactors = policy or ContentPolicy(), tuple(redactors)
        self._closing = False
        opened: list[BaseException | None] = []
        ready = threading.Event()
        self._thread = threading.Thread(
            target=self._run, args=(opened, ready), name=f"llmgine-{self.name}", daemon=True
        )
        self._thread.start()
        ready.wait()
        if error := opened[0]:
            self._thread.join()
            self._thread = None
            raise error

    def accept(self, event: Event) -> None:
        """Take an event. Neither blocks nor raises; what cannot be taken is counted."""
        try:
            record: EventRecord | None = self._recorded(event)
        except Exception as error:  # a value's own conversion, or a redactor: the record must not leave half redacted
            record = None
            self._warn("a record was given up", error)
        with self._changed:
            self._accepted += 1
            if record is None:
                self._failed += 1
            elif self._thread is None or self._closing or len(self._queue) >= self._capacity:
                self._dropped += 1
            else:
                self._queue.append(record)
                self._changed.notify_all()

    def flush(self, timeout: float = 5.0) -> bool:
        """Wait until everything accepted so far is exported; returns whether it was within `timeout` seconds."""
        with self._changed:
            self._flushes += 1
            self._changed.notify_all()
            try:
                return self._changed.wait_for(lambda: not self._queue and not self._exporting, timeout)
            finally:
                self._flushes -= 1

    def close(self, timeout: float = 5.0) -> bool:
        """Export what waits, close the exporter; returns whether all that was done within `timeout` seconds.

        A thread that hangs is left behind (it is a daemon), and what it still holds is counted as dropped.
        """
        with self._changed:
            self._closing = True
            self._changed.notify_all()
            thread = self._thread
        if thread is None:
            return True
        thread.join(timeout)
        with self._changed:
            ended = not thread.is_alive()
            if self._thread is thread:  # else somebody else has closed it meanwhile
                self._dropped += len(self._queue) + (0 if ended else self._exporting)
                self._queue.clear()
                self._exporting = 0
                self._thread = None
        return ended

    def stats(self) -> HandlerStats:
        """The books, as they stand."""
        with self._changed:
            pending = len(self._queue) + self._exporting
            return HandlerStats(self._accepted, self._exported, self._failed, self._dropped, pending)

    # the thread

    def _recorded(self, event: Event) -> EventRecord:
        policy = self._policy or ContentPolicy()
        record = EventRecord.of(event, policy.project(event))
        for redactor in self._redactors:
            record = redactor.redact(record)
        return record

    def _run(self, opened: list[BaseException | None], ready: threading.Event) -> None:
        try:
            self.open_exporter()
        except BaseException as error:  # handed to start(), on the thread that waits for it
            opened.append(error)
            return
        else:
            opened.append(None)
        finally:
            ready.set()
        while batch := self._next_batch():
            self._export(batch)
        try:
            self.close_exporter()
        except Exception as error:  # nothing is left to lose, and nobody waits on this thread for an exception
            self._warn("closing failed", error)

    def _next_batch(self) -> list[EventRecord]:
        """The next records; none means that the handler is closing and everything is out."""
        with self._changed:
            self._changed.wait_for(lambda: self._queue or self._closing)
            if self._interval:
                self._changed.wait_for(self._is_due, self._interval)
            batch = [self._queue.popleft() for _ in range(min(len(self._queue), self._batch_size))]
            self._exporting = len(batch)
            return batch

    def _is_due(self) -> bool:
        """Whether a batch goes out before its interval is over."""
        return self._closing or self._flushes > 0 or len(self._queue) >= self._batch_size

    def _export(self, batch: list[EventRecord]) -> None:
        error: BaseException | None = None
        try:
            self.export(batch)
        except BaseException as raised:  # SystemExit too: the thread must live to count and to close
            error = raised
            self._warn(f"{len(batch)} records could not be exported", raised)
        with self._changed:
            if self._exporting:  # else close() gave this batch up meanwhile and has counted it
                self._exported += 0 if error else len(batch)
                self._failed += len(batch) if error else 0
            self._exporting = 0
            self._changed.notify_all()

    def _warn(self, what: str, error: BaseException) -> None:
        """Say it on the log, at most once in 30 seconds; the counts tell the rest."""
        now = time.monotonic()
        if now - self._warned_at >= _WARNING_INTERVAL:
            self._warned_at = now
            _logger.warning("observability handler %s: %s: %s: %s", self.name, what, type(error).__name__, error)
