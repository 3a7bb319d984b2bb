"""What keeps histories, offers tools and answers requests."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

from llmgine_core.abc.bus import BusSession
from llmgine_core.contracts import (
    ChatMessage,
    LLMRequest,
    LLMResponse,
    LLMStreamEvent,
    ToolCall,
    ToolDefinition,
    ToolResult,
)

__all__ = ["ContextStore", "LanguageModel", "OutputFormat", "ToolManager", "ToolManagerFactory"]


class ContextStore(Protocol):
    """Keeps the histories of sessions. A history's version grows with every change."""

    async def add_message(self, session_id: str, message: ChatMessage) -> int:
        """Append one message and return the new version."""
        ...

    async def add_messages(
        self,
        session_id: str,
        messages: Sequence[ChatMessage],
        *,
        expected_version: int | None = None,
        idempotency_key: str | None = None,
    ) -> int:
        """Append messages, all or none.

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
        ...

    async def get_context(
        self, session_id: str, *, limit: int | None = None, after: int | None = None
    ) -> tuple[ChatMessage, ...]:
        """The history, oldest first; empty for a session that is not known.

        Args:
            session_id: whose history.
            limit: at most so many, the newest, in whole groups: never a tool's result without its call.
            after: only what was added after the history had this version.
        """
        ...

    async def clear_context(self, session_id: str) -> None:
        """Forget the history; its version grows all the same."""
        ...

    async def version(self, session_id: str) -> int:
        """The history's version; 0 for a session that is not known."""
        ...

    async def sessions(self) -> tuple[str, ...]:
        """Ids of the sessions that have a history."""
        ...

    async def fork(self, session_id: str, new_id: str, *, at: int | None = None) -> int:
        """Begin the history of `new_id` as a copy of another's, as it is or as it was at version `at`.

        Raises:
            ContextConflictError: `new_id` has a history already.
        """
        ...

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

        Raises:
            ContextConflictError: the version is another.
            IndexError: there is no such part.
        """
        ...


class OutputFormat(Protocol):
    """The form of a structured answer: what a model is told of a type, and how its answer becomes a value of it."""

    @property
    def schema(self) -> Mapping[str, Any]:
        """JSON Schema of the answer, an object."""
        ...

    def read(self, text: str) -> Any:
        """The value that the answer states.

        Raises:
            ToolArgumentsError: the answer does not fit; the error lists every fault with its path.
        """
        ...


class ToolManager(Protocol):
    """The tools of one session: what a model is told of them, and how its calls are made."""

    def register_tool(
        self,
        function: Callable[..., Any],
        *,
        name: str | None = None,
        description: str | None = None,
        timeout: float | None = None,
        requires_approval: bool | None = None,
        examples: Sequence[str] = (),
    ) -> None:
        """Offer a function to models. What is left out is taken from `@tool`, else from the function itself.

        Raises:
            ToolSchemaError: its signature cannot be stated as a JSON Schema, or the name is taken or not allowed.
        """
        ...

    def get_tools(self, *, strict: bool = False) -> list[dict[str, Any]]:
        """The tools as OpenAI-compatible definitions, in the form of its strict mode where asked and possible."""
        ...

    def definitions(self) -> tuple[ToolDefinition, ...]:
        """The tools as contracts."""
        ...

    def output_format(self, output: type[Any]) -> OutputFormat:
        """The form of an answer of that type, from the same walk over types that tools are read with.

        Raises:
            ToolSchemaError: JSON Schema has no words for the type.
        """
        ...

    async def execute_tool_call(self, call: ToolCall) -> ToolResult:
        """Make the call. However it ends there is one result, and one `ToolExecuteResultEvent`."""
        ...

    async def execute_tool_calls(self, calls: Sequence[ToolCall]) -> tuple[ToolResult, ...]:
        """Make the calls in parallel; the results are in the order of the calls."""
        ...


ToolManagerFactory = Callable[[BusSession], ToolManager]
"""Makes the tool manager of a session."""


class LanguageModel(Protocol):
    """Answers requests. One that is an async context manager is entered at start and left at stop."""

    @property
    def provider(self) -> str:
        """Who serves it, in the terms of OpenTelemetry's `gen_ai.provider.name`."""
        ...

    @property
    def model(self) -> str:
        """The provider's name of the model that a request without one gets."""
        ...

    async def generate(self, request: LLMRequest) -> LLMResponse:
        """Answer in one piece.

        Raises:
            LanguageModelError: the model cannot answer; a subclass says why.
            TimeoutError: the request's timeout is up.
        """
        ...

    def stream(self, request: LLMRequest) -> AbstractAsyncContextManager[AsyncIterator[LLMStreamEvent]]:
        """Answer step by step; the last step is `LLMCompleted`. Leaving the block early stops the model.

        Raises:
            LanguageModelError: the model cannot answer, on entry or while iterating.
        """
        ...
