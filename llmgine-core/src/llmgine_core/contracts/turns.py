"""Turns: what a user says and everything until the answer; and approvals on the way."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, ClassVar

import attrs

from llmgine_core.contracts.chat import ChatMessage
from llmgine_core.contracts.llm import Usage
from llmgine_core.contracts.message import CONTENT, Command, StreamCommand
from llmgine_core.contracts.tools import ToolCall, ToolDefinition, ToolResult

__all__ = [
    "Approval",
    "ApproveToolCall",
    "OutputType",
    "RunTurn",
    "StoppedBy",
    "StreamTurn",
    "TurnCompleted",
    "TurnResult",
    "TurnStreamEvent",
    "TurnTextDelta",
    "TurnToolCall",
    "TurnToolResult",
    "TurnUnknownEvent",
    "UnknownType",
]


@attrs.frozen
class Approval:
    """Whether a tool call may be made, and in words why (not)."""

    approved: bool
    reason: str = attrs.field(default="", metadata=CONTENT)


@attrs.frozen
class ApproveToolCall(Command[Approval]):
    """May this call be made? Applications register the handler that asks whoever decides."""

    type_name: ClassVar[str] = "ApproveToolCall"
    call: ToolCall
    definition: ToolDefinition | None = None


class StoppedBy(StrEnum):
    """What ended a turn."""

    ANSWER = "answer"
    MAX_STEPS = "max_steps"
    LENGTH = "length"
    CONTENT_FILTER = "content_filter"
    REFUSAL = "refusal"


@attrs.frozen(kw_only=True)
class TurnResult:
    """What a turn came to.

    Attributes:
        text: the answer.
        output: the answer as the type asked for; None if none was.
        messages: what the turn added to the history, in order.
        usage: tokens of all its model calls.
        steps: how many model calls it took.
        stopped_by: what ended it.
    """

    text: str = attrs.field(metadata=CONTENT)
    output: Any = attrs.field(default=None, metadata=CONTENT)
    messages: tuple[ChatMessage, ...] = ()
    usage: Usage = attrs.field(factory=Usage)
    steps: int = 1
    stopped_by: StoppedBy = attrs.field(default=StoppedBy.ANSWER, converter=StoppedBy)


@attrs.frozen
class UnknownType:
    """A type that a document names and that is not imported here, or is no type for an answer.

    Attributes:
        document: its name, `module:qualname`; of a generic type a list of its name and those of its arguments.
    """

    document: Any


OutputType = type[Any] | UnknownType
"""What a turn may be asked to answer with; `UnknownType` only where the command was read from a document."""


@attrs.frozen
class RunTurn(Command[TurnResult]):
    """Answer the user: history in, model, tool calls, history out.

    Attributes:
        text: what the user says.
        system: what the model is told before the conversation.
        llm: the configured name of the model.
        output: the type that the answer must have; None for text. In a document it is `module:qualname`, which is
            looked up among what is imported already.
        max_steps: most model calls.
        max_tokens: most tokens that one model call may write.
        timeout: seconds for the whole turn.
    """

    type_name: ClassVar[str] = "RunTurn"
    text: str = attrs.field(metadata=CONTENT, validator=attrs.validators.instance_of(str))
    system: str | None = attrs.field(default=None, kw_only=True, metadata=CONTENT)
    llm: str = attrs.field(default="default", kw_only=True)
    output: OutputType | None = attrs.field(default=None, kw_only=True)
    max_steps: int = attrs.field(default=8, kw_only=True, validator=attrs.validators.ge(1))
    max_tokens: int | None = attrs.field(default=None, kw_only=True)
    timeout: float | None = attrs.field(default=None, kw_only=True)


@attrs.frozen
class TurnStreamEvent:
    """One step of a streamed turn; the last is `TurnCompleted`."""


@attrs.frozen
class TurnTextDelta(TurnStreamEvent):
    """The next words of the answer."""

    text: str = attrs.field(metadata=CONTENT)


@attrs.frozen
class TurnToolCall(TurnStreamEvent):
    """The model asks for a tool call, which begins now."""

    call: ToolCall


@attrs.frozen
class TurnToolResult(TurnStreamEvent):
    """A tool call has ended."""

    result: ToolResult


@attrs.frozen
class TurnCompleted(TurnStreamEvent):
    """The turn is over; `result` holds all of it."""

    result: TurnResult


@attrs.frozen
class TurnUnknownEvent(TurnStreamEvent):
    """A step of a kind that this version does not know, kept as it was read.

    Attributes:
        type: the kind's stored name.
        data: everything that was stored; JSON data.
    """

    type: str
    data: Mapping[str, Any] = attrs.field(metadata=CONTENT)


@attrs.frozen
class StreamTurn(StreamCommand[TurnStreamEvent]):
    """`RunTurn`, streamed. The fields are those of `RunTurn`."""

    type_name: ClassVar[str] = "StreamTurn"
    text: str = attrs.field(metadata=CONTENT, validator=attrs.validators.instance_of(str))
    system: str | None = attrs.field(default=None, kw_only=True, metadata=CONTENT)
    llm: str = attrs.field(default="default", kw_only=True)
    output: OutputType | None = attrs.field(default=None, kw_only=True)
    max_steps: int = attrs.field(default=8, kw_only=True, validator=attrs.validators.ge(1))
    max_tokens: int | None = attrs.field(default=None, kw_only=True)
    timeout: float | None = attrs.field(default=None, kw_only=True)
