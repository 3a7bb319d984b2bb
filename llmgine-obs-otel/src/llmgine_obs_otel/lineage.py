"""`Lineage`: the nearest span above a message, where the message that caused it has none."""

from __future__ import annotations

from llmgine_core.observability import EventRecord

__all__ = ["Bounded", "Lineage"]


class Bounded(dict[str, str | None]):
    """A mapping that forgets its oldest entries.

    Args:
        limit: most entries.
    """

    def __init__(self, limit: int) -> None:
        super().__init__()
        self._limit = limit

    def __setitem__(self, key: str, value: str | None) -> None:
        super().__setitem__(key, value)
        if len(self) > self._limit:
            del self[next(iter(self))]


class Lineage:
    """Remembers where messages without a span stand.

    A record's parent is whatever message caused it: often an event, for which no span is exported. Left so,
    everything that event handlers do would hang below a span that never arrives.
    """

    def __init__(self, limit: int = 16_384) -> None:
        self._above = Bounded(limit)

    def skip(self, record: EventRecord) -> None:
        """Remember that the record's message has no span of its own."""
        # resolved here, once, so that looking up is one step and no chain of foreign ids can be a circle
        self._above[record.span_id] = self.nearest(record.parent_span_id)

    def nearest(self, span_id: str | None) -> str | None:
        """The span itself if it is one, else the nearest above it."""
        return None if span_id is None else self._above.get(span_id, span_id)
