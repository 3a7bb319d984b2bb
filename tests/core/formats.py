"""What the tests of providers' formats share: documents go into contracts, through JSON, and out again.

The mappings in those tests are complete for the documents shown there, and say where each fact has its place; plugins
have mappings of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from llmgine_core import (
    ChatMessage,
    FilePart,
    GenerateCommand,
    ImagePart,
    LLMCompleted,
    LLMRequest,
    LLMResponse,
    LLMStreamChunkEvent,
    TextPart,
    ToolCallPart,
)
from llmgine_core.serialization import dumps, dumps_value, loads, loads_value

Document = dict[str, Any]

SCHEMA: Document = {
    "type": "object",
    "properties": {"city": {"type": "string", "description": "A city."}, "unit": {"enum": ["c", "f"]}},
    "required": ["city"],
    "additionalProperties": False,
}
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


def request_survives(
    document: Document, read: Callable[[Document], LLMRequest], write: Callable[[LLMRequest], Document]
) -> LLMRequest:
    """The request that the document states, after it came through JSON and stated the same document again."""
    request = read(document)
    assert loads_value(dumps_value(request), LLMRequest) == request
    command = loads(dumps(GenerateCommand(request)))
    assert isinstance(command, GenerateCommand)
    assert write(command.request) == document
    return command.request


def response_survives(
    document: Document, read: Callable[[Document], LLMResponse], write: Callable[[LLMResponse], Document]
) -> LLMResponse:
    """The response that the document states, after it came through JSON and stated the same document again."""
    response = read(document)
    assert response.raw is None
    assert loads_value(dumps_value(response), LLMResponse) == response
    event = loads(dumps(LLMStreamChunkEvent("1", 0, LLMCompleted(response))))
    assert isinstance(event, LLMStreamChunkEvent)
    assert isinstance(event.chunk, LLMCompleted)
    assert write(event.chunk.response) == document
    return event.chunk.response


# ── pieces of mappings ───────────────────────────────────────────────────────────────────────────────────────────────


def without_nones(document: Document) -> Document:
    return {key: value for key, value in document.items() if value is not None}


def split_data_url(url: str) -> tuple[str, str] | None:
    """Media type and Base64 of a data: address."""
    if not url.startswith("data:"):
        return None
    media_type, _, data = url.removeprefix("data:").partition(";base64,")
    return media_type, data


def data_url(part: ImagePart | FilePart) -> str:
    return f"data:{part.media_type};base64,{part.data}"


def plain_text(parts: Iterable[Any]) -> str | None:
    """The text of what is one piece of text and nothing more, for which formats have a short form."""
    match list(parts):
        case [TextPart(text) as part] if part == TextPart(text):
            return text
        case _:
            return None


def call_names(messages: Iterable[ChatMessage]) -> dict[str, str]:
    """The names of the tools called so far, by call: formats leave them out of results."""
    calls = (part.call for message in messages for part in message.parts if isinstance(part, ToolCallPart))
    return {call.id: call.name for call in calls}
