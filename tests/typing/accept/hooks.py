"""What implements a hook: functions, methods of plugin objects, settings of its own, whatever narrower it returns."""

from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING, Any

import attrs

from llmgine_core import (
    EventRecord,
    MessageBus,
    ObservabilityEventHandler,
    abc,
)
from llmgine_core.hookspecs import Build, HealthCheck, hookimpl, impl

if TYPE_CHECKING:
    from cattrs import Converter


@attrs.frozen(kw_only=True)
class MySettings:
    """Settings of a plugin's own."""

    path: str = "here"


class MyRedactor:
    """A redactor, by its method alone."""

    def redact(self, record: EventRecord) -> EventRecord:
        """The record as it is."""
        return record


@impl.llmgine_settings
def llmgine_settings() -> type[MySettings]:
    """A class of the plugin's own."""
    return MySettings


@impl.llmgine_register_converters
def llmgine_register_converters(converter: "Converter") -> None:
    """Types of its own."""


@impl.llmgine_create_message_bus
def llmgine_create_message_bus(build: Build[MySettings]) -> MessageBus:
    """The core's bus, which is narrower than what is asked for."""
    return MessageBus()


@impl.llmgine_create_message_bus
def another_bus(build: Build[Any]) -> abc.MessageBus:
    """Any other bus, under any other name."""
    return MessageBus()


@impl.llmgine_create_context_store
def llmgine_create_context_store(build: Build[MySettings]) -> abc.ContextStore:
    """A store."""
    raise NotImplementedError(build.settings.path)


@impl.llmgine_create_tool_manager
def llmgine_create_tool_manager(build: Build[MySettings]) -> abc.ToolManagerFactory:
    """A factory."""
    raise NotImplementedError(build.settings.path)


@impl.llmgine_create_language_model
def llmgine_create_language_model(build: Build[MySettings]) -> abc.LanguageModel:
    """A model."""
    raise NotImplementedError(build.settings.path)


@impl.llmgine_create_event_handler
def llmgine_create_event_handler(build: Build[MySettings]) -> ObservabilityEventHandler:
    """A handler."""
    raise NotImplementedError(build.settings.path)


@impl.llmgine_create_redactor
def llmgine_create_redactor(build: Build[object]) -> MyRedactor:
    """A class that nobody declared to be a redactor; and settings that nobody looks at."""
    return MyRedactor()


@impl.llmgine_register_tools
def llmgine_register_tools() -> list[Callable[..., Any]]:
    """Functions."""
    return [len]


@impl.llmgine_register_handlers
def llmgine_register_handlers(app: abc.Application) -> None:
    """Handlers."""


@impl.llmgine_lifespan
@asynccontextmanager
async def llmgine_lifespan(app: abc.Application) -> AsyncGenerator[None]:
    """A hook that is the context manager itself."""
    yield


@impl.llmgine_lifespan
def perhaps_a_lifespan(app: abc.Application) -> AbstractAsyncContextManager[None] | None:
    """Or nothing."""
    return None


@impl.llmgine_health_checks
def llmgine_health_checks(app: abc.Application) -> dict[str, HealthCheck]:
    """Checks."""
    return {"mine": lambda: {"ok": True}}


@impl.llmgine_create_redactor
def with_an_option(build: Build[MySettings], more: int = 3) -> abc.Redactor:
    """One that can be told more."""
    raise NotImplementedError(more)


class PluginObject:
    """A plugin that is an object."""

    @impl.llmgine_settings
    def llmgine_settings(self) -> type[MySettings]:
        """A method."""
        return MySettings

    @impl.llmgine_create_message_bus
    def llmgine_create_message_bus(self, build: Build[MySettings]) -> MessageBus:
        """A method with an argument."""
        return MessageBus()

    @classmethod
    @impl.llmgine_create_redactor
    def llmgine_create_redactor(cls, build: Build[MySettings]) -> abc.Redactor:
        """A method of the class, marked inside."""
        return MyRedactor()

    @impl.llmgine_register_tools
    @staticmethod
    def llmgine_register_tools() -> list[Callable[..., Any]]:
        """A function in the class, marked outside."""
        return []

    @staticmethod
    @impl.llmgine_register_handlers
    def llmgine_register_handlers(app: abc.Application) -> None:
        """A function in the class, marked inside."""

    @impl.llmgine_health_checks
    @classmethod
    def llmgine_health_checks(cls, app: abc.Application) -> None:
        """A method of the class, marked outside."""


@hookimpl
def llmgine_create_something() -> None:
    """Pluggy's own marker takes anything; the host looks at it when the plugin is loaded."""


def call(app: abc.Application) -> None:
    """What is marked stays what it was."""
    bus: abc.MessageBus = llmgine_create_message_bus(build=Build(settings=MySettings(), name="mine"))
    same: abc.MessageBus = PluginObject().llmgine_create_message_bus(Build(settings=MySettings(), name="mine"))
    settings: type[Any] = PluginObject().llmgine_settings()
    llmgine_register_handlers(app)
    print(bus, same, settings)
