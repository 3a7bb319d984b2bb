"""The parts of an application that are no plugin's context managers: observability handlers, the bus, the drain."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from types import TracebackType

import anyio
import anyio.to_thread

from llmgine_core import abc
from llmgine_core.contracts import ErrorInfo, Outcome, StopReport
from llmgine_core.events import BootstrapStartEvent, BootstrapStopEvent
from llmgine_core.observability import ContentPolicy, ObservabilityEventHandler

__all__ = ["Drain", "RunningBus", "RunningHandler"]

_logger = logging.getLogger("llmgine.bootstrap")


class RunningHandler:
    """An observability handler that watches the bus.

    Args:
        handler: the handler.
        bus: whose events it is shown.
        policy: which content it writes.
        redactors: what goes over its records.
        closing: seconds that it has to write what waits, at its end.
    """

    def __init__(
        self,
        handler: ObservabilityEventHandler,
        bus: abc.MessageBus,
        policy: ContentPolicy,
        redactors: Sequence[abc.Redactor],
        closing: float,
    ) -> None:
        self._handler, self._bus, self._closing = handler, bus, closing
        self._policy, self._redactors = policy, redactors
        self._given_up = False

    async def __aenter__(self) -> None:
        try:
            await anyio.to_thread.run_sync(self._start, abandon_on_cancel=True)
        except anyio.get_cancelled_exc_class():
            self._given_up = True
            self._handler.close(0)
            raise
        self._tap = self._bus.add_tap(self._handler.accept)

    def _start(self) -> None:
        self._handler.start(self._policy, self._redactors)
        if self._given_up:  # meanwhile, when there was nothing to close yet
            self._handler.close(0)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._tap.unregister()
        in_time = await anyio.to_thread.run_sync(self._handler.close, self._closing, abandon_on_cancel=True)
        books = self._handler.stats()
        if not in_time or books.dropped or books.failed:
            _logger.warning(
                "observability handler %s closed with %d of %d events exported (%d failed, %d dropped)",
                self._handler.name,
                books.exported,
                books.accepted,
                books.failed,
                books.dropped,
            )


class Drain:
    """Waits at the stop until handlers have finished what was accepted.

    That happens more than once: before what they may use stops, and after what brings them work has stopped. All of it
    shares one allowance.

    Args:
        bus: whose handlers.
        allowance: seconds in all.
    """

    def __init__(self, bus: abc.MessageBus, allowance: float) -> None:
        self._bus, self._allowance = bus, allowance
        self.left: float = allowance

    def up_to(self, share: float) -> _DrainStep:
        """A part whose end is a drain, after which that share of the allowance may be used up."""
        return _DrainStep(self, self._allowance * (1 - share))

    async def wait(self, keep: float) -> None:
        """Wait until nothing is pending, or only so many seconds are left."""
        began = time.monotonic()
        try:
            await self._bus.wait_idle(timeout=max(self.left - keep, 0))
        except TimeoutError:
            _logger.warning("handlers are still at work; they have %.3g s more before they are cancelled", keep)
        finally:
            self.left -= min(time.monotonic() - began, self.left)


class _DrainStep:
    def __init__(self, drain: Drain, keep: float) -> None:
        self._drain, self._keep = drain, keep

    async def __aenter__(self) -> None:
        """Nothing has been accepted yet."""

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._drain.wait(self._keep)


class RunningBus:
    """The application's bus, which tells of its start and its stop.

    Args:
        application: the application's name.
        bus: the bus.
        began: when the start began, by `time.perf_counter`.
        drain: what says how long handlers may still work at the stop.

    Attributes:
        started: the event that tells of the start; what happens meanwhile is caused by it.
    """

    def __init__(self, application: str, bus: abc.MessageBus, began: float, drain: Drain) -> None:
        self._application, self._bus, self._began, self._drain = application, bus, began, drain
        self.started: BootstrapStartEvent = BootstrapStartEvent(application)

    async def __aenter__(self) -> None:
        await self._bus.__aenter__()
        self._bus.emit(self.started)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        outcome = Outcome.OK if error is None else Outcome.ERROR if isinstance(error, Exception) else Outcome.CANCELLED
        info = None if error is None else ErrorInfo.from_exception(error)
        self._bus.emit(BootstrapStopEvent(self._application, outcome, time.perf_counter() - self._began, info))
        before = self._discarded()
        report = await self._bus.stop(drain=self._drain.left)
        await self._bus.__aexit__(None, None, None)  # a bus of another make may release there what it entered with
        _tell(report, [name for name, count in self._discarded().items() if count > before.get(name, 0)])

    def _discarded(self) -> dict[str, int]:
        return {name: books.discarded for name, books in self._bus.stats().subscriptions.items()}


def _tell(report: StopReport, subscriptions: list[str]) -> None:
    if report.left or report.discarded or report.cancelled:
        _logger.warning(
            "the bus stopped before all was done: %d deliveries were left, %d discarded (for %s), %d handlers and "
            "tasks cancelled; `stop_timeout` gives them longer",
            report.left,
            report.discarded,
            ", ".join(subscriptions) or "none",
            report.cancelled,
        )
