"""One session's history, with what it was at earlier versions."""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from llmgine_core.contracts import ChatMessage

__all__ = ["History"]


@attrs.define(eq=False)
class _Entry:
    """A message and the versions between which it was part of the history."""

    message: ChatMessage
    added: int
    removed: int | None = None


class History:
    """Messages in order. Each change makes a new version; nothing here is safe for threads by itself.

    Attributes:
        version: the number of changes so far.
        keys: the version that each idempotency key led to.
    """

    __slots__ = ("_entries", "_forgotten", "keys", "version")

    def __init__(self) -> None:
        self.version = 0
        self.keys: dict[str, int] = {}
        self._entries: list[_Entry] = []
        self._forgotten = 0

    def messages(self, *, after: int = 0) -> tuple[ChatMessage, ...]:
        """The messages as they are, or those of them that were added after a version."""
        return tuple(e.message for e in self._entries if e.removed is None and e.added > after)

    def at(self, version: int) -> tuple[ChatMessage, ...]:
        """The messages as they were at a version.

        Raises:
            ValueError: there was no such version, or it has been cleared.
        """
        if not self._forgotten <= version <= self.version:
            raise ValueError(f"version {version} is not kept; there are {self._forgotten} to {self.version}")
        return tuple(
            e.message for e in self._entries if e.added <= version and (e.removed is None or e.removed > version)
        )

    def append(self, messages: Sequence[ChatMessage]) -> None:
        """Add messages at the end."""
        self.version += 1
        self._entries.extend(_Entry(message, self.version) for message in messages)

    def clear(self) -> None:
        """Forget all messages, those of earlier versions too."""
        self.version += 1
        self._forgotten = self.version
        self._entries.clear()

    def replace(self, start: int, stop: int, messages: Sequence[ChatMessage]) -> None:
        """Put messages in the place of others; the others stay known for earlier versions.

        Raises:
            IndexError: there is no such part.
        """
        places = [i for i, entry in enumerate(self._entries) if entry.removed is None]
        if not 0 <= start <= stop <= len(places):
            raise IndexError(f"there is no part {start}:{stop} in a history of {len(places)} messages")
        self.version += 1
        for place in places[start:stop]:
            self._entries[place].removed = self.version
        at = places[start] if start < len(places) else len(self._entries)
        self._entries[at:at] = [_Entry(message, self.version) for message in messages]
