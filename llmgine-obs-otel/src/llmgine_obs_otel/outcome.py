"""How something ended, in OpenTelemetry's terms: error type, status, exception attributes."""

from __future__ import annotations

from typing import Any

from opentelemetry.trace import Span, Status, StatusCode
from opentelemetry.util.types import AttributeValue

from llmgine_core.contracts import Outcome
from llmgine_obs_otel import semconv
from llmgine_obs_otel.values import Fields, as_mapping

__all__ = ["error_type", "exception_attributes", "set_outcome"]

_TOOL_ERRORS = {
    "not_found": "tool_not_found",
    "invalid_arguments": "invalid_arguments",
    "timeout": "timeout",
    "denied": "denied",
}


def error_type(fields: Fields) -> str | None:
    """The value of `error.type`: a code where there is one, else the exception's class; None for no failure."""
    outcome = fields.get("outcome", Outcome.ERROR if fields.get("error") else Outcome.OK)
    if outcome == Outcome.TIMEOUT:
        return "timeout"
    if outcome != Outcome.ERROR:
        return None
    if code := _TOOL_ERRORS.get(str(as_mapping(fields.get("result")).get("outcome"))):
        return code
    return str(as_mapping(fields.get("error")).get("type") or semconv.ERROR_OTHER)


def set_outcome(span: Span, fields: Fields) -> None:
    """Give the span its status. One that went well keeps none, and so does one that was cancelled."""
    if fields.get("outcome") == Outcome.CANCELLED:
        span.set_attribute(semconv.OUTCOME, Outcome.CANCELLED.value)
    elif kind := error_type(fields):
        span.set_attribute(semconv.ERROR_TYPE, kind)
        span.set_status(Status(StatusCode.ERROR, _text(as_mapping(fields.get("error")).get("message"))))


def exception_attributes(error: Any) -> dict[str, AttributeValue]:
    """Type, message and stack of an exception, as far as they may be told."""
    fields = as_mapping(error)
    told = {
        semconv.EXCEPTION_TYPE: _text(fields.get("type")),
        semconv.EXCEPTION_MESSAGE: _text(fields.get("message")),
        semconv.EXCEPTION_STACKTRACE: _text(fields.get("stack")),
    }
    return {name: text for name, text in told.items() if text}


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None
