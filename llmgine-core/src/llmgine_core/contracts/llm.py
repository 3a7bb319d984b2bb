"""Model calls: one request, one response, one stream of events, whatever the provider."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Any, ClassVar, cast

import attrs

from llmgine_core.contracts.chat import ChatMessage
from llmgine_core.contracts.message import CONTENT, Command, StreamCommand
from llmgine_core.contracts.parts import extra_field
from llmgine_core.contracts.tools import ToolDefinition

__all__ = [
    "FinishReason",
    "GenerateCommand",
    "LLMCompleted",
    "LLMReasoningDelta",
    "LLMRequest",
    "LLMResponse",
    "LLMStreamEvent",
    "LLMTextDelta",
    "LLMToolCallDelta",
    "LLMUnknownEvent",
    "StreamGenerateCommand",
    "Usage",
]


class FinishReason(StrEnum):
    """Why the model stopped.

    `STOP`: it was done, or met a stop sequence. `LENGTH`: the tokens allowed, or its window, were used up.
    `CONTENT_FILTER`: the provider held the answer back. `REFUSAL`: the model did. `PAUSE`: it is not done and wants to
    be asked again, with what it said so far.
    """

    STOP = "stop"
    LENGTH = "length"
    TOOL_CALLS = "tool_calls"
    CONTENT_FILTER = "content_filter"
    REFUSAL = "refusal"
    PAUSE = "pause"
    ERROR = "error"
    OTHER = "other"


@attrs.frozen
class Usage:
    """Tokens that a call cost.

    Attributes:
        input_tokens: tokens read, with those read from the provider's cache and those written to it.
        output_tokens: tokens written, reasoning included.
        cached_input_tokens: how many of those read came from the provider's cache.
        reasoning_tokens: how many of those written were reasoning.
        cache_creation_input_tokens: how many of those read the provider put into its cache, where it charges for that.
        extra: what the provider counts and says besides (audio and prediction tokens, the life of cached tokens, the
            service tier), as it writes it; JSON data.
    """

    input_tokens: int = 0
    output_tokens: int = 0
    cached_input_tokens: int = 0
    reasoning_tokens: int = 0
    cache_creation_input_tokens: int = 0
    extra: Mapping[str, Any] = attrs.field(factory=dict[str, Any], kw_only=True, repr=False)

    @property
    def total_tokens(self) -> int:
        """Tokens read and written."""
        return self.input_tokens + self.output_tokens

    def __add__(self, other: Usage) -> Usage:
        """Both together; of what `extra` holds, numbers are added at every depth and the later word stands."""
        return Usage(
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            self.cached_input_tokens + other.cached_input_tokens,
            self.reasoning_tokens + other.reasoning_tokens,
            self.cache_creation_input_tokens + other.cache_creation_input_tokens,
            extra=_added(self.extra, other.extra) if self.extra and other.extra else self.extra or other.extra,
        )


def _added(one: Any, other: Any) -> Any:
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        first, second = cast("Mapping[str, Any]", one), cast("Mapping[str, Any]", other)
        return {**first, **{key: _added(first.get(key), value) for key, value in second.items()}}
    if isinstance(one, (int, float)) and isinstance(other, (int, float)):
        return one + other
    return cast("Any", one if other is None else other)


# One for each type: type checkers cannot read a field's type off a generic converter.
def _messages(messages: Iterable[ChatMessage]) -> tuple[ChatMessage, ...]:
    return tuple(messages)


def _definitions(definitions: Iterable[ToolDefinition]) -> tuple[ToolDefinition, ...]:
    return tuple(definitions)


def _strings(strings: Iterable[str]) -> tuple[str, ...]:
    return tuple(strings)


def _optional_strings(strings: Iterable[str] | None) -> tuple[str, ...] | None:
    return None if strings is None else tuple(strings)


@attrs.frozen(kw_only=True)
class LLMRequest:
    """What a language model is asked.

    Attributes:
        model: the provider's name of the model; None takes the one that the plugin's settings name.
        messages: the conversation so far.
        tools: what the model may call.
        tool_choice: `auto`, `none`, `required`, or the name of the tool that must be called.
        allowed_tools: names of those of the tools to which `tool_choice` is confined this time; None for all of them.
        parallel_tool_calls: whether the model may call several tools at once; None for the provider's default.
        response_format: JSON Schema that the answer must fit; None for free text.
        temperature: 0 for the likeliest answer; None for the provider's default, as below.
        top_p: nucleus sampling, 0 to 1.
        max_output_tokens: most tokens to write.
        stop: strings that end the answer.
        seed: for providers that can repeat an answer.
        timeout: seconds for the whole call.
        extra: fields that only this provider knows, as it writes them (`reasoning_effort`, `metadata`, `user`, `top_k`;
            what it says of the schema besides, under the name of the field that holds it); JSON data.
    """

    model: str | None = None
    messages: tuple[ChatMessage, ...] = attrs.field(converter=_messages)
    tools: tuple[ToolDefinition, ...] = attrs.field(default=(), converter=_definitions)
    tool_choice: str = "auto"
    allowed_tools: tuple[str, ...] | None = attrs.field(default=None, converter=_optional_strings)
    parallel_tool_calls: bool | None = None
    response_format: Mapping[str, Any] | None = None
    temperature: float | None = None
    top_p: float | None = None
    max_output_tokens: int | None = None
    stop: tuple[str, ...] = attrs.field(default=(), converter=_strings)
    seed: int | None = None
    timeout: float | None = None
    extra: Mapping[str, Any] = attrs.field(factory=dict[str, Any], metadata=CONTENT)


@attrs.frozen(kw_only=True)
class LLMResponse:
    """What a language model answered.

    Attributes:
        id: the provider's id of the response.
        model: the model that answered, as the provider names it.
        message: the answer, with its tool calls.
        finish_reason: why the model stopped.
        stop_sequence: which of the request's `stop` ended the answer, where the provider says so.
        usage: tokens that it cost.
        extra: what the provider says besides (log probabilities, when and by which system it answered, what cut it
            short), as it writes it; JSON data.
        raw: the provider's own document, where the plugin keeps it; JSON data only.
    """

    id: str = ""
    model: str
    message: ChatMessage
    finish_reason: FinishReason = attrs.field(default=FinishReason.STOP, converter=FinishReason)
    stop_sequence: str | None = attrs.field(default=None, metadata=CONTENT)
    usage: Usage = attrs.field(factory=Usage)
    extra: Mapping[str, Any] = extra_field()
    raw: Mapping[str, Any] | None = attrs.field(default=None, metadata=CONTENT, repr=False)


@attrs.frozen
class LLMStreamEvent:
    """One step of a streamed answer; the last is `LLMCompleted`."""


@attrs.frozen
class LLMTextDelta(LLMStreamEvent):
    """The next words of the answer."""

    text: str = attrs.field(metadata=CONTENT)


@attrs.frozen
class LLMReasoningDelta(LLMStreamEvent):
    """The next words of the model's reasoning."""

    text: str = attrs.field(metadata=CONTENT)


@attrs.frozen
class LLMToolCallDelta(LLMStreamEvent):
    """The next piece of a tool call.

    Attributes:
        index: which call of the answer, from 0.
        id: the call's id, in its first piece.
        name: the tool's name, in its first piece.
        arguments: the next characters of the arguments.
    """

    index: int
    id: str | None = None
    name: str | None = None
    arguments: str = attrs.field(default="", metadata=CONTENT)


@attrs.frozen
class LLMCompleted(LLMStreamEvent):
    """The answer is complete; `response` holds all of it."""

    response: LLMResponse


@attrs.frozen
class LLMUnknownEvent(LLMStreamEvent):
    """A step of a kind that this version does not know, kept as it was read.

    Attributes:
        type: the kind's stored name.
        data: everything that was stored; JSON data.
    """

    type: str
    data: Mapping[str, Any] = attrs.field(metadata=CONTENT)


@attrs.frozen
class GenerateCommand(Command[LLMResponse]):
    """Ask the model configured under the name `llm` for one answer."""

    type_name: ClassVar[str] = "GenerateCommand"
    request: LLMRequest
    llm: str = "default"


@attrs.frozen
class StreamGenerateCommand(StreamCommand[LLMStreamEvent]):
    """Ask the model configured under the name `llm` for one answer, streamed."""

    type_name: ClassVar[str] = "StreamGenerateCommand"
    request: LLMRequest
    llm: str = "default"
