"""Anthropic Messages fits into the contracts.

https://docs.claude.com/en/api/messages
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest

from llmgine_core import (
    ChatMessage,
    FilePart,
    FinishReason,
    ImagePart,
    LLMRequest,
    LLMResponse,
    ReasoningPart,
    Role,
    TextPart,
    ToolCall,
    ToolCallPart,
    ToolDefinition,
    ToolOutcome,
    ToolResult,
    ToolResultPart,
    UnknownPart,
    Usage,
)
from tests.core.formats import (
    PIXEL,
    SCHEMA,
    Document,
    call_names,
    plain_text,
    request_survives,
    response_survives,
    without_nones,
)

# ── blocks and messages ──────────────────────────────────────────────────────────────────────────────────────────────


def read_block(document: Document, names: dict[str, str]) -> Any:
    rest = dict(document)
    match rest.pop("type"):
        case "text":
            return TextPart(rest.pop("text"), annotations=rest.pop("citations", ()), extra=rest)
        case "image":
            return ImagePart(**read_source(rest.pop("source")), extra=rest)
        case "document" if rest["source"]["type"] != "content":
            return FilePart(**read_source(rest.pop("source")), name=rest.pop("title", None), extra=rest)
        case "thinking":
            return ReasoningPart(rest.pop("thinking"), rest.pop("signature"), extra=rest)
        case "redacted_thinking":
            return ReasoningPart(redacted=rest.pop("data"), extra=rest)
        case "tool_use":
            return ToolCallPart(ToolCall(rest.pop("id"), rest.pop("name"), json.dumps(rest.pop("input"))), extra=rest)
        case "tool_result":
            return ToolResultPart(read_result(rest, names), extra=rest)
        case kind:
            return UnknownPart(kind, rest)


def read_source(source: Document) -> Document:
    match source:
        case {"type": "url", "url": url}:
            return {"url": url}
        case {"type": "file", "file_id": file_id}:
            return {"file_id": file_id}
        case _:  # base64 and text
            return {"data": source["data"], "media_type": source["media_type"]}


def read_result(rest: Document, names: dict[str, str]) -> ToolResult:
    call_id, content = rest.pop("tool_use_id"), rest.pop("content", "")
    parts = [] if isinstance(content, str) else [read_block(block, names) for block in content]
    text = content if isinstance(content, str) else "".join(p.text for p in parts if isinstance(p, TextPart))
    outcome = ToolOutcome.ERROR if rest.pop("is_error", False) else ToolOutcome.OK
    return ToolResult(call_id, names.get(call_id, ""), text, outcome, parts=parts)


def write_block(part: Any) -> Document:
    match part:
        case TextPart(text):
            cited = {"citations": list(part.annotations)} if part.annotations else {}
            return {"type": "text", "text": text, **cited, **part.extra}
        case ImagePart():
            return {"type": "image", "source": write_source(part), **part.extra}
        case FilePart():
            named = without_nones({"title": part.name})
            return {"type": "document", "source": write_source(part), **named, **part.extra}
        case ReasoningPart(redacted=None):
            return {"type": "thinking", "thinking": part.text, "signature": part.signature, **part.extra}
        case ReasoningPart():
            return {"type": "redacted_thinking", "data": part.redacted, **part.extra}
        case ToolCallPart(call):
            input_ = json.loads(call.arguments)
            return {"type": "tool_use", "id": call.id, "name": call.name, "input": input_, **part.extra}
        case ToolResultPart(result):
            return {"type": "tool_result", "tool_use_id": result.call_id, **write_result(result), **part.extra}
        case _:
            return {"type": part.type, **part.data}


def write_source(part: ImagePart | FilePart) -> Document:
    if part.url is not None:
        return {"type": "url", "url": part.url}
    if part.file_id is not None:
        return {"type": "file", "file_id": part.file_id}
    kind = "text" if part.media_type == "text/plain" else "base64"
    return {"type": kind, "media_type": part.media_type, "data": part.data}


def write_result(result: ToolResult) -> Document:
    content = list(map(write_block, result.parts)) or result.content
    return {**({"content": content} if content else {}), **({} if result.ok else {"is_error": True})}


def read_message(document: Document, names: dict[str, str]) -> ChatMessage:
    content = document["content"]
    parts = [TextPart(content)] if isinstance(content, str) else [read_block(block, names) for block in content]
    is_result = any(isinstance(part, ToolResultPart) for part in parts)
    return ChatMessage("tool" if is_result else document["role"], parts)


def write_message(message: ChatMessage) -> Document:
    role = "user" if message.role is Role.TOOL else message.role.value
    return {"role": role, "content": write_content(message.parts)}


def write_content(parts: Sequence[Any]) -> Any:
    text = plain_text(parts)
    return list(map(write_block, parts)) if text is None else text


# ── requests ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def read_request(document: Document) -> LLMRequest:
    rest = dict(document)
    messages: list[ChatMessage] = []
    if system := rest.pop("system", None):
        messages.append(read_message({"role": "system", "content": system}, {}))
    for message in rest.pop("messages"):
        messages.append(read_message(message, call_names(messages)))
    choice = rest.pop("tool_choice", {"type": "auto"})
    schema = None
    if "format" in rest.get("output_config", {}):
        config = rest["output_config"]
        schema = config["format"]["schema"]
        rest["output_config"] = {**config, "format": {"type": "json_schema"}}
    alone = choice.get("disable_parallel_tool_use")
    return LLMRequest(
        model=rest.pop("model"),
        messages=messages,
        tools=[read_definition(tool) for tool in rest.pop("tools", ())],
        tool_choice=choice.get("name") or ("required" if choice["type"] == "any" else choice["type"]),
        parallel_tool_calls=None if alone is None else not alone,
        response_format=schema,
        temperature=rest.pop("temperature", None),
        top_p=rest.pop("top_p", None),
        max_output_tokens=rest.pop("max_tokens"),
        stop=rest.pop("stop_sequences", ()),
        extra=rest,
    )


def write_request(request: LLMRequest) -> Document:
    system = [message for message in request.messages if message.role is Role.SYSTEM]
    others = [message for message in request.messages if message.role is not Role.SYSTEM]
    document: Document = {
        **request.extra,
        "model": request.model,
        "max_tokens": request.max_output_tokens,
        "messages": list(map(write_message, others)),
        **without_nones({"temperature": request.temperature, "top_p": request.top_p}),
    }
    if system:
        document["system"] = write_content([part for message in system for part in message.parts])
    if request.stop:
        document["stop_sequences"] = list(request.stop)
    if request.tools:
        document |= {"tools": list(map(write_definition, request.tools)), "tool_choice": write_choice(request)}
    if request.response_format is not None:
        config = request.extra["output_config"]
        document["output_config"] = {**config, "format": {**config["format"], "schema": request.response_format}}
    return document


def read_definition(document: Document) -> ToolDefinition:
    rest = dict(document)
    name, kind = rest.pop("name"), rest.pop("type", "function")
    if kind != "function":
        return ToolDefinition(name, type=kind, extra=rest)
    schema, strict = rest.pop("input_schema"), rest.pop("strict", False)
    return ToolDefinition(name, rest.pop("description", ""), schema, strict, extra=rest)


def write_definition(tool: ToolDefinition) -> Document:
    if tool.type != "function":
        return {"type": tool.type, "name": tool.name, **tool.extra}
    strict = {"strict": True} if tool.strict else {}
    described = {"name": tool.name, "description": tool.description, "input_schema": tool.parameters}
    return {**described, **strict, **tool.extra}


def write_choice(request: LLMRequest) -> Document:
    words = {"auto": "auto", "none": "none", "required": "any"}
    word = words.get(request.tool_choice)
    choice = {"type": word} if word else {"type": "tool", "name": request.tool_choice}
    many = request.parallel_tool_calls
    return choice if many is None else {**choice, "disable_parallel_tool_use": not many}


# ── responses ────────────────────────────────────────────────────────────────────────────────────────────────────────

REASONS = {
    "end_turn": FinishReason.STOP,
    "stop_sequence": FinishReason.STOP,
    "max_tokens": FinishReason.LENGTH,
    "model_context_window_exceeded": FinishReason.LENGTH,
    "tool_use": FinishReason.TOOL_CALLS,
    "pause_turn": FinishReason.PAUSE,
    "refusal": FinishReason.REFUSAL,
}


def read_response(document: Document) -> LLMResponse:
    rest = dict(document)
    return LLMResponse(
        id=rest.pop("id"),
        model=rest.pop("model"),
        message=read_message({"role": rest.pop("role"), "content": rest.pop("content")}, {}),
        finish_reason=REASONS[rest["stop_reason"]],
        stop_sequence=rest.pop("stop_sequence"),
        usage=read_usage(rest.pop("usage")),
        extra=rest,  # the provider's word for why it stopped among the rest
    )


def write_response(response: LLMResponse) -> Document:
    return {
        **response.extra,
        "id": response.id,
        "role": "assistant",
        "model": response.model,
        "content": list(map(write_block, response.message.parts)),
        "stop_sequence": response.stop_sequence,
        "usage": write_usage(response.usage),
    }


def read_usage(document: Document) -> Usage:
    rest = dict(document)
    cached, created = rest.pop("cache_read_input_tokens"), rest.pop("cache_creation_input_tokens")
    return Usage(
        rest.pop("input_tokens") + cached + created,
        rest.pop("output_tokens"),
        cached,
        cache_creation_input_tokens=created,
        extra=rest,
    )


def write_usage(usage: Usage) -> Document:
    cached, created = usage.cached_input_tokens, usage.cache_creation_input_tokens
    return {
        **usage.extra,
        "input_tokens": usage.input_tokens - cached - created,
        "output_tokens": usage.output_tokens,
        "cache_read_input_tokens": cached,
        "cache_creation_input_tokens": created,
    }


# ── documents ────────────────────────────────────────────────────────────────────────────────────────────────────────

KEPT = {"type": "ephemeral", "ttl": "1h"}
WEATHER: Document = {"name": "get_weather", "description": "Weather.", "input_schema": SCHEMA}
SEARCH: Document = {
    "type": "web_search_20250305",
    "name": "web_search",
    "max_uses": 5,
    "allowed_domains": ["example.com"],
    "user_location": {"type": "approximate", "city": "Paris", "timezone": "Europe/Paris"},
}
THOUGHT: Document = {"type": "thinking", "thinking": "Paris, then.", "signature": "EqoBCkgIAR=="}
HIDDEN: Document = {"type": "redacted_thinking", "data": "EmwKAhgBEgy3va=="}
CALL: Document = {"type": "tool_use", "id": "toolu_1", "name": "get_weather", "input": {"city": "Paris"}}
SEARCHED: list[Document] = [
    {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "rain"}},
    {
        "type": "web_search_tool_result",
        "tool_use_id": "srvtoolu_1",
        "content": [
            {
                "type": "web_search_result",
                "url": "https://example.com",
                "title": "Example",
                "encrypted_content": "EqgfCioIARgB",
                "page_age": "2 days",
            }
        ],
    },
]
CITED: Document = {
    "type": "web_search_result_location",
    "url": "https://example.com",
    "title": "Example",
    "encrypted_index": "Eo8BCioIAhgB",
    "cited_text": "It rains.",
}
PAGE: Document = {
    "type": "char_location",
    "cited_text": "The grass is green.",
    "document_index": 0,
    "document_title": "Nature",
    "start_char_index": 0,
    "end_char_index": 19,
    "file_id": None,
}
ASKED: Document = {
    "model": "claude-sonnet-4-5",
    "max_tokens": 1024,
    "messages": [{"role": "user", "content": "What is the weather?"}],
}

REQUESTS: dict[str, Document] = {
    "words": {
        **ASKED,
        "system": "Answer in one sentence.",
        "messages": [
            {"role": "user", "content": "Hello."},
            {"role": "assistant", "content": "Hello. How can I help?"},
            {"role": "user", "content": [{"type": "text", "text": "One."}, {"type": "text", "text": "Two."}]},
            {"role": "assistant", "content": "The answer is ("},
        ],
        "temperature": 0.2,
        "top_p": 0.9,
        "top_k": 40,
        "stop_sequences": ["\n\nHuman:", "END"],
        "metadata": {"user_id": "user-1"},
        "service_tier": "auto",
        "stream": True,
    },
    "cache marks": {
        **ASKED,
        "system": [
            {"type": "text", "text": "You are a clerk."},
            {"type": "text", "text": "The rules: …", "cache_control": KEPT},
        ],
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "Hi.", "cache_control": {"type": "ephemeral"}}]},
        ],
        "tools": [{**WEATHER, "cache_control": KEPT, "strict": True, "input_examples": [{"city": "Paris"}]}, SEARCH],
        "tool_choice": {"type": "auto"},
    },
    "pictures and files": {
        **ASKED,
        "messages": [
            {
                "role": "user",
                "content": [
                    {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PIXEL}},
                    {"type": "image", "source": {"type": "url", "url": "https://example.com/cat.png"}},
                    {
                        "type": "image",
                        "source": {"type": "file", "file_id": "file_1"},
                        "cache_control": {"type": "ephemeral"},
                    },
                    {
                        "type": "document",
                        "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBERg=="},
                        "title": "Report",
                        "context": "It may be out of date.",
                        "citations": {"enabled": True},
                        "cache_control": KEPT,
                    },
                    {
                        "type": "document",
                        "source": {"type": "text", "media_type": "text/plain", "data": "The grass is green."},
                        "title": "Nature",
                    },
                    {"type": "document", "source": {"type": "url", "url": "https://example.com/report.pdf"}},
                    {"type": "document", "source": {"type": "file", "file_id": "file_2"}},
                    {
                        "type": "document",
                        "source": {"type": "content", "content": [{"type": "text", "text": "A piece."}]},
                    },
                    {
                        "type": "search_result",
                        "source": "https://example.com",
                        "title": "Example",
                        "content": [{"type": "text", "text": "It rains."}],
                        "citations": {"enabled": True},
                    },
                    {"type": "text", "text": "What is all this?"},
                ],
            },
            {"role": "assistant", "content": [{"type": "text", "text": "Grass.", "citations": [PAGE]}]},
        ],
    },
    "thought, calls and results": {
        **ASKED,
        "thinking": {"type": "enabled", "budget_tokens": 2048},
        "messages": [
            {"role": "user", "content": "Weather in Paris and Rome, and a map?"},
            {
                "role": "assistant",
                "content": [
                    THOUGHT,
                    HIDDEN,
                    {"type": "text", "text": "Let me look."},
                    CALL,
                    {**CALL, "id": "toolu_2", "input": {"city": "Rome", "days": [1, 2.5], "deep": {"a": None}}},
                    {**CALL, "id": "toolu_3", "name": "get_map", "input": {}, "cache_control": KEPT},
                    {**CALL, "id": "toolu_4"},
                ],
            },
            {
                "role": "user",
                "content": [
                    {"type": "tool_result", "tool_use_id": "toolu_1", "content": "It rains."},
                    {"type": "tool_result", "tool_use_id": "toolu_2", "content": "no such city", "is_error": True},
                    {
                        "type": "tool_result",
                        "tool_use_id": "toolu_3",
                        "content": [
                            {"type": "text", "text": "The map:"},
                            {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PIXEL}},
                            {"type": "text", "text": "(south)", "cache_control": KEPT},
                        ],
                        "cache_control": {"type": "ephemeral"},
                    },
                    {"type": "tool_result", "tool_use_id": "toolu_4"},
                    {"type": "text", "text": "And in one sentence, please."},
                ],
            },
            {"role": "assistant", "content": [*SEARCHED, {"type": "text", "text": "Rain.", "citations": [CITED]}]},
            {"role": "user", "content": "Thanks."},
        ],
        "tools": [WEATHER, SEARCH],
        "tool_choice": {"type": "auto", "disable_parallel_tool_use": True},
    },
    "a schema": {
        **ASKED,
        "output_config": {"format": {"type": "json_schema", "schema": SCHEMA}, "effort": "medium"},
    },
    **{
        f"tool choice {choice['type']}": {**ASKED, "tools": [WEATHER], "tool_choice": choice}
        for choice in (
            {"type": "none"},
            {"type": "any", "disable_parallel_tool_use": False},
            {"type": "tool", "name": "get_weather", "disable_parallel_tool_use": True},
        )
    },
}


def answered(*content: Document, reason: str = "end_turn", **changes: Any) -> Document:
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude-sonnet-4-5-20250929",
        "content": list(content),
        "stop_reason": reason,
        "stop_sequence": None,
        "usage": {
            "input_tokens": 12,
            "cache_creation_input_tokens": 248,
            "cache_read_input_tokens": 1800,
            "cache_creation": {"ephemeral_5m_input_tokens": 200, "ephemeral_1h_input_tokens": 48},
            "output_tokens": 305,
            "server_tool_use": {"web_search_requests": 1},
            "service_tier": "standard",
        },
        **changes,
    }


WORDS: Document = {"type": "text", "text": "It rains."}
RESPONSES: dict[str, Document] = {
    "words": answered(WORDS),
    "nothing": answered(),
    "a stop sequence": answered(WORDS, reason="stop_sequence", stop_sequence="END"),
    "thought and calls": answered(THOUGHT, HIDDEN, WORDS, CALL, {**CALL, "id": "toolu_2"}, reason="tool_use"),
    "search and citations": answered(*SEARCHED, {**WORDS, "citations": [CITED]}, WORDS),
    "a container": answered(WORDS, container={"id": "container_1", "expires_at": "2026-01-01T00:00:00Z"}),
    **{
        reason: answered(WORDS, reason=reason)
        for reason in ("max_tokens", "model_context_window_exceeded", "pause_turn", "refusal")
    },
}


@pytest.mark.parametrize("document", REQUESTS.values(), ids=REQUESTS)
def test_a_request_comes_back_as_it_was(document: Document) -> None:
    request_survives(document, read_request, write_request)


@pytest.mark.parametrize("document", RESPONSES.values(), ids=RESPONSES)
def test_a_response_comes_back_as_it_was(document: Document) -> None:
    response_survives(document, read_response, write_response)


def test_what_every_reader_wants_is_where_every_provider_has_it() -> None:
    request = read_request(REQUESTS["thought, calls and results"])
    _, calling, results, searched, _ = request.messages
    assert calling.text == "Let me look."
    assert [call.name for call in calling.tool_calls] == ["get_weather", "get_weather", "get_map", "get_weather"]
    assert calling.parts[:2] == (ReasoningPart("Paris, then.", "EqoBCkgIAR=="), ReasoningPart(redacted=HIDDEN["data"]))
    assert results.role is Role.TOOL
    first, failed, pictured, _ = results.tool_results
    assert (first.name, first.content, first.ok) == ("get_weather", "It rains.", True)
    assert failed.outcome is ToolOutcome.ERROR
    assert pictured.content == "The map:(south)"
    assert pictured.parts[1] == ImagePart(data=PIXEL, media_type="image/png")
    assert searched.tool_calls == ()
    assert (request.tool_choice, request.parallel_tool_calls) == ("auto", False)
    assert read_request(REQUESTS["tool choice any"]).tool_choice == "required"
    assert read_request(REQUESTS["a schema"]).response_format == SCHEMA
    response = read_response(RESPONSES["thought and calls"])
    assert response.finish_reason is FinishReason.TOOL_CALLS
    usage = response.usage
    assert (usage.input_tokens, usage.cached_input_tokens, usage.cache_creation_input_tokens) == (2060, 1800, 248)
    assert read_response(RESPONSES["a stop sequence"]).stop_sequence == "END"
    assert read_response(RESPONSES["search and citations"]).message.text == "It rains.It rains."
