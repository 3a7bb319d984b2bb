"""What a span looks like: its name, kind and attributes, read off the records that begin and end it.

Every shape can be read off either record, so a span whose beginning was lost is exported all the same.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs
from opentelemetry.trace import SpanKind
from opentelemetry.util.types import AttributeValue

from llmgine_core.contracts import (
    ApproveToolCall,
    GenerateCommand,
    RunTurn,
    StreamGenerateCommand,
    StreamTurn,
)
from llmgine_core.events import (
    BootstrapStartEvent,
    CommandResultEvent,
    CommandStartedEvent,
    LLMRequestEvent,
    LLMResponseEvent,
    PluginFailedEvent,
    PluginLoadedEvent,
    SpanEndEvent,
    SpanStartEvent,
    ToolExecuteResultEvent,
    ToolExecuteStartEvent,
)
from llmgine_core.observability import EventRecord
from llmgine_obs_otel import semconv
from llmgine_obs_otel.messages import input_messages, output_messages
from llmgine_obs_otel.values import (
    Fields,
    as_attributes,
    as_json,
    as_mapping,
    as_sequence,
    is_whole,
    short_name,
    without_nones,
)

__all__ = ["APPROVALS", "GENERATIONS", "TURNS", "Shape", "end_attributes", "shape_of"]

GENERATIONS = frozenset({GenerateCommand.type_name, StreamGenerateCommand.type_name})
"""Commands whose span is that of the model call, which has the same id."""
APPROVALS = frozenset({ApproveToolCall.type_name})
"""Commands that are an event on the span of the tool call."""
TURNS = frozenset({RunTurn.type_name, StreamTurn.type_name})
"""Commands that invoke an agent."""


@attrs.frozen
class Shape:
    """A span, but for its place and time."""

    name: str
    kind: SpanKind
    attributes: dict[str, AttributeValue]


def shape_of(record: EventRecord, application: str) -> Shape | None:
    """The span that the record belongs to; None if there is none for it.

    Args:
        record: what begins a span, or ends it.
        application: the application's name, which is its agent's too.
    """
    shape = _SHAPES[record.type](record.fields, application)
    if shape is not None and record.session_id:
        shape.attributes[semconv.CONVERSATION_ID] = shape.attributes[semconv.SESSION_ID] = record.session_id
    return shape


def end_attributes(record: EventRecord) -> dict[str, AttributeValue]:
    """What is known only at the end."""
    return _ENDS[record.type](record.fields) if record.type in _ENDS else {}


# ── commands and turns ──────────────────────────────────────────────────────────────────────────────────────


def _command(fields: Fields, application: str) -> Shape | None:
    kind = str(fields.get("command_type"))
    if kind in GENERATIONS | APPROVALS:
        return None
    attributes = {
        semconv.COMMAND_TYPE: kind,
        semconv.COMMAND_ID: fields.get("command_id"),
        semconv.HANDLER_NAME: fields.get("handler"),
    }
    if kind not in TURNS:
        return Shape(f"execute {short_name(kind)}", SpanKind.INTERNAL, without_nones(attributes))
    attributes |= {semconv.OPERATION_NAME: semconv.OPERATION_INVOKE_AGENT, semconv.AGENT_NAME: application}
    return Shape(f"{semconv.OPERATION_INVOKE_AGENT} {application}", SpanKind.INTERNAL, without_nones(attributes))


# ── model calls ─────────────────────────────────────────────────────────────────────────────────────────────


def _chat(fields: Fields, _: str) -> Shape:
    request = as_mapping(fields.get("request"))
    model = request.get("model") or fields.get("model")
    attributes = {
        semconv.OPERATION_NAME: semconv.OPERATION_CHAT,
        semconv.PROVIDER_NAME: fields.get("provider"),
        semconv.REQUEST_MODEL: model,
        semconv.REQUEST_STREAM: fields.get("stream") or None,
        semconv.MODEL_NAME: fields.get("llm"),
        **_request(request),
    }
    return Shape(f"{semconv.OPERATION_CHAT} {model}", SpanKind.CLIENT, without_nones(attributes))


def _request(request: Fields) -> dict[str, Any]:
    messages = input_messages(request.get("messages"))
    tools = request.get("tools")
    return {
        semconv.REQUEST_TEMPERATURE: request.get("temperature"),
        semconv.REQUEST_TOP_P: request.get("top_p"),
        semconv.REQUEST_MAX_TOKENS: request.get("max_output_tokens"),
        semconv.REQUEST_SEED: request.get("seed"),
        semconv.REQUEST_STOP_SEQUENCES: list(as_sequence(request.get("stop"))) or None,
        semconv.OUTPUT_TYPE: "json" if request.get("response_format") else None,
        semconv.INPUT_MESSAGES: messages,
        # no content, but large: they go where the messages go
        semconv.TOOL_DEFINITIONS: _definitions(tools) if messages and tools else None,
    }


def _definitions(tools: Any) -> str:
    keys = ("type", "name", "description", "parameters")
    return as_json([{key: as_mapping(tool).get(key) for key in keys} for tool in as_sequence(tools)])


def _chat_end(fields: Fields) -> dict[str, AttributeValue]:
    response = as_mapping(fields.get("response"))
    usage = as_mapping(response.get("usage"))
    reason = response.get("finish_reason")
    return without_nones(
        {
            semconv.RESPONSE_ID: response.get("id") or None,
            semconv.RESPONSE_MODEL: response.get("model"),
            semconv.RESPONSE_FINISH_REASONS: [reason] if reason else None,
            semconv.RESPONSE_TIME_TO_FIRST_CHUNK: fields.get("time_to_first_chunk"),
            semconv.STREAM_CHUNK_COUNT: fields.get("chunks") or None,
            semconv.USAGE_INPUT_TOKENS: usage.get("input_tokens"),
            semconv.USAGE_OUTPUT_TOKENS: usage.get("output_tokens"),
            semconv.USAGE_CACHE_READ_INPUT_TOKENS: usage.get("cached_input_tokens") or None,
            semconv.USAGE_CACHE_CREATION_INPUT_TOKENS: usage.get("cache_creation_input_tokens") or None,
            semconv.USAGE_REASONING_OUTPUT_TOKENS: usage.get("reasoning_tokens") or None,
            semconv.OUTPUT_MESSAGES: output_messages(response.get("message"), reason),
        }
    )


# ── tool calls ──────────────────────────────────────────────────────────────────────────────────────────────


def _tool(fields: Fields, application: str) -> Shape:
    call = as_mapping(fields.get("call"))
    arguments = call.get("arguments")
    attributes = {
        semconv.OPERATION_NAME: semconv.OPERATION_EXECUTE_TOOL,
        semconv.TOOL_NAME: call.get("name"),
        semconv.TOOL_CALL_ID: call.get("id"),
        semconv.TOOL_TYPE: semconv.TOOL_TYPE_FUNCTION,
        semconv.TOOL_DESCRIPTION: fields.get("description") or None,
        semconv.AGENT_NAME: application,
        semconv.TOOL_CALL_ARGUMENTS: arguments if isinstance(arguments, str) else None,
    }
    name = f"{semconv.OPERATION_EXECUTE_TOOL} {call.get('name')}"
    return Shape(name, SpanKind.INTERNAL, without_nones(attributes))


def _tool_end(fields: Fields) -> dict[str, AttributeValue]:
    result = as_mapping(fields.get("result"))
    content = result.get("content")
    return without_nones(
        {
            semconv.TOOL_OUTCOME: result.get("outcome"),
            semconv.TOOL_CALL_RESULT: content if isinstance(content, str) else None,
        }
    )


# ── the application ─────────────────────────────────────────────────────────────────────────────────────────


def _user_span(fields: Fields, _: str) -> Shape:
    attributes = {name: value for name, value in as_mapping(fields.get("attributes")).items() if is_whole(value)}
    return Shape(str(fields.get("name")), SpanKind.INTERNAL, as_attributes(attributes))


def _bootstrap(fields: Fields, _: str) -> Shape:
    application = str(fields.get("application"))
    return Shape(f"bootstrap {application}", SpanKind.INTERNAL, {semconv.APPLICATION: application})


def _plugin(fields: Fields, _: str) -> Shape:
    attributes = {
        semconv.PLUGIN_KIND: fields.get("kind"),
        semconv.PLUGIN_NAME: fields.get("name"),
        semconv.PLUGIN_DISTRIBUTION: fields.get("distribution") or None,
        semconv.PLUGIN_VERSION: fields.get("version") or None,
        semconv.PLUGIN_ENTRY_POINT: fields.get("entry_point") or None,
        semconv.PLUGIN_OUTCOME: "failed" if fields.get("error") else "loaded",
    }
    return Shape(f"load_plugin {fields.get('name')}", SpanKind.INTERNAL, without_nones(attributes))


_SHAPES: dict[str, Callable[[Fields, str], Shape | None]] = {
    CommandStartedEvent.type_name: _command,
    CommandResultEvent.type_name: _command,
    LLMRequestEvent.type_name: _chat,
    LLMResponseEvent.type_name: _chat,
    ToolExecuteStartEvent.type_name: _tool,
    ToolExecuteResultEvent.type_name: _tool,
    SpanStartEvent.type_name: _user_span,
    SpanEndEvent.type_name: _user_span,
    BootstrapStartEvent.type_name: _bootstrap,
    PluginLoadedEvent.type_name: _plugin,
    PluginFailedEvent.type_name: _plugin,
}
_ENDS: dict[str, Callable[[Fields], dict[str, AttributeValue]]] = {
    LLMResponseEvent.type_name: _chat_end,
    ToolExecuteResultEvent.type_name: _tool_end,
}
