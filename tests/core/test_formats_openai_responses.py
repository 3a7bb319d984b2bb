"""OpenAI Responses fits into the contracts.

https://platform.openai.com/docs/api-reference/responses
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby
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
    RefusalPart,
    Role,
    TextPart,
    ToolCall,
    ToolCallPart,
    ToolDefinition,
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
    data_url,
    plain_text,
    request_survives,
    response_survives,
    split_data_url,
    without_nones,
)

# ── items and messages ───────────────────────────────────────────────────────────────────────────────────────────────

CALLS = {"function_call": "arguments", "custom_tool_call": "input"}


def read_items(items: Iterable[Document]) -> Iterator[ChatMessage]:
    """Items of the model that follow each other are one message, and so are results that do."""
    names: dict[str, str] = {}
    for role, group in groupby(items, role_of):
        if role in ("assistant", "tool"):
            message = ChatMessage(role, [part for item in group for part in read_item(item, names)])
            names |= call_names([message])
            yield message
        else:
            yield from map(read_given, group)


def role_of(item: Document) -> str:
    if item.get("type", "message") == "message":
        return str(item["role"])
    return "tool" if item["type"].endswith("_output") else "assistant"


def read_given(item: Document) -> ChatMessage:
    """What somebody else than the model says."""
    rest = dict(item)
    role, parts = rest.pop("role"), read_content(rest.pop("content"))
    return ChatMessage("system", parts, extra={"role": role}) if role == "developer" else ChatMessage(role, parts)


def read_content(content: Any) -> list[Any]:
    return [TextPart(content)] if isinstance(content, str) else list(map(read_part, content))


def read_item(item: Document, names: dict[str, str]) -> list[Any]:
    rest = dict(item)
    kind = rest.pop("type", "message")
    if kind == "message":
        del rest["role"]
        return read_said(rest)
    if kind in CALLS:
        call = ToolCall(rest.pop("call_id"), rest.pop("name"), rest.pop(CALLS[kind]))
        return [ToolCallPart(call, id=rest.pop("id", None), extra={"type": kind, **rest})]
    if role_of(item) == "tool":
        call_id, output = rest.pop("call_id"), read_content(rest.pop("output"))
        text = "".join(part.text for part in output if isinstance(part, TextPart))
        result = ToolResult(call_id, names[call_id], text, parts=() if plain_text(output) is not None else output)
        return [ToolResultPart(result, id=rest.pop("id", None), extra={"type": kind, **rest})]
    if kind != "reasoning":
        return [UnknownPart(kind, rest)]
    thought = "".join(piece["text"] for piece in rest.pop("content", ()))
    summary = [piece["text"] for piece in rest.pop("summary")]
    redacted = rest.pop("encrypted_content", None)
    return [ReasoningPart(thought, redacted=redacted, id=rest.pop("id"), summary=summary, extra=rest)]


def read_said(rest: Document) -> list[Any]:
    """What one message item of the model says: parts with its id; the first keeps what else the item says."""
    id_ = rest.pop("id", None)
    content = rest.pop("content")
    if isinstance(content, str):
        return [TextPart(content)]
    parts: list[Any] = []
    for piece in content:
        extra = dict(piece)
        item = {} if parts else {"item": rest}
        if extra.pop("type") == "refusal":
            parts.append(RefusalPart(extra.pop("refusal"), id=id_, extra=item | extra))
        else:
            annotations = extra.pop("annotations")
            parts.append(TextPart(extra.pop("text"), id=id_, annotations=annotations, extra=item | extra))
    return parts


def read_part(document: Document) -> Any:
    rest = dict(document)
    kind = rest.pop("type")
    if kind == "input_text":
        return TextPart(rest.pop("text"), extra=rest)
    if kind == "input_image":
        media_type, data = split_data_url(rest.get("image_url", "")) or (None, None)
        url = rest.pop("image_url", None)
        detail, file_id = rest.pop("detail"), rest.pop("file_id", None)
        return ImagePart(None if data else url, data, media_type, detail, file_id=file_id, extra=rest)
    assert kind == "input_file"
    media_type, data = split_data_url(rest.pop("file_data", "")) or (None, None)
    url, name, file_id = rest.pop("file_url", None), rest.pop("filename", None), rest.pop("file_id", None)
    return FilePart(url=url, data=data, media_type=media_type, name=name, file_id=file_id, extra=rest)


def write_items(message: ChatMessage) -> Iterator[Document]:
    if message.role in (Role.SYSTEM, Role.USER):
        yield {"role": message.role.value, "content": write_content(message.parts), **message.extra}
        return
    said = (TextPart, RefusalPart)
    for (is_said, _), group in groupby(
        message.parts, lambda p: (isinstance(p, said), p.id if isinstance(p, said) else 0)
    ):
        parts = list(group)
        if is_said:
            yield write_said(parts)
        else:
            yield from map(write_item, parts)


def item_of(part: Any) -> tuple[bool, str | None]:
    """Whether the part belongs into a message item, and into which."""
    is_said = isinstance(part, (TextPart, RefusalPart))
    return is_said, part.id if is_said else None


def write_said(parts: list[Any]) -> Document:
    text = plain_text(parts)
    if text is not None:
        return {"role": "assistant", "content": text}
    rest = dict(parts[0].extra)
    item = {"type": "message", "id": parts[0].id, "role": "assistant", **rest.pop("item")}
    return {
        **item,
        "content": [write_answered(parts[0], rest), *(write_answered(part, part.extra) for part in parts[1:])],
    }


def write_answered(part: Any, extra: Any) -> Document:
    if isinstance(part, RefusalPart):
        return {"type": "refusal", "refusal": part.text, **extra}
    return {"type": "output_text", "text": part.text, "annotations": list(part.annotations), **extra}


def write_item(part: Any) -> Document:
    match part:
        case ToolCallPart(call):
            words = {CALLS[part.extra["type"]]: call.arguments}
            return {**part.extra, **without_nones({"id": part.id}), "call_id": call.id, "name": call.name, **words}
        case ToolResultPart(result):
            output = list(map(write_part, result.parts)) or result.content
            return {**part.extra, **without_nones({"id": part.id}), "call_id": result.call_id, "output": output}
        case ReasoningPart(text):
            item = {"type": "reasoning", "id": part.id, **part.extra}
            item["summary"] = [{"type": "summary_text", "text": each} for each in part.summary]
            thought = [{"type": "reasoning_text", "text": text}] if text else None
            return item | without_nones({"content": thought, "encrypted_content": part.redacted})
        case _:
            return {"type": part.type, **part.data}


def write_content(parts: Iterable[Any]) -> Any:
    given = list(parts)
    text = plain_text(given)
    return list(map(write_part, given)) if text is None else text


def write_part(part: Any) -> Document:
    match part:
        case TextPart(text):
            body: Document = {"type": "input_text", "text": text}
        case ImagePart():
            url = data_url(part) if part.data else part.url
            body = without_nones({"image_url": url, "file_id": part.file_id})
            body |= {"type": "input_image", "detail": part.detail}
        case _:
            data = data_url(part) if part.data else None
            body = {"type": "input_file"} | without_nones(
                {"file_data": data, "file_url": part.url, "filename": part.name, "file_id": part.file_id}
            )
    return {**body, **part.extra}


# ── requests ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def read_request(document: Document) -> LLMRequest:
    rest = dict(document)
    first = ChatMessage("system", [TextPart(rest.pop("instructions"))], extra={"field": "instructions"})
    choice, allowed = read_choice(rest.pop("tool_choice", "auto"))
    schema = None
    if (form := rest.get("text", {}).get("format", {})).get("type") == "json_schema":
        named = dict(form)
        schema = named.pop("schema")
        rest["text"] = {**rest["text"], "format": named}
    return LLMRequest(
        model=rest.pop("model"),
        messages=[first, *read_items(rest.pop("input"))],
        tools=[read_definition(tool) for tool in rest.pop("tools", ())],
        tool_choice=choice,
        allowed_tools=allowed,
        parallel_tool_calls=rest.pop("parallel_tool_calls", None),
        response_format=schema,
        temperature=rest.pop("temperature", None),
        top_p=rest.pop("top_p", None),
        max_output_tokens=rest.pop("max_output_tokens", None),
        extra=rest,
    )


def write_request(request: LLMRequest) -> Document:
    first, *others = request.messages
    document: Document = {
        **request.extra,
        "model": request.model,
        "instructions": first.text,
        "input": [item for message in others for item in write_items(message)],
        **without_nones(
            {
                "parallel_tool_calls": request.parallel_tool_calls,
                "temperature": request.temperature,
                "top_p": request.top_p,
                "max_output_tokens": request.max_output_tokens,
            }
        ),
    }
    if request.tools:
        document |= {"tools": list(map(write_definition, request.tools)), "tool_choice": write_choice(request)}
    if request.response_format is not None:
        text = request.extra["text"]
        document["text"] = {**text, "format": {**text["format"], "schema": request.response_format}}
    return document


def read_definition(document: Document) -> ToolDefinition:
    rest = dict(document)
    kind = rest.pop("type")
    name = rest.pop("name", kind)  # what the provider runs itself has no other name
    if kind != "function":
        return ToolDefinition(name, rest.pop("description", ""), type=kind, extra=rest)
    schema, strict = rest.pop("parameters"), rest.pop("strict", False)
    return ToolDefinition(name, rest.pop("description", ""), schema, strict, extra=rest)


def write_definition(tool: ToolDefinition) -> Document:
    named = {} if tool.name == tool.type else {"name": tool.name, "description": tool.description}
    body = {"parameters": tool.parameters, "strict": tool.strict} if tool.type == "function" else {}
    return {"type": tool.type, **named, **body, **tool.extra}


def read_choice(choice: Any) -> tuple[str, list[str] | None]:
    if isinstance(choice, str):
        return choice, None
    if choice["type"] == "allowed_tools":
        return choice["mode"], [tool.get("name", tool["type"]) for tool in choice["tools"]]
    return choice.get("name", choice["type"]), None


def write_choice(request: LLMRequest) -> Any:
    kinds = {tool.name: tool.type for tool in request.tools}

    def named(name: str) -> Document:
        return {"type": kinds[name]} if kinds[name] == name else {"type": kinds[name], "name": name}

    if request.allowed_tools is not None:
        return {
            "type": "allowed_tools",
            "mode": request.tool_choice,
            "tools": list(map(named, request.allowed_tools)),
        }
    is_word = request.tool_choice in ("auto", "none", "required")
    return request.tool_choice if is_word else named(request.tool_choice)


# ── responses ────────────────────────────────────────────────────────────────────────────────────────────────────────

INCOMPLETE = {"max_output_tokens": FinishReason.LENGTH, "content_filter": FinishReason.CONTENT_FILTER}
STATUSES = {
    FinishReason.LENGTH: "incomplete",
    FinishReason.CONTENT_FILTER: "incomplete",
    FinishReason.ERROR: "failed",
    FinishReason.OTHER: "cancelled",
}


def read_response(document: Document) -> LLMResponse:
    rest = dict(document)
    [message] = read_items(rest.pop("output"))
    return LLMResponse(
        id=rest.pop("id"),
        model=rest.pop("model"),
        message=message,
        finish_reason=read_reason(rest.pop("status"), rest.pop("incomplete_details"), message),
        usage=read_usage(rest.pop("usage")),
        extra=rest,
    )


def read_reason(status: str, details: Document | None, message: ChatMessage) -> FinishReason:
    if details is not None:
        return INCOMPLETE[details["reason"]]
    if status == "completed":
        return FinishReason.TOOL_CALLS if message.tool_calls else FinishReason.STOP
    return FinishReason.ERROR if status == "failed" else FinishReason.OTHER


def write_response(response: LLMResponse) -> Document:
    reasons = [word for word, reason in INCOMPLETE.items() if reason is response.finish_reason]
    return {
        **response.extra,
        "id": response.id,
        "model": response.model,
        "output": list(write_items(response.message)),
        "status": STATUSES.get(response.finish_reason, "completed"),
        "incomplete_details": {"reason": reasons[0]} if reasons else None,
        "usage": write_usage(response.usage),
    }


def read_usage(document: Document) -> Usage:
    read, written = document["input_tokens_details"], document["output_tokens_details"]
    return Usage(
        document["input_tokens"], document["output_tokens"], read["cached_tokens"], written["reasoning_tokens"]
    )


def write_usage(usage: Usage) -> Document:
    return {
        "input_tokens": usage.input_tokens,
        "input_tokens_details": {"cached_tokens": usage.cached_input_tokens},
        "output_tokens": usage.output_tokens,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
        "total_tokens": usage.total_tokens,
    }


# ── documents ────────────────────────────────────────────────────────────────────────────────────────────────────────

WEATHER: Document = {
    "type": "function",
    "name": "get_weather",
    "description": "Weather.",
    "parameters": SCHEMA,
    "strict": True,
}
CLOCK: Document = {**WEATHER, "name": "get_time", "parameters": {"type": "object", "properties": {}}, "strict": False}
GRAMMAR: Document = {
    "type": "custom",
    "name": "run_sql",
    "description": "Runs one query.",
    "format": {"type": "grammar", "syntax": "lark", "definition": "start: /SELECT .+/"},
}
SEARCH: Document = {"type": "web_search", "filters": {"allowed_domains": ["example.com"]}, "search_context_size": "low"}
FILES: Document = {"type": "file_search", "vector_store_ids": ["vs_1"], "max_num_results": 3}
REMOTE: Document = {
    "type": "mcp",
    "server_label": "shop",
    "server_url": "https://example.com/mcp",
    "require_approval": "never",
}

THOUGHT: Document = {
    "type": "reasoning",
    "id": "rs_1",
    "summary": [{"type": "summary_text", "text": "**Looking**"}, {"type": "summary_text", "text": "**Deciding**"}],
    "encrypted_content": "gAAAAABo",
    "status": "completed",
}
OPEN_THOUGHT: Document = {
    "type": "reasoning",
    "id": "rs_2",
    "summary": [],
    "content": [{"type": "reasoning_text", "text": "The user wants the weather."}],
}
CITED: Document = {
    "type": "url_citation",
    "start_index": 0,
    "end_index": 9,
    "url": "https://example.com",
    "title": "Example",
}
FILE_CITED: Document = {"type": "file_citation", "index": 9, "file_id": "file-1", "filename": "rain.pdf"}
WORDS: Document = {
    "type": "message",
    "id": "msg_1",
    "role": "assistant",
    "status": "completed",
    "content": [{"type": "output_text", "text": "It rains.", "annotations": [CITED, FILE_CITED], "logprobs": []}],
}
TWO_PIECES: Document = {
    "type": "message",
    "id": "msg_2",
    "role": "assistant",
    "status": "incomplete",
    "phase": "commentary",
    "content": [
        {
            "type": "output_text",
            "text": "But",
            "annotations": [],
            "logprobs": [{"token": "But", "logprob": -0.2, "bytes": [66, 117, 116], "top_logprobs": []}],
        },
        {"type": "refusal", "refusal": "I cannot say where."},
    ],
}
CALL: Document = {
    "type": "function_call",
    "id": "fc_1",
    "call_id": "call_1",
    "name": "get_weather",
    "arguments": '{"city":"Paris"}',
    "status": "completed",
}
QUERY: Document = {
    "type": "custom_tool_call",
    "id": "ctc_1",
    "call_id": "call_2",
    "name": "run_sql",
    "input": "SELECT 1",
}
SEARCHED: Document = {
    "type": "web_search_call",
    "id": "ws_1",
    "status": "completed",
    "action": {"type": "search", "query": "rain in Paris"},
}
FOUND: Document = {
    "type": "file_search_call",
    "id": "fs_1",
    "status": "completed",
    "queries": ["rain"],
    "results": None,
}

ASKED: Document = {
    "model": "gpt-5-mini",
    "instructions": "Answer in one sentence.",
    "input": [{"role": "user", "content": "What is the weather?"}],
}

REQUESTS: dict[str, Document] = {
    "words": {
        **ASKED,
        "input": [
            {"role": "system", "content": "The user is Ada."},
            {"role": "developer", "content": "Be terse."},
            {"role": "user", "content": "Hello."},
            {"role": "assistant", "content": "Hello, Ada."},
            {"role": "user", "content": [{"type": "input_text", "text": "a"}, {"type": "input_text", "text": "b"}]},
        ],
        "temperature": 0.2,
        "top_p": 0.9,
        "max_output_tokens": 256,
        "reasoning": {"effort": "low", "summary": "auto"},
        "text": {"format": {"type": "text"}, "verbosity": "low"},
        "include": ["reasoning.encrypted_content", "message.output_text.logprobs"],
        "top_logprobs": 2,
        "store": False,
        "metadata": {"purpose": "test"},
        "safety_identifier": "hash-of-user-1",
        "prompt_cache_key": "greetings",
        "service_tier": "flex",
        "truncation": "auto",
        "previous_response_id": "resp_0",
        "stream": True,
    },
    "pictures and files": {
        **ASKED,
        "input": [
            {
                "role": "user",
                "content": [
                    {"type": "input_text", "text": "What is this?"},
                    {"type": "input_image", "image_url": "https://example.com/cat.png", "detail": "auto"},
                    {"type": "input_image", "image_url": f"data:image/png;base64,{PIXEL}", "detail": "high"},
                    {"type": "input_image", "file_id": "file-1", "detail": "low"},
                    {"type": "input_file", "file_id": "file-2"},
                    {"type": "input_file", "file_url": "https://example.com/report.pdf"},
                    {
                        "type": "input_file",
                        "filename": "report.pdf",
                        "file_data": "data:application/pdf;base64,JVBERg==",
                    },
                ],
            }
        ],
    },
    "thought, calls and results": {
        **ASKED,
        "input": [
            {"role": "user", "content": "What is the weather?"},
            THOUGHT,
            OPEN_THOUGHT,
            SEARCHED,
            WORDS,
            TWO_PIECES,
            CALL,
            QUERY,
            {"type": "function_call", "call_id": "call_3", "name": "get_map", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "call_1", "output": "no such city", "id": "fco_1"},
            {"type": "custom_tool_call_output", "call_id": "call_2", "output": "1"},
            {
                "type": "function_call_output",
                "call_id": "call_3",
                "output": [
                    {"type": "input_text", "text": "The map:"},
                    {"type": "input_image", "image_url": f"data:image/png;base64,{PIXEL}", "detail": "auto"},
                ],
                "status": "completed",
            },
            {"type": "item_reference", "id": "msg_3"},
            {"role": "user", "content": "Thanks."},
        ],
        "tools": [WEATHER, CLOCK, GRAMMAR, SEARCH, FILES, REMOTE],
        "tool_choice": "auto",
        "parallel_tool_calls": False,
    },
    "a schema": {
        **ASKED,
        "text": {
            "format": {
                "type": "json_schema",
                "name": "weather",
                "description": "A report.",
                "schema": SCHEMA,
                "strict": True,
            }
        },
    },
    **{
        f"tool choice {number}": {**ASKED, "tools": [WEATHER, GRAMMAR, SEARCH], "tool_choice": choice}
        for number, choice in enumerate(
            [
                "none",
                "required",
                {"type": "function", "name": "get_weather"},
                {"type": "custom", "name": "run_sql"},
                {"type": "web_search"},
                {
                    "type": "allowed_tools",
                    "mode": "auto",
                    "tools": [{"type": "function", "name": "get_weather"}, {"type": "web_search"}],
                },
            ]
        )
    },
}


def answered(*output: Document, **changes: Any) -> Document:
    return {
        "id": "resp_1",
        "object": "response",
        "created_at": 1764288000,
        "status": "completed",
        "background": False,
        "error": None,
        "incomplete_details": None,
        "instructions": "Answer in one sentence.",
        "max_output_tokens": None,
        "model": "gpt-5-mini-2025-08-07",
        "output": list(output),
        "parallel_tool_calls": True,
        "previous_response_id": None,
        "reasoning": {"effort": "low", "summary": "detailed"},
        "service_tier": "default",
        "store": True,
        "temperature": 1.0,
        "text": {"format": {"type": "text"}, "verbosity": "medium"},
        "tool_choice": "auto",
        "tools": [WEATHER],
        "top_logprobs": 0,
        "top_p": 1.0,
        "truncation": "disabled",
        "usage": {
            "input_tokens": 2006,
            "input_tokens_details": {"cached_tokens": 1920},
            "output_tokens": 300,
            "output_tokens_details": {"reasoning_tokens": 192},
            "total_tokens": 2306,
        },
        "user": None,
        "metadata": {},
        **changes,
    }


RESPONSES: dict[str, Document] = {
    "words": answered(WORDS),
    "thought and calls": answered(THOUGHT, CALL, QUERY),
    "all at once": answered(OPEN_THOUGHT, SEARCHED, FOUND, WORDS, TWO_PIECES, CALL),
    "cut": answered(TWO_PIECES, status="incomplete", incomplete_details={"reason": "max_output_tokens"}),
    "filtered": answered(TWO_PIECES, status="incomplete", incomplete_details={"reason": "content_filter"}),
    "failed": answered(THOUGHT, status="failed", error={"code": "server_error", "message": "Try again."}),
    "cancelled": answered(THOUGHT, status="cancelled"),
}


@pytest.mark.parametrize("document", REQUESTS.values(), ids=REQUESTS)
def test_a_request_comes_back_as_it_was(document: Document) -> None:
    request_survives(document, read_request, write_request)


@pytest.mark.parametrize("document", RESPONSES.values(), ids=RESPONSES)
def test_a_response_comes_back_as_it_was(document: Document) -> None:
    response_survives(document, read_response, write_response)


def test_what_every_reader_wants_is_where_every_provider_has_it() -> None:
    request = read_request(REQUESTS["thought, calls and results"])
    roles = [message.role.value for message in request.messages]
    assert roles == ["system", "user", "assistant", "tool", "assistant", "user"]
    _, _, calling, results, *_ = request.messages
    assert calling.text == "It rains.But"
    assert [(call.id, call.name) for call in calling.tool_calls][:2] == [
        ("call_1", "get_weather"),
        ("call_2", "run_sql"),
    ]
    thought = calling.parts[0]
    assert isinstance(thought, ReasoningPart)
    assert (thought.id, thought.redacted, thought.summary) == ("rs_1", "gAAAAABo", ("**Looking**", "**Deciding**"))
    assert [result.name for result in results.tool_results] == ["get_weather", "run_sql", "get_map"]
    assert results.tool_results[2].content == "The map:"
    assert results.tool_results[2].parts[1] == ImagePart(data=PIXEL, media_type="image/png", detail="auto")
    assert [tool.type for tool in request.tools][-2:] == ["file_search", "mcp"]
    assert read_request(REQUESTS["tool choice 5"]).allowed_tools == ("get_weather", "web_search")
    assert read_request(REQUESTS["a schema"]).response_format == SCHEMA
    response = read_response(RESPONSES["all at once"])
    assert (response.message.text, response.finish_reason) == ("It rains.But", FinishReason.TOOL_CALLS)
    assert (response.usage.cached_input_tokens, response.usage.reasoning_tokens) == (1920, 192)
    assert read_response(RESPONSES["cut"]).finish_reason is FinishReason.LENGTH
