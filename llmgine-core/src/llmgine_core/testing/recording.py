"""A handler that remembers."""

from __future__ import annotations

from collections.abc import Sequence

from llmgine_core.observability import EventRecord, ObservabilityEventHandler

__all__ = ["RecordingEventHandler"]


class RecordingEventHandler(ObservabilityEventHandler):
    """An observability handler that keeps every record.

    Attributes:
        records: what was exported, in order; complete after `flush` or the application's end.
    """

    def __init__(self, *, name: str = "recording") -> None:
        super().__init__(name=name)
        self.records: list[EventRecord] = []

    def export(self, batch: Sequence[EventRecord]) -> None:
        """Keep the records."""
        self.records.extend(batch)

    def types(self) -> list[str]:
        """The type names of the records."""
        return [record.type for record in self.records]

    def of_type(self, type_name: str) -> list[EventRecord]:
        """The records of one type."""
        return [record for record in self.records if record.type == type_name]
