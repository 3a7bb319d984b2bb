"""What a message bus, a context store, a tool manager, a language model and an application *are*.

An implementation shares nothing with these but the signatures; the conformance kits say the rest.
"""

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
