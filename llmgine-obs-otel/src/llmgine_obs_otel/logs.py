"""`LogBook`: records that are worth a log record, each with its place in the trace."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import attrs
from opentelemetry._logs import Logger, SeverityNumber
from opentelemetry.context import Context
from opentelemetry.util.types import AttributeValue

import llmgine_core.events
from llmgine_core.events import (
    ChatHistoryUpdatedEvent,
    CommandResultEvent,
    EventDroppedEvent,
    EventHandlerFailedEvent,
    LLMResponseEvent,
    LogEvent,
    PluginFailedEvent,
    SessionEndEvent,
    SessionStartEvent,
    ToolExecuteResultEvent,
    UnknownEvent,
)
from llmgine_core.observability import EventRecord
from llmgine_obs_otel import semconv
from llmgine_obs_otel.outcome import exception_attributes
from llmgine_obs_otel.values import Fields, as_attributes, as_mapping, as_sequence, nanoseconds, without_nones

__all__ = ["LogBook"]

_SEVERITIES = {
    "debug": SeverityNumber.DEBUG,
    "info": SeverityNumber.INFO,
    "warning": SeverityNumber.WARN,
    "error": SeverityNumber.ERROR,
    "critical": SeverityNumber.FATAL,
}
_OF_THE_CORE = frozenset(llmgine_core.events.__all__) - {UnknownEvent.type_name}


@attrs.frozen
class _Entry:
    """What is written of a record; `name` is the log event's name, None for a plain log."""

    name: str | None
    level: str
    attributes: dict[str, AttributeValue] = attrs.field(factory=dict[str, AttributeValue])
    body: str | None = None


class LogBook:
    """Writes logs.

    Args:
        logger: takes the log records.
    """

    def __init__(self, logger: Logger) -> None:
        self._logger = logger

    def take(self, record: EventRecord, context: Context) -> None:
        """Write what is worth it.

        Args:
            record: any record.
            context: its place in the trace.
        """
        if entry := _entry(record):
            identity = {semconv.SESSION_ID: record.session_id, semconv.EVENT_ID: record.id}
            self._logger.emit(
                timestamp=nanoseconds(record),
                context=context,
                severity_number=_SEVERITIES[entry.level],
                severity_text=entry.level.upper(),
                body=entry.body,
                attributes={**without_nones(identity), **entry.attributes},
                event_name=entry.name,
            )


def _entry(record: EventRecord) -> _Entry | None:
    if record.type in _ENTRIES:
        return _ENTRIES[record.type](record.fields)
    if record.type in _OF_THE_CORE:
        return None
    kind = record.fields.get("original_type", record.type) if record.type == UnknownEvent.type_name else record.type
    return _Entry(semconv.EVENT_OTHER, "info", {semconv.EVENT_TYPE: str(kind)})


def _log(fields: Fields) -> _Entry:
    level, message = fields.get("level"), fields.get("message")
    return _Entry(
        None,
        level if isinstance(level, str) and level in _SEVERITIES else "info",
        as_attributes(as_mapping(fields.get("fields"))),
        message if isinstance(message, str) else None,
    )


def _session_start(_: Fields) -> _Entry:
    return _Entry(semconv.EVENT_SESSION_START, "info")


def _session_end(fields: Fields) -> _Entry:
    level = "error" if fields.get("error") else "info"
    return _Entry(
        semconv.EVENT_SESSION_END,
        level,
        {semconv.OUTCOME: str(fields.get("outcome")), **exception_attributes(fields.get("error"))},
    )


def _history(fields: Fields) -> _Entry:
    attributes = {
        semconv.CONTEXT_OPERATION: fields.get("operation"),
        semconv.CONTEXT_MESSAGE_COUNT: len(as_sequence(fields.get("messages"))),
        semconv.CONTEXT_VERSION: fields.get("version"),
    }
    return _Entry(semconv.EVENT_CONTEXT_UPDATED, "debug", without_nones(attributes))


def _dropped(fields: Fields) -> _Entry:
    attributes = {
        semconv.EVENT_TYPE: fields.get("event_type"),
        semconv.HANDLER_NAME: fields.get("subscription"),
        semconv.DROPPED_REASON: fields.get("reason"),
        semconv.DROPPED_COUNT: fields.get("count"),
    }
    return _Entry(semconv.EVENT_DROPPED, "warning", without_nones(attributes))


def _exception(name: str, level: str, attributes: Mapping[str, str]) -> Callable[[Fields], _Entry | None]:
    """Entries for records with an error: what the error says, and these fields as attributes."""

    def entry(fields: Fields) -> _Entry | None:
        if not fields.get("error"):
            return None
        said: dict[str, Any] = {attribute: fields.get(field) for field, attribute in attributes.items()}
        return _Entry(name, level, {**without_nones(said), **exception_attributes(fields.get("error"))})

    return entry


_ENTRIES: dict[str, Callable[[Fields], _Entry | None]] = {
    LogEvent.type_name: _log,
    SessionStartEvent.type_name: _session_start,
    SessionEndEvent.type_name: _session_end,
    ChatHistoryUpdatedEvent.type_name: _history,
    EventDroppedEvent.type_name: _dropped,
    CommandResultEvent.type_name: _exception(
        semconv.EVENT_COMMAND_EXCEPTION, "error", {"command_type": semconv.COMMAND_TYPE}
    ),
    LLMResponseEvent.type_name: _exception(
        semconv.EVENT_CLIENT_EXCEPTION, "warning", {"provider": semconv.PROVIDER_NAME, "model": semconv.REQUEST_MODEL}
    ),
    ToolExecuteResultEvent.type_name: _exception(semconv.EVENT_TOOL_EXCEPTION, "warning", {}),
    EventHandlerFailedEvent.type_name: _exception(
        semconv.EVENT_HANDLER_EXCEPTION,
        "error",
        {
            "handler": semconv.HANDLER_NAME,
            "event_type": semconv.EVENT_TYPE,
            "attempts": semconv.HANDLER_ATTEMPTS,
        },
    ),
    PluginFailedEvent.type_name: _exception(
        semconv.EVENT_PLUGIN_FAILED, "error", {"kind": semconv.PLUGIN_KIND, "name": semconv.PLUGIN_NAME}
    ),
}
