"""Chat messages: a role and its parts, in the terms that providers share."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Any

import attrs

from llmgine_core.contracts.parts import (
    FilePart,
    ImagePart,
    ReasoningPart,
    RefusalPart,
    TextPart,
    UnknownPart,
    extra_field,
    id_field,
)
from llmgine_core.contracts.tools import ToolCall, ToolResult

__all__ = [
    "ChatMessage",
    "Part",
    "Role",
    "ToolCallPart",
    "ToolResultPart",
]


class Role(StrEnum):
    """Who speaks."""

    SYSTEM = "system"
    USER = "user"
    ASSISTANT = "assistant"
    TOOL = "tool"


@attrs.frozen
class ToolCallPart:
    """A call that the model asks for.

    Attributes:
        call: the call.
        id: the provider's id of the output item, where that is another than the call's.
        extra: what the provider says besides; JSON data.
    """

    call: ToolCall
    id: str | None = id_field()
    extra: Mapping[str, Any] = extra_field()


@attrs.frozen
class ToolResultPart:
    """What a call came to.

    Attributes:
        result: the result.
        id: the provider's id of the item, where it gives one.
        extra: what the provider says besides (cache marks); JSON data.
    """

    result: ToolResult
    id: str | None = id_field()
    extra: Mapping[str, Any] = extra_field()


Part = TextPart | ImagePart | FilePart | ReasoningPart | RefusalPart | ToolCallPart | ToolResultPart | UnknownPart
"""One part of a message."""


def _parts(parts: Iterable[Part]) -> tuple[Part, ...]:
    return tuple(parts)


@attrs.frozen
class ChatMessage:
    """One message of a conversation.

    Attributes:
        role: who speaks. What OpenAI calls a developer's message is the system's, with `extra={"role": "developer"}`.
        parts: what is said, in order.
        name: the speaker's name, where several share a role.
        extra: what the provider says besides; JSON data.
    """

    role: Role = attrs.field(converter=Role)
    parts: tuple[Part, ...] = attrs.field(default=(), converter=_parts)
    name: str | None = attrs.field(default=None, kw_only=True)
    extra: Mapping[str, Any] = extra_field()

    @classmethod
    def system(cls, text: str) -> ChatMessage:
        """What the model is told before the conversation."""
        return cls(Role.SYSTEM, (TextPart(text),))

    @classmethod
    def user(cls, text: str) -> ChatMessage:
        """What the user says."""
        return cls(Role.USER, (TextPart(text),))

    @classmethod
    def assistant(cls, text: str = "", *, tool_calls: tuple[ToolCall, ...] = ()) -> ChatMessage:
        """What the model says and asks for."""
        words = (TextPart(text),) if text else ()
        return cls(Role.ASSISTANT, (*words, *map(ToolCallPart, tool_calls)))

    @classmethod
    def tool(cls, *results: ToolResult) -> ChatMessage:
        """What tool calls came to."""
        return cls(Role.TOOL, tuple(map(ToolResultPart, results)))

    @property
    def text(self) -> str:
        """The words of all text parts, joined."""
        return "".join(part.text for part in self.parts if isinstance(part, TextPart))

    @property
    def tool_calls(self) -> tuple[ToolCall, ...]:
        """The calls asked for, in order."""
        return tuple(part.call for part in self.parts if isinstance(part, ToolCallPart))

    @property
    def tool_results(self) -> tuple[ToolResult, ...]:
        """The results given, in order."""
        return tuple(part.result for part in self.parts if isinstance(part, ToolResultPart))
