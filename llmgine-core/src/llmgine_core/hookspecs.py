"""The hooks that a plugin may implement.

A plugin is a module (or an object) behind an entry point. It implements the hook of its kind and whatever else it has
to offer, each function marked with the decorator of the same name in `impl`, which type checkers hold against the
hook's
signature::

    from llmgine_core.hookspecs import Build, impl

    @impl.llmgine_create_event_handler
    def llmgine_create_event_handler(build: Build[MySettings]) -> ObservabilityEventHandler:
        from my_package.handler import MyHandler  # heavy imports belong inside the hook
        return MyHandler(build.settings.path)

Hooks are plain functions, called while an application starts and never afterwards. What they return does the work.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

import attrs
import pluggy

from llmgine_core.abc import (
    Application,
    ContextStore,
    LanguageModel,
    MessageBus,
    Redactor,
    ToolManagerFactory,
)
from llmgine_core.observability import ObservabilityEventHandler

if TYPE_CHECKING:
    from cattrs import Converter

__all__ = [
    "API_VERSION",
    "KINDS",
    "PROJECT",
    "Build",
    "HealthCheck",
    "HookSpecs",
    "Kind",
    "hookimpl",
    "hookspec",
    "impl",
]

PROJECT = "llmgine"
API_VERSION = 1
"""The version of this interface; a plugin that needs another says so in `__llmgine_api__`."""

hookspec: pluggy.HookspecMarker = pluggy.HookspecMarker(PROJECT)
hookimpl: pluggy.HookimplMarker = pluggy.HookimplMarker(PROJECT)

S_co = TypeVar("S_co", covariant=True)
HealthCheck = Callable[[], dict[str, Any]]
"""Says how something is: JSON data with at least the key `ok`."""


@attrs.frozen(kw_only=True)
class Build(Generic[S_co]):
    """What a factory hook is given for each configured instance.

    Attributes:
        settings: an instance of the class that `llmgine_settings` returned; an empty dict if there is no such hook.
        name: the instance's name: what configuration calls it.
        application: the application's name.
        bus: the application's bus, not started yet; None while the bus itself is built.
        logger: a logger of the instance's own.
    """

    settings: S_co
    name: str
    application: str = "app"
    bus: MessageBus | None = None
    logger: logging.Logger = attrs.field(factory=lambda: logging.getLogger("llmgine.plugin"))


class HookSpecs:
    """The hooks' signatures. Every one is optional; a plugin of a kind implements that kind's factory."""

    @hookspec(firstresult=True)
    def llmgine_settings(self) -> type[Any] | None:
        """The attrs class that the plugin's table in the configuration is read into.

        Unknown keys are refused, so a plugin without this hook takes no settings at all.
        """

    @hookspec(firstresult=True)
    def llmgine_create_message_bus(self, build: Build[Any]) -> MessageBus | None:
        """Kind `bus`: make the application's bus, unstarted."""

    @hookspec(firstresult=True)
    def llmgine_create_context_store(self, build: Build[Any]) -> ContextStore | None:
        """Kind `context_store`: make the store of histories; it publishes its changes on `build.bus`."""

    @hookspec(firstresult=True)
    def llmgine_create_tool_manager(self, build: Build[Any]) -> ToolManagerFactory | None:
        """Kind `tool_manager`: make the factory that makes each session's tool manager."""

    @hookspec(firstresult=True)
    def llmgine_create_language_model(self, build: Build[Any]) -> LanguageModel | None:
        """Kind `llm`: make a model; called once for each configured name."""

    @hookspec(firstresult=True)
    def llmgine_create_event_handler(self, build: Build[Any]) -> ObservabilityEventHandler | None:
        """Kind `observability`: make a handler that writes events somewhere."""

    @hookspec(firstresult=True)
    def llmgine_create_redactor(self, build: Build[Any]) -> Redactor | None:
        """Kind `plugins`: make a redactor; redactors run in the order in which plugins are configured."""

    @hookspec
    def llmgine_register_tools(self) -> Sequence[Callable[..., Any]]:
        """Kind `plugins`: functions that every session offers as tools."""
        raise AssertionError("a hook's specification is never called")

    @hookspec
    def llmgine_register_handlers(self, app: Application) -> None:
        """Kind `plugins`: register handlers on `app.bus`; everything else has been built."""

    @hookspec
    def llmgine_register_converters(self, converter: Converter) -> None:
        """Any kind: teach the converter that reads settings the plugin's own types."""

    @hookspec(firstresult=True)
    def llmgine_lifespan(self, app: Application) -> AbstractAsyncContextManager[Any] | None:
        """Kind `plugins`: what to enter when the application starts and to leave when it stops."""

    @hookspec(firstresult=True)
    def llmgine_health_checks(self, app: Application) -> dict[str, HealthCheck] | None:
        """Kind `plugins`: checks for `app.health()`, by name."""


@attrs.frozen
class Kind:
    """A kind of plugin.

    Attributes:
        name: what configuration calls it.
        group: its entry-point group.
        factory: the hook that makes an instance; empty for `plugins`, which have no one product.
        noun: how messages speak of one.
    """

    name: str
    group: str
    factory: str
    noun: str


KINDS = {
    kind.name: kind
    for kind in (
        Kind("bus", "llmgine.bus", "llmgine_create_message_bus", "message bus"),
        Kind("context_store", "llmgine.context_store", "llmgine_create_context_store", "context store"),
        Kind("tool_manager", "llmgine.tool_manager", "llmgine_create_tool_manager", "tool manager"),
        Kind("llm", "llmgine.llm", "llmgine_create_language_model", "language model"),
        Kind("observability", "llmgine.observability", "llmgine_create_event_handler", "observability handler"),
        Kind("plugins", "llmgine.plugins", "", "plugin"),
    )
}
"""The kinds, in the order in which an application is put together."""


# ── typed decorators ─────────────────────────────────────────────────────────────────────────────────────────────────


class _Settings(Protocol):
    def __call__(self) -> type[Any] | None: ...


class _CreateMessageBus(Protocol):
    def __call__(self, build: Build[Any]) -> MessageBus | None: ...


class _CreateContextStore(Protocol):
    def __call__(self, build: Build[Any]) -> ContextStore | None: ...


class _CreateToolManager(Protocol):
    def __call__(self, build: Build[Any]) -> ToolManagerFactory | None: ...


class _CreateLanguageModel(Protocol):
    def __call__(self, build: Build[Any]) -> LanguageModel | None: ...


class _CreateEventHandler(Protocol):
    def __call__(self, build: Build[Any]) -> ObservabilityEventHandler | None: ...


class _CreateRedactor(Protocol):
    def __call__(self, build: Build[Any]) -> Redactor | None: ...


class _RegisterTools(Protocol):
    def __call__(self) -> Sequence[Callable[..., Any]]: ...


class _RegisterHandlers(Protocol):
    def __call__(self, app: Application) -> None: ...


class _RegisterConverters(Protocol):
    def __call__(self, converter: Converter) -> None: ...


class _Lifespan(Protocol):
    def __call__(self, app: Application) -> AbstractAsyncContextManager[Any] | None: ...


class _HealthChecks(Protocol):
    def __call__(self, app: Application) -> dict[str, HealthCheck] | None: ...


F = TypeVar("F", bound=Callable[..., Any])


class _Typed(Generic[F]):
    """One hook's decorator: pluggy's marker, with the hook's signature as its argument's type."""

    def __init__(self, hook: str) -> None:
        self._hook = hook

    def __call__(self, function: F) -> F:
        return hookimpl(specname=self._hook)(function)


class _Impl:
    """One typed decorator for each hook; use the one named like the hook."""

    llmgine_settings: _Typed[_Settings] = _Typed("llmgine_settings")
    llmgine_create_message_bus: _Typed[_CreateMessageBus] = _Typed("llmgine_create_message_bus")
    llmgine_create_context_store: _Typed[_CreateContextStore] = _Typed("llmgine_create_context_store")
    llmgine_create_tool_manager: _Typed[_CreateToolManager] = _Typed("llmgine_create_tool_manager")
    llmgine_create_language_model: _Typed[_CreateLanguageModel] = _Typed("llmgine_create_language_model")
    llmgine_create_event_handler: _Typed[_CreateEventHandler] = _Typed("llmgine_create_event_handler")
    llmgine_create_redactor: _Typed[_CreateRedactor] = _Typed("llmgine_create_redactor")
    llmgine_register_tools: _Typed[_RegisterTools] = _Typed("llmgine_register_tools")
    llmgine_register_handlers: _Typed[_RegisterHandlers] = _Typed("llmgine_register_handlers")
    llmgine_register_converters: _Typed[_RegisterConverters] = _Typed("llmgine_register_converters")
    llmgine_lifespan: _Typed[_Lifespan] = _Typed("llmgine_lifespan")
    llmgine_health_checks: _Typed[_HealthChecks] = _Typed("llmgine_health_checks")


impl: _Impl = _Impl()
"""Typed decorators: `@impl.llmgine_create_event_handler`."""
