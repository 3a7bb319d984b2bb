"""Chat messages: a role and its parts, in the terms that providers share."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Any

import attrs

from llmgine_core.contracts.message import CONTENT
from llmgine_core.contracts.tools import ToolCall, ToolResult

__all__ = [
    "ChatMessage",
    "ImagePart",
    "Part",
    "ReasoningPart",
    "Role",
    "TextPart",
    "ToolCallPart",
    "ToolResultPart",
    "UnknownPart",
]


class Role(StrEnum):
    """Who speaks."""

    SYSTEM = "system"
    USER = "user"
    ASSISTANT = "assistant"
    TOOL = "tool"


def _extra() -> Any:
    return attrs.field(factory=dict[str, Any], kw_only=True, repr=False)


@attrs.frozen
class TextPart:
    """Words.

    Attributes:
        text: the words.
        extra: what the provider says besides (annotations, cache marks); JSON data.
    """

    text: str = attrs.field(metadata=CONTENT, validator=attrs.validators.instance_of(str))
    extra: Mapping[str, Any] = _extra()


@attrs.frozen
class ImagePart:
    """A picture, by address or in full.

    Attributes:
        url: an https: or data: address; None where `data` is given.
        data: the picture's bytes in Base64.
        media_type: its media type, `image/png`.
        detail: how closely to look, in the provider's words.
        extra: what the provider says besides; JSON data.
    """

    url: str | None = attrs.field(default=None, metadata=CONTENT)
    data: str | None = attrs.field(default=None, metadata=CONTENT, repr=False)
    media_type: str | None = None
    detail: str | None = None
    extra: Mapping[str, Any] = _extra()


@attrs.frozen
class ReasoningPart:
    """What the model thought before it spoke.

    Attributes:
        text: the thought, or its summary.
        signature: the provider's seal, to be sent back unchanged.
        redacted: the thought in the provider's encryption, where it is not told.
        extra: what the provider says besides; JSON data.
    """

    text: str = attrs.field(default="", metadata=CONTENT)
    signature: str | None = None
    redacted: str | None = None
    extra: Mapping[str, Any] = _extra()


@attrs.frozen
class ToolCallPart:
    """A call that the model asks for."""

    call: ToolCall
    extra: Mapping[str, Any] = _extra()


@attrs.frozen
class ToolResultPart:
    """What a call came to."""

    result: ToolResult
    extra: Mapping[str, Any] = _extra()


@attrs.frozen
class UnknownPart:
    """A part of a kind that this version does not know, kept as it was read.

    Attributes:
        type: the kind's stored name.
        data: everything that was stored; JSON data.
    """

    type: str
    data: Mapping[str, Any] = attrs.field(metadata=CONTENT)


Part = TextPart | ImagePart | ReasoningPart | ToolCallPart | ToolResultPart | UnknownPart


def _parts(parts: Iterable[Part]) -> tuple[Part, ...]:
    return tuple(parts)


@attrs.frozen
class ChatMessage:
    """One message of a conversation.

    Attributes:
        role: who speaks.
        parts: what is said, in order.
        name: the speaker's name, where several share a role.
        extra: what the provider says besides; JSON data.
    """

    role: Role = attrs.field(converter=Role)
    parts: tuple[Part, ...] = attrs.field(default=(), converter=_parts)
    name: str | None = attrs.field(default=None, kw_only=True)
    extra: Mapping[str, Any] = _extra()

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
