"""Dead letters: deliveries on which a handler failed, kept until somebody redelivers them."""

from __future__ import annotations

from datetime import UTC, datetime

from llmgine_core.contracts import DeadLetter, ErrorInfo, Event

__all__ = ["DeadLetters"]

_KEPT = 1_000


class DeadLetters:
    """The newest failed deliveries.

    Attributes:
        forgotten: how many were let go because more came after them.
    """

    def __init__(self) -> None:
        self._letters: dict[str, DeadLetter] = {}
        self._number = 0
        self.forgotten: int = 0

    def __len__(self) -> int:
        return len(self._letters)

    def all(self) -> tuple[DeadLetter, ...]:
        """The letters, oldest first."""
        return tuple(self._letters.values())

    def add(self, event: Event, subscription: str, attempts: int, error: ErrorInfo) -> None:
        """Keep a failed delivery."""
        self._number += 1
        letter = DeadLetter(
            id=f"{event.id}-{self._number}",
            event=event,
            subscription=subscription,
            attempts=attempts,
            error=error,
            failed_at=datetime.now(UTC),
        )
        self._letters[letter.id] = letter
        if len(self._letters) > _KEPT:
            del self._letters[next(iter(self._letters))]
            self.forgotten += 1

    def find(self, id: str) -> DeadLetter:
        """The letter of that id.

        Raises:
            LookupError: there is none.
        """
        if (letter := self._letters.get(id)) is None:
            raise LookupError(f"there is no dead letter {id!r}; dead_letters() lists the {len(self)} that are kept")
        return letter

    def remove(self, id: str) -> None:
        """Take a letter out."""
        self._letters.pop(id, None)
