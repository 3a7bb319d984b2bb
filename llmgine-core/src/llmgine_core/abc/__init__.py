"""What a message bus, a context store, a tool manager, a language model and an application *are*.

An implementation shares nothing with these but the signatures; the conformance kits say the rest.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from llmgine_core.abc.application import Application, ApplicationSession, History
    from llmgine_core.abc.bus import (
        BusSession,
        BusVerbs,
        CommandType,
        EventTap,
        MessageBus,
        Middleware,
        Registration,
        ScheduledEvent,
    )
    from llmgine_core.abc.services import ContextStore, LanguageModel, OutputFormat, ToolManager, ToolManagerFactory
    from llmgine_core.abc.telemetry import Redactor, Telemetry
    from llmgine_core.abc.transport import Endpoint, Transport

__all__ = [
    "Application",
    "ApplicationSession",
    "BusSession",
    "BusVerbs",
    "CommandType",
    "ContextStore",
    "Endpoint",
    "EventTap",
    "History",
    "LanguageModel",
    "MessageBus",
    "Middleware",
    "OutputFormat",
    "Redactor",
    "Registration",
    "ScheduledEvent",
    "Telemetry",
    "ToolManager",
    "ToolManagerFactory",
    "Transport",
]

if not TYPE_CHECKING:  # a checker that saw it would accept every name
    from llmgine_core._lazy import lazy_names

    __getattr__ = lazy_names(__name__, ("bus", "transport", "telemetry", "services", "application"))


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
