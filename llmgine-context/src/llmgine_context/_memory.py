"""A context store that lives and dies with its process."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from typing import Literal

import anyio

from llmgine_context._groups import newest
from llmgine_context._history import History
from llmgine_core.abc import BusVerbs
from llmgine_core.contracts import ChatMessage
from llmgine_core.errors import ContextConflictError
from llmgine_core.events import ChatHistoryUpdatedEvent

__all__ = ["InMemoryContextStore"]

_logger = logging.getLogger("llmgine.context")


class InMemoryContextStore:
    """Keeps the histories of sessions in memory. Safe to use from many tasks and threads at once.

    Each change publishes one `ChatHistoryUpdatedEvent` after it was made.

    Args:
        bus: where changes are published; without one they are not.
    """

    def __init__(self, bus: BusVerbs | None = None) -> None:
        self._bus = bus
        # Held for as long as a change takes and never across an await. The order in which it is had is the history's.
        self._lock = threading.Lock()
        self._histories: dict[str, History] = {}

    async def add_message(self, session_id: str, message: ChatMessage) -> int:
        """Append one message.

        Args:
            session_id: whose history.
            message: what to append.

        Returns:
            The new version.
        """
        return await self.add_messages(session_id, (message,))

    async def add_messages(
        self,
        session_id: str,
        messages: Sequence[ChatMessage],
        *,
        expected_version: int | None = None,
        idempotency_key: str | None = None,
    ) -> int:
        """Append messages, all or none. To append none changes nothing.

        Args:
            session_id: whose history.
            messages: what to append, in order.
            expected_version: append only if the history still has this version.
            idempotency_key: a key that was used before makes the call return its first result and change nothing.

        Returns:
            The new version.

        Raises:
            ContextConflictError: the version is another.
        """
        added = tuple(messages)
        with self._lock:
            history = self._histories.get(session_id) or History()
            if idempotency_key is not None and idempotency_key in history.keys:
                return history.keys[idempotency_key]
            _expect(session_id, history, expected_version)
            if added:
                history.append(added)
            if idempotency_key is not None:
                history.keys[idempotency_key] = history.version
            version = history.version
            if added or idempotency_key is not None:
                self._histories[session_id] = history
        if added:
            await self._publish(session_id, "append", added, version)
        return version

    async def get_context(
        self, session_id: str, *, limit: int | None = None, after: int | None = None
    ) -> tuple[ChatMessage, ...]:
        """The history, oldest first; empty for a session that is not known.

        Args:
            session_id: whose history.
            limit: at most so many, the newest, in whole groups: never a tool's result without its call. Only a newest
                group that alone is larger is returned whole.
            after: only what was added after the history had this version.

        Raises:
            ValueError: the limit is negative.
        """
        with self._lock:
            history = self._histories.get(session_id)
            messages = history.messages(after=after or 0) if history else ()
        return messages if limit is None else tuple(newest(messages, limit))

    async def clear_context(self, session_id: str) -> None:
        """Forget the history, its earlier versions included; the version grows all the same.

        Args:
            session_id: whose history.
        """
        with self._lock:
            history = self._histories.setdefault(session_id, History())
            history.clear()
            version = history.version
        await self._publish(session_id, "clear", (), version)

    async def version(self, session_id: str) -> int:
        """The history's version; 0 for a session that is not known."""
        with self._lock:
            history = self._histories.get(session_id)
            return history.version if history else 0

    async def sessions(self) -> tuple[str, ...]:
        """Ids of the sessions that have a history with anything in it."""
        with self._lock:
            return tuple(id for id, history in self._histories.items() if history.messages())

    async def fork(self, session_id: str, new_id: str, *, at: int | None = None) -> int:
        """Begin the history of `new_id` as a copy of another's, as it is or as it was at version `at`.

        Args:
            session_id: whose history is copied.
            new_id: whose history begins.
            at: the version to copy.

        Returns:
            The version of the new history, which counts from its own beginning.

        Raises:
            ContextConflictError: `new_id` has a history already.
            ValueError: there was no version `at`, or it has been cleared.
        """
        with self._lock:
            _expect(new_id, self._histories.get(new_id) or History(), 0)
            source = self._histories.get(session_id) or History()
            messages = source.messages() if at is None else source.at(at)
            history = self._histories[new_id] = History()
            history.append(messages)
            version = history.version
        await self._publish(new_id, "fork", messages, version)
        return version

    async def replace(
        self,
        session_id: str,
        start: int,
        stop: int,
        messages: Sequence[ChatMessage],
        *,
        expected_version: int | None = None,
    ) -> int:
        """Put `messages` in the place of `history[start:stop]`, for compaction.

        Args:
            session_id: whose history.
            start: index of the first message to go.
            stop: index of the first message to stay.
            messages: what comes in their place.
            expected_version: replace only if the history still has this version.

        Returns:
            The new version.

        Raises:
            ContextConflictError: the version is another.
            IndexError: there is no such part.
        """
        added = tuple(messages)
        with self._lock:
            history = self._histories.get(session_id) or History()
            _expect(session_id, history, expected_version)
            history.replace(start, stop, added)
            self._histories[session_id] = history
            version = history.version
        await self._publish(session_id, "replace", added, version)
        return version

    async def _publish(
        self,
        session_id: str,
        operation: Literal["append", "clear", "fork", "replace"],
        messages: tuple[ChatMessage, ...],
        version: int,
    ) -> None:
        if self._bus is None:
            return
        event = ChatHistoryUpdatedEvent(operation, messages, version, session_id=session_id)
        # The change is made: neither a cancellation nor a bus that refuses can be allowed to make it look undone.
        with anyio.CancelScope(shield=True):
            try:
                await self._bus.publish(event)
            except Exception:
                _logger.warning("version %d of %s could not be published", version, session_id, exc_info=True)


def _expect(session_id: str, history: History, version: int | None) -> None:
    if version is not None and history.version != version:
        raise ContextConflictError(session_id, version, history.version)
