"""A context store and a tool manager, as far as tests of the core need them."""

from collections.abc import Sequence
from typing import Any

from llmgine_core import ChatMessage

__all__ = ["Histories", "Tools"]


class Histories:
    """A context store, as far as these tests need one."""

    def __init__(self) -> None:
        self.kept: dict[str, tuple[ChatMessage, ...]] = {}

    async def add_message(self, session_id: str, message: ChatMessage) -> int:
        return await self.add_messages(session_id, (message,))

    async def add_messages(
        self,
        session_id: str,
        messages: Sequence[ChatMessage],
        *,
        expected_version: int | None = None,
        idempotency_key: str | None = None,
    ) -> int:
        self.kept[session_id] = (*self.kept.get(session_id, ()), *messages)
        return len(self.kept[session_id])

    async def get_context(
        self, session_id: str, *, limit: int | None = None, after: int | None = None
    ) -> tuple[ChatMessage, ...]:
        return self.kept.get(session_id, ())[-(limit or 0) :]

    async def clear_context(self, session_id: str) -> None:
        del self.kept[session_id]

    async def version(self, session_id: str) -> int:
        return 0

    async def sessions(self) -> tuple[str, ...]:
        return tuple(self.kept)

    async def fork(self, session_id: str, new_id: str, *, at: int | None = None) -> int:
        return 0

    async def replace(self, *_: Any, **__: Any) -> int:
        return 0


class Tools:
    """A tool manager, as far as these tests need one."""

    def __init__(self, session: Any) -> None:
        self.session = session
        self.functions: list[Any] = []

    def register_tool(self, function: Any, **_: Any) -> None:
        self.functions.append(function)
