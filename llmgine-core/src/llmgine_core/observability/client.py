"""`ObservabilityClient`: the application's own telemetry, published as events like everything else."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any, Literal

from llmgine_core.contracts import ErrorInfo, Event, Outcome, handling, lifecycle_header
from llmgine_core.events import LogEvent, MetricEvent, SpanEndEvent, SpanStartEvent

__all__ = ["ObservabilityClient"]


class ObservabilityClient:
    """Logs, metrics and spans of an application. From any thread; never waits, never fails.

    Args:
        emit: the bus's `emit`.
    """

    def __init__(self, emit: Callable[[Event], None]) -> None:
        self._emit = emit

    def log(
        self, level: Literal["debug", "info", "warning", "error", "critical"], message: str, /, **fields: Any
    ) -> None:
        """Publish a `LogEvent`."""
        self._emit(LogEvent(level, message, fields))

    def counter(self, name: str, value: float = 1, unit: str = "1", /, **attributes: Any) -> None:
        """Publish a `MetricEvent` that adds `value` to a sum; `unit` in UCUM notation."""
        self._emit(MetricEvent(name, "counter", value, unit, attributes))

    def histogram(self, name: str, value: float, unit: str = "1", /, **attributes: Any) -> None:
        """Publish a `MetricEvent` that adds `value` to a distribution; `unit` in UCUM notation."""
        self._emit(MetricEvent(name, "histogram", value, unit, attributes))

    @contextmanager
    def span(self, name: str, /, **attributes: Any) -> Generator[None]:
        """Publish a `SpanStartEvent`, and at the end of the block a `SpanEndEvent`; exceptions pass unchanged."""
        start = SpanStartEvent(name, attributes)
        self._emit(start)
        began, error, outcome = time.perf_counter(), None, Outcome.OK
        try:
            with handling(start):
                yield
        except Exception as raised:
            error, outcome = ErrorInfo.from_exception(raised), Outcome.ERROR
            raise
        except BaseException:
            outcome = Outcome.CANCELLED
            raise
        finally:
            end = SpanEndEvent(start.id, name, outcome, time.perf_counter() - began, error)
            self._emit(end.with_header(lifecycle_header(start)))
