"""The hooks that a plugin may implement.

A plugin is a module (or an object) behind an entry point. It implements the factory hook of its kind and whatever else
it has to offer, each function marked with the decorator of its name in `impl`::

    from llmgine_core.hookspecs import Build, impl

    @impl.llmgine_create_event_handler
    def llmgine_create_event_handler(build: Build[MySettings]) -> ObservabilityEventHandler:
        from my_package.handler import MyHandler  # heavy imports belong inside the hook
        return MyHandler(build.settings.path)

Hooks are plain functions, called while an application starts and never afterwards; what they return does the work.
docs/reference/hooks.md tells how to write a plugin of each kind.
"""

from __future__ import annotations

import difflib
import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

import attrs

from llmgine_core._hook import PROJECT, Hook, declare, hookimpl, hookspec
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
    "HOOKS",
    "KINDS",
    "PROJECT",
    "Build",
    "HealthCheck",
    "Hook",
    "HookSpecs",
    "Hooks",
    "Kind",
    "hookimpl",
    "hookspec",
    "impl",
]

API_VERSION: int = 1
"""The version of this interface.

A plugin may state the version that it was written for, as a module's variable: `__llmgine_api__ = 1`. The host refuses
one that states another than its own, with `PluginApiError`; one that states none is taken as it is. New hooks, and new
attributes of `Build`, leave the version as it is, for they break no plugin. It grows when a hook goes away, or is
called with, or must return, something else.
"""

S_co = TypeVar("S_co", covariant=True)

HealthCheck = Callable[[], dict[str, Any]]
"""Says how something is: JSON data with at least the key `ok`. It must not block; if it raises, that is not `ok`."""


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


KINDS: Mapping[str, Kind] = {
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
"""The kinds, by name."""


@attrs.frozen(kw_only=True)
class Build(Generic[S_co]):
    """What a factory hook is given for each configured instance; later versions may add to it.

    Attributes:
        settings: an instance of the class that `llmgine_settings` returned; an empty dict if there is no such hook.
        name: the instance's name: what configuration calls it, by `as` where there are several of one plugin.
        application: the application's name.
        bus: the application's bus, not started yet; None while the bus itself is built.
        logger: a logger of the instance's own, `llmgine.plugin.NAME`.
    """

    settings: S_co
    name: str
    application: str = "app"
    bus: MessageBus | None = None
    logger: logging.Logger = attrs.field(factory=lambda: logging.getLogger("llmgine.plugin"))


class Hooks:
    """The hooks: for each its signature, its meaning and its decorator.

    Every one is optional, but that a plugin has its kind's factory. Each is called on the event loop's thread, so it
    must not block, and by keyword. An exception out of any of them, SystemExit included, stops the start: the
    application rolls back what has started and raises `PluginLoadError`, which names the hook, the plugin and a cure. A
    `PluginError` or `ConfigError` is raised as it is.
    """

    @declare(*KINDS)
    def llmgine_settings(self: Any) -> type[Any]:
        """The attrs class that the plugin's table in the configuration is read into.

        Called once for each configured instance, before anything is built. A key that the class does not have, or a
        value that does not fit, is a `ConfigError` with file, key and nearest match; so a plugin without this hook
        takes no settings at all.

        Looked for in plugins of every kind. Since API version 1.

        Returns:
            A class made with attrs; its instance is `build.settings`.
        """
        raise NotImplementedError

    @declare(*KINDS, collected=True)
    def llmgine_register_converters(self: Any, converter: Converter) -> None:
        """Teach the converter that reads the plugin's settings types that are the plugin's own.

        Called once for each configured instance that has `llmgine_settings`, right after it. What is registered here
        holds for this instance's settings alone.

        Looked for in plugins of every kind. Since API version 1.

        Args:
            converter: a new cattrs converter; use `converter.register_structure_hook(Type, function)`.
        """

    @declare("bus")
    def llmgine_create_message_bus(self: Any, build: Build[Any]) -> MessageBus:
        """Make the application's bus, not started.

        Called once, before the factories of all other kinds. A broker's plugin returns
        `llmgine_core.MessageBus(transport=…)`; another bus altogether is allowed.

        Looked for in plugins of kind `bus`. Since API version 1.

        Args:
            build: settings, name and logger; `build.bus` is None.

        Returns:
            A bus. The application enters it (`async with`) once observability has started, and leaves it last but for
            observability.
        """
        raise NotImplementedError

    @declare("context_store")
    def llmgine_create_context_store(self: Any, build: Build[Any]) -> ContextStore:
        """Make the store of the sessions' histories.

        Called once, after the bus was made.

        Looked for in plugins of kind `context_store`. Since API version 1.

        Args:
            build: settings, name and logger; the store publishes a `ChatHistoryUpdatedEvent` for each change on
                `build.bus`.

        Returns:
            A store. One that is an async context manager is entered once the bus runs, and left before it stops.
        """
        raise NotImplementedError

    @declare("tool_manager")
    def llmgine_create_tool_manager(self: Any, build: Build[Any]) -> ToolManagerFactory:
        """Make what makes the sessions' tool managers.

        Called once, after the bus was made.

        Looked for in plugins of kind `tool_manager`. Since API version 1.

        Args:
            build: settings, name, logger and the bus.

        Returns:
            A function of a session, or a class, that returns the session's `ToolManager`; it is called when a session's
            tools are first asked for. One that is an async context manager is entered once the bus runs, and left
            before it stops.
        """
        raise NotImplementedError

    @declare("llm")
    def llmgine_create_language_model(self: Any, build: Build[Any]) -> LanguageModel:
        """Make a model.

        Called once for each model of the configuration, after the bus was made.

        Looked for in plugins of kind `llm`. Since API version 1.

        Args:
            build: settings, name (`default` for `[llm.default]`), logger and the bus.

        Returns:
            A model. One that is an async context manager is entered once the bus runs, and left before it stops.
        """
        raise NotImplementedError

    @declare("observability")
    def llmgine_create_event_handler(self: Any, build: Build[Any]) -> ObservabilityEventHandler:
        """Make a handler that writes events somewhere.

        Called once for each handler of the configuration, after the bus was made.

        Looked for in plugins of kind `observability`. Since API version 1.

        Args:
            build: settings, name, logger and the bus.

        Returns:
            A handler, not started, whose `name` should be `build.name`. The application starts it before the bus, so
            that it sees everything, and closes it last.
        """
        raise NotImplementedError

    @declare("plugins", collected=True)
    def llmgine_register_tools(self: Any) -> Sequence[Callable[..., Any]]:
        """Offer functions as tools, in every session.

        Called once for each configured instance, while the application is built, before there is an application.

        Looked for in plugins of kind `plugins`. Since API version 1.

        Returns:
            A list or tuple of functions, marked with `@tool` where they have something to say beyond their signature.
        """
        raise NotImplementedError

    @declare("plugins")
    def llmgine_create_redactor(self: Any, build: Build[Any]) -> Redactor:
        """Make what takes out of records what must not leave the process.

        Called once for each configured instance, after the bus was made. Redactors see each record in the order in
        which `plugins` has them, before any observability handler does.

        Looked for in plugins of kind `plugins`. Since API version 1.

        Args:
            build: settings, name, logger and the bus.

        Returns:
            A redactor. One that fails on a record loses the record, which is counted.
        """
        raise NotImplementedError

    @declare(*KINDS)
    def llmgine_lifespan(self: Any, app: Application) -> AbstractAsyncContextManager[Any] | None:
        """What to enter when the application starts and to leave when it stops.

        Called once for each configured instance, in their order, when everything is built and the bus runs. What it
        returns is entered before the next plugin's is asked for; they are left in reverse, while the bus still runs.
        An `@asynccontextmanager` function may itself be the hook.

        Looked for in plugins of every kind. Since API version 1.

        Args:
            app: the application.

        Returns:
            An async context manager, or None for nothing. Entered and left in one task of its own, so it may open a
            task group; either has a deadline.
        """
        raise NotImplementedError

    @declare(*KINDS, collected=True)
    def llmgine_register_handlers(self: Any, app: Application) -> None:
        """Register handlers of commands and events on `app.bus`.

        Called once for each configured instance, in their order, when all lifespans are entered and before the first
        session. A second handler for a command raises `DuplicateHandlerError`, which stops the start like any error.

        Looked for in plugins of every kind. Since API version 1.

        Args:
            app: the application.
        """

    @declare(*KINDS)
    def llmgine_health_checks(self: Any, app: Application) -> dict[str, HealthCheck] | None:
        """Offer checks for `app.health()`.

        Called once for each configured instance, right after its `llmgine_register_handlers`. The checks themselves are
        called by each `app.health()`.

        Looked for in plugins of every kind. Since API version 1.

        Args:
            app: the application.

        Returns:
            Functions by name, or None for none. Each returns JSON data with at least the key `ok`, and stands in the
            application's health as `{kind}.{instance}.{name}`.
        """
        raise NotImplementedError

    if not TYPE_CHECKING:  # so that checkers still know which names there are

        def __getattr__(self, name: str) -> Any:
            near = difflib.get_close_matches(name, HOOKS, n=1)
            hint = f"; did you mean {near[0]}?" if near else f"; there are {', '.join(HOOKS)}"
            raise AttributeError(f"there is no hook {name}{hint}", name=name, obj=self)


HOOKS: Mapping[str, Hook[Any]] = cast(
    "dict[str, Hook[Any]]", {name: hook for name, hook in vars(Hooks).items() if isinstance(hook, Hook)}
)
"""The hooks by name; those of one plugin are called in this order."""

HookSpecs: type[Any] = type("HookSpecs", (), {name: hook.specification for name, hook in HOOKS.items()})
"""The specifications, as pluggy takes them."""

impl: Hooks = Hooks()
"""One typed decorator for each hook, named like it: `@impl.llmgine_create_event_handler`.

mypy and pyright refuse a misspelt hook, a parameter that is missing, misnamed or of another type, another return type
and a coroutine function. `hookimpl`, pluggy's own marker, works too; it checks nothing, and its functions may leave out
parameters that they have no use for.
"""
