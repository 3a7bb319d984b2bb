"""What takes out of records what must not be seen, and what an application says of itself."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    from llmgine_core.observability import EventRecord

__all__ = ["Redactor", "Telemetry"]


class Redactor(Protocol):
    """Takes out of a record what must not leave the process."""

    def redact(self, record: EventRecord) -> EventRecord:
        """The record as it may be seen. One that raises loses the record, which is counted."""
        ...


class Telemetry(Protocol):
    """The application's own logs, metrics and spans, published as events. From any thread; never fails."""

    def log(
        self, level: Literal["debug", "info", "warning", "error", "critical"], message: str, /, **fields: Any
    ) -> None:
        """Say something."""
        ...

    def counter(self, name: str, value: float = 1, unit: str = "1", /, **attributes: Any) -> None:
        """Count something."""
        ...

    def histogram(self, name: str, value: float, unit: str = "1", /, **attributes: Any) -> None:
        """Measure something."""
        ...

    def span(self, name: str, /, **attributes: Any) -> AbstractContextManager[None]:
        """Time what happens inside the block; what is sent there belongs below it."""
        ...
