"""The events that the runtime publishes about itself.

Every Result, Response and End event has `outcome`, `duration` (seconds) and `error`. Lifecycle events of a command
share the command's header, so they stand where the command stands in the chain of causes.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from llmgine_core.events.application import (
        BootstrapReadyEvent,
        BootstrapStartEvent,
        BootstrapStopEvent,
        PluginFailedEvent,
        PluginLoadedEvent,
    )
    from llmgine_core.events.runtime import (
        CommandResultEvent,
        CommandStartedEvent,
        EventDroppedEvent,
        EventHandlerFailedEvent,
        EventHandlerResultEvent,
        EventHandlerStartEvent,
        LogEvent,
        MetricEvent,
        SessionEndEvent,
        SessionStartEvent,
        SpanEndEvent,
        SpanStartEvent,
    )
    from llmgine_core.events.services import (
        ChatHistoryUpdatedEvent,
        LLMRequestEvent,
        LLMResponseEvent,
        LLMStreamChunkEvent,
        ToolExecuteResultEvent,
        ToolExecuteStartEvent,
    )
    from llmgine_core.events.unknown import (
        UnknownEvent,
    )

__all__ = [
    "BootstrapReadyEvent",
    "BootstrapStartEvent",
    "BootstrapStopEvent",
    "ChatHistoryUpdatedEvent",
    "CommandResultEvent",
    "CommandStartedEvent",
    "EventDroppedEvent",
    "EventHandlerFailedEvent",
    "EventHandlerResultEvent",
    "EventHandlerStartEvent",
    "LLMRequestEvent",
    "LLMResponseEvent",
    "LLMStreamChunkEvent",
    "LogEvent",
    "MetricEvent",
    "PluginFailedEvent",
    "PluginLoadedEvent",
    "SessionEndEvent",
    "SessionStartEvent",
    "SpanEndEvent",
    "SpanStartEvent",
    "ToolExecuteResultEvent",
    "ToolExecuteStartEvent",
    "UnknownEvent",
]

if not TYPE_CHECKING:  # a checker that saw it would accept every name
    from llmgine_core._lazy import lazy_names

    __getattr__ = lazy_names(__name__, ("runtime", "application", "unknown", "services"))


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
