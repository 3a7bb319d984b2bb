"""What one line says of an event: its level, and the few fields that matter, short."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from llmgine_core.events import (
    EventDroppedEvent,
    EventHandlerFailedEvent,
    EventHandlerResultEvent,
    EventHandlerStartEvent,
    LLMRequestEvent,
    LLMResponseEvent,
    LLMStreamChunkEvent,
    LogEvent,
    PluginFailedEvent,
    ToolExecuteResultEvent,
    ToolExecuteStartEvent,
)
from llmgine_core.observability import EventRecord

__all__ = ["LEVELS", "level_of", "summary_of"]

LEVELS = ("debug", "info", "warning", "error", "critical")
"""The levels, the least first."""

Fields = Mapping[str, Any]

_QUIET = frozenset(t.type_name for t in (EventHandlerStartEvent, EventHandlerResultEvent, LLMStreamChunkEvent))
_BY_OUTCOME = {"error": "error", "timeout": "error", "cancelled": "warning"}
_FIXED_LEVELS = {
    EventDroppedEvent.type_name: "warning",
    EventHandlerFailedEvent.type_name: "error",
    PluginFailedEvent.type_name: "error",
}
_SHOWN_APART = frozenset({"outcome", "duration", "error"})
_SAID_BY_IDS = frozenset({"command_id", "start_id", "event_id"})


def level_of(record: EventRecord) -> str:
    """How much the event matters, in the words of logging."""
    if record.type == LogEvent.type_name and record.fields.get("level") in LEVELS:
        return str(record.fields["level"])
    if level := _FIXED_LEVELS.get(record.type) or _BY_OUTCOME.get(str(record.fields.get("outcome"))):
        return level
    return "debug" if record.type in _QUIET else "info"


def summary_of(record: EventRecord) -> dict[str, Any]:
    """The fields to show, in order: what the event is about, then outcome, duration and error."""
    fields = record.fields
    summary = {name: short(value) for name, value in _SUBJECTS.get(record.type, _anything)(fields).items()}
    if "outcome" in fields:
        summary["outcome"] = short(fields["outcome"])
    if isinstance(fields.get("duration"), (int, float)):
        summary["duration"] = seconds(fields["duration"])
    if error := fields.get("error"):
        summary["error"] = _error(error)
    return {name: value for name, value in summary.items() if value not in (None, "")}


def short(value: Any) -> Any:
    """A value as a few words: structures by their size, omitted content by its bytes."""
    if isinstance(value, Mapping):
        if value.get("omitted") == "content":  # pyright: ignore[reportUnknownMemberType]
            return f"<{value.get('bytes')} bytes>"  # pyright: ignore[reportUnknownMemberType]
        return f"{{{len(value)}}}" if value else None  # pyright: ignore[reportUnknownArgumentType]
    if isinstance(value, (list, tuple)):
        return f"[{len(value)}]" if value else None  # pyright: ignore[reportUnknownArgumentType]
    return value


def seconds(value: float) -> str:
    """A duration in the unit that reads best: `250us`, `12.3ms`, `4.56s`."""
    if value >= 1:
        return f"{value:.2f}s"
    return f"{value * 1e3:.1f}ms" if value >= 1e-3 else f"{value * 1e6:.0f}us"


def _error(error: Any) -> Any:
    fields = _fields(error)
    if not fields:
        return error
    message = short(fields.get("message"))
    return f"{fields.get('type')}: {message}" if message else fields.get("type")


def _fields(value: Any) -> Fields:
    """The value if it is an object; a redactor may have put anything in its place."""
    return value if isinstance(value, Mapping) else {}  # pyright: ignore[reportUnknownVariableType]


def _size(value: Any) -> int | None:
    return len(value) if isinstance(value, (list, tuple)) else None  # pyright: ignore[reportUnknownArgumentType]


# ── what each type is about ─────────────────────────────────────────────────────────────────────────────────


def _anything(fields: Fields) -> dict[str, Any]:
    return {n: v for n, v in fields.items() if n not in _SHOWN_APART and n not in _SAID_BY_IDS}


def _request(fields: Fields) -> dict[str, Any]:
    request = _fields(fields.get("request"))
    return {
        "model": fields.get("model"),
        "provider": fields.get("provider"),
        "messages": _size(request.get("messages")),
        "tools": _size(request.get("tools")) or None,
        "stream": fields.get("stream") or None,
    }


def _response(fields: Fields) -> dict[str, Any]:
    response = _fields(fields.get("response"))
    usage = _fields(response.get("usage"))
    first = fields.get("time_to_first_chunk")
    return {
        "model": response.get("model", fields.get("model")),
        "finish": response.get("finish_reason"),
        "tokens": f"{usage.get('input_tokens')}+{usage.get('output_tokens')}" if usage else None,
        "first_chunk": seconds(first) if isinstance(first, (int, float)) else None,
    }


def _call(fields: Fields) -> dict[str, Any]:
    call = _fields(fields.get("call"))
    return {"tool": call.get("name"), "arguments": call.get("arguments")}


def _result(fields: Fields) -> dict[str, Any]:
    call, result = _fields(fields.get("call")), _fields(fields.get("result"))
    outcome = result.get("outcome")
    return {
        "tool": call.get("name"),
        "content": result.get("content"),
        "result": outcome if outcome != fields.get("outcome") else None,
    }


def _log(fields: Fields) -> dict[str, Any]:
    return {"level": fields.get("level"), "message": fields.get("message"), **_fields(fields.get("fields"))}


_SUBJECTS: dict[str, Callable[[Fields], dict[str, Any]]] = {
    LLMRequestEvent.type_name: _request,
    LLMResponseEvent.type_name: _response,
    ToolExecuteStartEvent.type_name: _call,
    ToolExecuteResultEvent.type_name: _result,
    LogEvent.type_name: _log,
}
