"""OpenAI Chat Completions fits into the contracts.

https://platform.openai.com/docs/api-reference/chat
"""

from __future__ import annotations

from typing import Any, TypeGuard

import pytest

from llmgine_core import (
    ChatMessage,
    FilePart,
    FinishReason,
    ImagePart,
    LLMRequest,
    LLMResponse,
    RefusalPart,
    Role,
    TextPart,
    ToolCall,
    ToolCallPart,
    ToolDefinition,
    ToolResult,
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

# ── messages ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def read_message(document: Document, names: dict[str, str]) -> ChatMessage:
    rest = dict(document)
    role, content = rest.pop("role"), rest.pop("content", None)
    parts: list[Any] = [TextPart(content)] if isinstance(content, str) else list(map(read_part, content or ()))
    if role == "tool":
        call_id = rest.pop("tool_call_id")
        text = "".join(part.text for part in parts if isinstance(part, TextPart))
        given = () if isinstance(content, str) else parts
        return ChatMessage.tool(ToolResult(call_id, names.get(call_id, ""), text, parts=given))
    if annotations := rest.pop("annotations", None):
        parts = [TextPart(parts[0].text, annotations=annotations)]
    if (refusal := rest.pop("refusal", None)) is not None:
        parts.append(RefusalPart(refusal))
    if (audio := rest.pop("audio", None)) is not None:
        parts.append(read_audio(audio))
    calls = list(map(read_call, rest.pop("tool_calls", ())))
    if role == "developer":
        role, rest = "system", {**rest, "role": role}
    return ChatMessage(role, [*parts, *calls], name=rest.pop("name", None), extra=rest)


def write_message(message: ChatMessage, *, answered: bool = False) -> Document:
    document: Document = {"role": message.role.value, **message.extra}
    if message.role is Role.TOOL:
        [result] = message.tool_results
        content = list(map(write_part, result.parts)) or result.content
        return {**document, "tool_call_id": result.call_id, "content": content}
    said = [p for p in message.parts if isinstance(p, (TextPart, ImagePart, FilePart)) and not is_audio_answer(p)]
    words = "".join(part.text for part in said if isinstance(part, TextPart))
    annotations = [a for part in said if isinstance(part, TextPart) for a in part.annotations]
    whole = plain_text(said) is not None or annotations
    document["content"] = (words if whole else list(map(write_part, said))) if said else None
    document |= without_nones({"name": message.name})
    if calls := [write_call(part) for part in message.parts if isinstance(part, ToolCallPart)]:
        document["tool_calls"] = calls
    for part in message.parts:
        if is_audio_answer(part):
            document["audio"] = write_audio(part)
    refusals = [part.text for part in message.parts if isinstance(part, RefusalPart)]
    if refusals or answered:
        document["refusal"] = refusals[0] if refusals else None
    if answered:
        document["annotations"] = annotations
    return document


def read_part(document: Document) -> Any:
    rest = dict(document)
    kind = rest.pop("type")
    body = rest.pop(kind)
    if kind == "text":
        return TextPart(body, extra=rest)
    if kind == "image_url":
        media_type, data = split_data_url(body["url"]) or (None, None)
        url = None if data else body["url"]
        return ImagePart(url, data, media_type, body.get("detail"), extra=rest)
    if kind == "input_audio":
        return FilePart(data=body["data"], media_type=f"audio/{body['format']}", extra=rest)
    assert kind == "file"
    media_type, data = split_data_url(body.get("file_data", "")) or (None, None)
    return FilePart(
        data=data, media_type=media_type, name=body.get("filename"), file_id=body.get("file_id"), extra=rest
    )


def write_part(part: Any) -> Document:
    body: Any
    match part:
        case TextPart(text):
            kind, body = "text", text
        case ImagePart(url):
            kind, body = "image_url", without_nones({"url": url or data_url(part), "detail": part.detail})
        case FilePart(media_type=media_type) if media_type and media_type.startswith("audio/"):
            kind, body = "input_audio", {"data": part.data, "format": media_type.removeprefix("audio/")}
        case _:
            data = data_url(part) if part.data else None
            kind = "file"
            body = without_nones({"file_data": data, "filename": part.name, "file_id": part.file_id})
    return {"type": kind, kind: body, **part.extra}


def read_audio(document: Document) -> FilePart:
    rest = dict(document)
    return FilePart(data=rest.pop("data", None), file_id=rest.pop("id"), media_type="audio/*", extra=rest)


def write_audio(part: FilePart) -> Document:
    return without_nones({"id": part.file_id, "data": part.data, **part.extra})


def is_audio_answer(part: Any) -> TypeGuard[FilePart]:
    return isinstance(part, FilePart) and part.media_type == "audio/*"


def read_call(document: Document) -> ToolCallPart:
    rest = dict(document)
    kind = rest.pop("type")
    body = rest.pop(kind)
    call = ToolCall(rest.pop("id"), body["name"], body["arguments" if kind == "function" else "input"])
    return ToolCallPart(call, extra=rest if kind == "function" else {"type": kind, **rest})


def write_call(part: ToolCallPart) -> Document:
    kind = part.extra.get("type", "function")
    words = "arguments" if kind == "function" else "input"
    return {**part.extra, "id": part.call.id, "type": kind, kind: {"name": part.call.name, words: part.call.arguments}}


# ── requests ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def read_request(document: Document) -> LLMRequest:
    rest = dict(document)
    messages: list[ChatMessage] = []
    for message in rest.pop("messages"):
        messages.append(read_message(message, call_names(messages)))
    choice, allowed = read_choice(rest.pop("tool_choice", "auto"))
    schema = None
    if form := rest.pop("response_format", None):
        schema = {"type": "object"}
        if form["type"] == "json_schema":
            named = dict(form["json_schema"])
            schema = named.pop("schema")
            form = {**form, "json_schema": named}
        rest["response_format"] = form
    return LLMRequest(
        model=rest.pop("model"),
        messages=messages,
        tools=[read_definition(tool) for tool in rest.pop("tools", ())],
        tool_choice=choice,
        allowed_tools=allowed,
        parallel_tool_calls=rest.pop("parallel_tool_calls", None),
        response_format=schema,
        temperature=rest.pop("temperature", None),
        top_p=rest.pop("top_p", None),
        max_output_tokens=rest.pop("max_completion_tokens", None),
        stop=rest.pop("stop", ()),
        seed=rest.pop("seed", None),
        extra=rest,
    )


def write_request(request: LLMRequest) -> Document:
    document: Document = {
        **request.extra,
        "model": request.model,
        "messages": list(map(write_message, request.messages)),
        **without_nones(
            {
                "parallel_tool_calls": request.parallel_tool_calls,
                "temperature": request.temperature,
                "top_p": request.top_p,
                "max_completion_tokens": request.max_output_tokens,
                "seed": request.seed,
            }
        ),
    }
    if request.stop:
        document["stop"] = list(request.stop)
    if request.tools:
        document |= {"tools": list(map(write_definition, request.tools)), "tool_choice": write_choice(request)}
    if "json_schema" in request.extra.get("response_format", {}):
        form = request.extra["response_format"]
        document["response_format"] = {
            **form,
            "json_schema": {**form["json_schema"], "schema": request.response_format},
        }
    return document


def read_definition(document: Document) -> ToolDefinition:
    kind = document["type"]
    rest = dict(document[kind])
    given = {} if kind == "custom" else {"parameters": rest.pop("parameters"), "strict": rest.pop("strict", False)}
    return ToolDefinition(rest.pop("name"), rest.pop("description", ""), type=kind, extra=rest, **given)


def write_definition(tool: ToolDefinition) -> Document:
    body: Document = {"name": tool.name, "description": tool.description, **tool.extra}
    if tool.type == "function":
        body |= {"parameters": tool.parameters, **({"strict": True} if tool.strict else {})}
    return {"type": tool.type, tool.type: body}


def read_choice(choice: Any) -> tuple[str, list[str] | None]:
    match choice:
        case str():
            return choice, None
        case {"type": "allowed_tools", "allowed_tools": {"mode": mode, "tools": tools}}:
            return mode, [tool[tool["type"]]["name"] for tool in tools]
        case _:
            return choice[choice["type"]]["name"], None


def write_choice(request: LLMRequest) -> Any:
    kinds = {tool.name: tool.type for tool in request.tools}

    def named(name: str) -> Document:
        return {"type": kinds[name], kinds[name]: {"name": name}}

    if request.allowed_tools is not None:
        tools = list(map(named, request.allowed_tools))
        return {"type": "allowed_tools", "allowed_tools": {"mode": request.tool_choice, "tools": tools}}
    is_word = request.tool_choice in ("auto", "none", "required")
    return request.tool_choice if is_word else named(request.tool_choice)


# ── responses ────────────────────────────────────────────────────────────────────────────────────────────────────────


def read_response(document: Document) -> LLMResponse:
    rest = dict(document)
    [choice] = rest.pop("choices")
    return LLMResponse(
        id=rest.pop("id"),
        model=rest.pop("model"),
        message=read_message(choice["message"], {}),
        finish_reason=choice["finish_reason"],
        usage=read_usage(rest.pop("usage")),
        extra={**rest, "logprobs": choice["logprobs"]},
    )


def write_response(response: LLMResponse) -> Document:
    rest = dict(response.extra)
    choice = {
        "index": 0,
        "message": write_message(response.message, answered=True),
        "logprobs": rest.pop("logprobs"),
        "finish_reason": response.finish_reason.value,
    }
    usage = write_usage(response.usage)
    return {**rest, "id": response.id, "model": response.model, "choices": [choice], "usage": usage}


def read_usage(document: Document) -> Usage:
    read, written = dict(document["prompt_tokens_details"]), dict(document["completion_tokens_details"])
    return Usage(
        document["prompt_tokens"],
        document["completion_tokens"],
        read.pop("cached_tokens"),
        written.pop("reasoning_tokens"),
        extra={"prompt_tokens_details": read, "completion_tokens_details": written},
    )


def write_usage(usage: Usage) -> Document:
    return {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.total_tokens,
        "prompt_tokens_details": {
            "cached_tokens": usage.cached_input_tokens,
            **usage.extra["prompt_tokens_details"],
        },
        "completion_tokens_details": {
            "reasoning_tokens": usage.reasoning_tokens,
            **usage.extra["completion_tokens_details"],
        },
    }


# ── documents ────────────────────────────────────────────────────────────────────────────────────────────────────────

WEATHER: Document = {
    "type": "function",
    "function": {"name": "get_weather", "description": "Weather.", "parameters": SCHEMA, "strict": True},
}
CLOCK: Document = {
    "type": "function",
    "function": {"name": "get_time", "description": "", "parameters": {"type": "object", "properties": {}}},
}
GRAMMAR: Document = {
    "type": "custom",
    "custom": {
        "name": "run_sql",
        "description": "Runs one query.",
        "format": {"type": "grammar", "grammar": {"syntax": "lark", "definition": "start: /SELECT .+/"}},
    },
}
ASKED: Document = {"model": "gpt-5-mini", "messages": [{"role": "user", "content": "What is the weather?"}]}

REQUESTS: dict[str, Document] = {
    "words": {
        "model": "gpt-4.1",
        "messages": [
            {"role": "system", "content": "Answer in one sentence."},
            {"role": "developer", "content": "Be terse.", "name": "house"},
            {"role": "user", "content": "Hello.", "name": "ada"},
            {"role": "assistant", "content": "Hello, Ada.", "name": "helper"},
            {"role": "user", "content": [{"type": "text", "text": "One."}, {"type": "text", "text": "Two."}]},
        ],
        "temperature": 0.2,
        "top_p": 0.9,
        "max_completion_tokens": 256,
        "stop": ["\n\n", "END"],
        "seed": 7,
        "frequency_penalty": 0.1,
        "presence_penalty": -0.1,
        "logit_bias": {"50256": -100},
        "logprobs": True,
        "top_logprobs": 2,
        "user": "user-1",
        "safety_identifier": "hash-of-user-1",
        "prompt_cache_key": "greetings",
        "metadata": {"purpose": "test"},
        "store": False,
        "service_tier": "flex",
        "stream": True,
        "stream_options": {"include_usage": True},
    },
    "reasoning and prediction": {
        **ASKED,
        "reasoning_effort": "low",
        "verbosity": "low",
        "prediction": {"type": "content", "content": "The weather is"},
        "web_search_options": {"search_context_size": "low"},
    },
    "pictures, recordings and files": {
        "model": "gpt-4o-audio-preview",
        "modalities": ["text", "audio"],
        "audio": {"voice": "alloy", "format": "mp3"},
        "messages": [
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "What do you see and hear?"},
                    {"type": "image_url", "image_url": {"url": "https://example.com/cat.png"}},
                    {"type": "image_url", "image_url": {"url": "https://example.com/cat.png", "detail": "high"}},
                    {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}", "detail": "low"}},
                    {"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}},
                    {
                        "type": "file",
                        "file": {"file_data": "data:application/pdf;base64,JVBERg==", "filename": "report.pdf"},
                    },
                    {"type": "file", "file": {"file_id": "file-abc"}},
                ],
            },
            {"role": "assistant", "content": None, "audio": {"id": "audio_1"}},
        ],
    },
    "calls and results": {
        **ASKED,
        "messages": [
            {"role": "user", "content": "Weather and time in Paris?"},
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [
                    {
                        "id": "call_1",
                        "type": "function",
                        "function": {"name": "get_weather", "arguments": '{"city": "Paris"'},
                    },
                    {"id": "call_2", "type": "function", "function": {"name": "get_time", "arguments": "{}"}},
                    {"id": "call_3", "type": "custom", "custom": {"name": "run_sql", "input": "SELECT 1"}},
                ],
            },
            {"role": "tool", "tool_call_id": "call_1", "content": "the arguments are no JSON"},
            {
                "role": "tool",
                "tool_call_id": "call_2",
                "content": [{"type": "text", "text": "21"}, {"type": "text", "text": ":04"}],
            },
            {"role": "tool", "tool_call_id": "call_3", "content": ""},
            {"role": "assistant", "content": "Let me try again.", "refusal": "I cannot."},
        ],
        "tools": [WEATHER, CLOCK, GRAMMAR],
        "tool_choice": "auto",
        "parallel_tool_calls": False,
    },
    "a schema": {
        **ASKED,
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "weather", "description": "A report.", "schema": SCHEMA, "strict": True},
        },
    },
    "any object": {**ASKED, "response_format": {"type": "json_object"}},
    **{
        f"tool choice {number}": {**ASKED, "tools": [WEATHER, CLOCK, GRAMMAR], "tool_choice": choice}
        for number, choice in enumerate(
            [
                "none",
                "required",
                {"type": "function", "function": {"name": "get_time"}},
                {"type": "custom", "custom": {"name": "run_sql"}},
                {
                    "type": "allowed_tools",
                    "allowed_tools": {
                        "mode": "required",
                        "tools": [
                            {"type": "function", "function": {"name": "get_time"}},
                            {"type": "custom", "custom": {"name": "run_sql"}},
                        ],
                    },
                },
            ]
        )
    },
}


def answered(message: Document, reason: str = "stop", **changes: Any) -> Document:
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1764288000,
        "model": "gpt-5-mini-2025-08-07",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": None, "refusal": None, "annotations": [], **message},
                "logprobs": None,
                "finish_reason": reason,
            }
        ],
        "usage": {
            "prompt_tokens": 2006,
            "completion_tokens": 300,
            "total_tokens": 2306,
            "prompt_tokens_details": {"cached_tokens": 1920, "audio_tokens": 3},
            "completion_tokens_details": {
                "reasoning_tokens": 192,
                "audio_tokens": 5,
                "accepted_prediction_tokens": 7,
                "rejected_prediction_tokens": 11,
            },
        },
        "service_tier": "default",
        "system_fingerprint": "fp_1",
        **changes,
    }


LIKELY: Document = {
    "content": [
        {
            "token": "Hi",
            "logprob": -0.31,
            "bytes": [72, 105],
            "top_logprobs": [{"token": "Hello", "logprob": -1.4, "bytes": [72, 101, 108, 108, 111]}],
        }
    ],
    "refusal": None,
}
CITED = {
    "type": "url_citation",
    "url_citation": {"start_index": 0, "end_index": 5, "url": "https://example.com", "title": "Example"},
}
CALLS = [
    {"id": "call_1", "type": "function", "function": {"name": "get_weather", "arguments": '{"city":"Paris"}'}},
    {"id": "call_2", "type": "custom", "custom": {"name": "run_sql", "input": "SELECT 1"}},
]
with_likelihoods = answered({"content": "Hi"})
with_likelihoods["choices"][0]["logprobs"] = LIKELY

RESPONSES: dict[str, Document] = {
    "words": answered({"content": "It rains."}),
    "cut": answered({"content": "It"}, "length"),
    "filtered": answered({"content": ""}, "content_filter"),
    "refusal": answered({"refusal": "I cannot help with that."}),
    "calls": answered({"tool_calls": CALLS}, "tool_calls"),
    "words and calls": answered({"content": "Let me look.", "tool_calls": CALLS}, "tool_calls"),
    "citations": answered({"content": "Rain.", "annotations": [CITED]}),
    "likelihoods": with_likelihoods,
    "a recording": answered(
        {"audio": {"id": "audio_1", "data": "SUQz", "expires_at": 1764291600, "transcript": "It rains."}}
    ),
}


@pytest.mark.parametrize("document", REQUESTS.values(), ids=REQUESTS)
def test_a_request_comes_back_as_it_was(document: Document) -> None:
    request_survives(document, read_request, write_request)


@pytest.mark.parametrize("document", RESPONSES.values(), ids=RESPONSES)
def test_a_response_comes_back_as_it_was(document: Document) -> None:
    response_survives(document, read_response, write_response)


def test_what_every_reader_wants_is_where_every_provider_has_it() -> None:
    request = read_request(REQUESTS["calls and results"])
    [asked, calling, *results, _] = request.messages
    assert asked.text == "Weather and time in Paris?"
    assert [call.name for call in calling.tool_calls] == ["get_weather", "get_time", "run_sql"]
    assert [(r.name, r.content) for m in results for r in m.tool_results][1] == ("get_time", "21:04")
    assert (request.tool_choice, request.parallel_tool_calls) == ("auto", False)
    assert read_request(REQUESTS["tool choice 4"]).allowed_tools == ("get_time", "run_sql")
    assert read_request(REQUESTS["a schema"]).response_format == SCHEMA
    assert read_request(REQUESTS["words"]).messages[1].role is Role.SYSTEM
    seen = read_request(REQUESTS["pictures, recordings and files"]).messages[0].parts
    assert seen[3] == ImagePart(data=PIXEL, media_type="image/png", detail="low")
    response = read_response(RESPONSES["words and calls"])
    assert (response.message.text, response.finish_reason) == ("Let me look.", FinishReason.TOOL_CALLS)
    assert (response.usage.cached_input_tokens, response.usage.reasoning_tokens) == (1920, 192)
    assert read_response(RESPONSES["refusal"]).message.parts == (RefusalPart("I cannot help with that."),)
    assert read_response(RESPONSES["citations"]).message.parts == (TextPart("Rain.", annotations=[CITED]),)
