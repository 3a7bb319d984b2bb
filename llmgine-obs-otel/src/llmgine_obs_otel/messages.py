"""Chat messages in the form of `gen_ai.input.messages` and `gen_ai.output.messages`.

https://github.com/open-telemetry/semantic-conventions-genai/tree/main/docs/gen-ai
"""

from __future__ import annotations

import json
from typing import Any

from llmgine_obs_otel.values import Fields, as_json, as_mapping, as_sequence, is_whole

__all__ = ["input_messages", "output_messages", "parsed"]

_FINISH_REASONS = {"tool_calls": "tool_call"}


def input_messages(messages: Any) -> str | None:
    """The request's messages as JSON text; None unless they are there in full."""
    if not is_whole(messages) or not as_sequence(messages):
        return None
    return as_json([_message(as_mapping(message)) for message in as_sequence(messages)])


def output_messages(message: Any, finish_reason: Any) -> str | None:
    """The response's message as JSON text; None unless it is there in full."""
    if not is_whole(message) or not as_mapping(message):
        return None
    reason = _FINISH_REASONS.get(str(finish_reason), finish_reason)
    return as_json([{**_message(as_mapping(message)), "finish_reason": reason}])


def parsed(arguments: Any) -> Any:
    """A call's arguments as the document that they are, or as they are if they are none."""
    try:
        return json.loads(arguments)
    except (TypeError, ValueError, RecursionError):
        return arguments


def _message(message: Fields) -> dict[str, Any]:
    named = {"name": message["name"]} if message.get("name") else {}
    return {
        "role": message.get("role"),
        "parts": [_part(as_mapping(p)) for p in as_sequence(message.get("parts"))],
        **named,
    }


def _part(part: Fields) -> dict[str, Any]:
    kind = part.get("type")
    if kind in ("text", "reasoning", "refusal"):
        return {"type": kind, "content": part.get("text")}
    if kind == "tool_call":
        call = as_mapping(part.get("call"))
        return {
            "type": kind,
            "id": call.get("id"),
            "name": call.get("name"),
            "arguments": parsed(call.get("arguments")),
        }
    if kind == "tool_result":
        result = as_mapping(part.get("result"))
        return {"type": "tool_call_response", "id": result.get("call_id"), "response": result.get("content")}
    if kind == "image":
        return _image(part)
    return {"type": kind}


def _image(part: Fields) -> dict[str, Any]:
    """A picture by its address; one that is given in full by its size, since a span is no place for it."""
    described = {"modality": "image", "mime_type": part.get("media_type")}
    url, data = part.get("url"), part.get("data")
    if isinstance(url, str) and not url.startswith("data:"):
        return {"type": "uri", **described, "uri": url}
    return {"type": "image", **described, "bytes": len(data or url or "") * 3 // 4}
