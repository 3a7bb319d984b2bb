"""From a configuration to built plugins, with every fault in one report."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, cast

import attrs

from llmgine_core import abc
from llmgine_core._application import Application
from llmgine_core._loading import load_plugin
from llmgine_core._plugins import Plugin
from llmgine_core.config import Config, Selection
from llmgine_core.contracts import Event
from llmgine_core.errors import BootstrapError, ConfigError, LlmgineError, PluginError, PluginNotFoundError
from llmgine_core.events import PluginLoadedEvent
from llmgine_core.observability import ObservabilityEventHandler

__all__ = ["Built", "Faults", "GivenPlugin", "build_plugins", "load_plugins", "where_from"]

_OPTIONAL = ("context_store", "tool_manager")


@attrs.frozen
class GivenPlugin:
    """An object that holds hooks, given in the place of a plugin's name, of any kind.

    Attributes:
        holder: a module or another object with hooks.
        name: what the instance is called.
        settings: what a table of the configuration would say.
    """

    holder: Any
    name: str
    settings: Mapping[str, Any]


class Faults:
    """What keeps an application from starting, told all at once.

    Args:
        application: its name.
        configuration: faults found in the configuration already.
    """

    def __init__(self, application: str, configuration: Sequence[str] = ()) -> None:
        self._application = application
        self._settings = [ConfigError(tuple(configuration))] if configuration else []
        self._others: list[LlmgineError] = []

    def add(self, error: LlmgineError) -> None:
        """Take note of one."""
        if isinstance(error, ConfigError):
            self._settings.append(error)
        else:
            self._others.append(error)

    def raise_if_any(self) -> None:
        """End the start if there are any; those of configuration and settings are one error.

        Raises:
            LlmgineError: the only one.
            BootstrapError: several.
        """
        settings = self._settings
        if len(settings) > 1:
            settings = [ConfigError(tuple(fault for error in settings for fault in error.faults))]
        faults = [*settings, *self._others]
        if len(faults) == 1:
            raise faults[0]
        if faults:
            raise BootstrapError(f"the application {self._application!r} cannot start", faults)


# ── loading ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def load_plugins(config: Config, faults: Faults, *, offers_tools: bool) -> list[Plugin]:
    """Import and check every selected plugin and read its settings; nothing is built yet.

    Args:
        config: the selections.
        faults: where those that fail are noted.
        offers_tools: whether the application has tools, and so needs a tool manager.
    """
    plugins: list[Plugin] = []
    absent: list[str] = [kind for kind in _OPTIONAL if getattr(config, kind) is None]
    for selection in config.selections():
        try:
            plugins.append(_load(selection, config, plugins))
        except PluginNotFoundError as error:
            if selection.source == "default" and selection.kind in _OPTIONAL:
                absent.append(selection.kind)
            else:
                faults.add(error)
        except (PluginError, ConfigError) as error:
            faults.add(error)
    if offers_tools and "tool_manager" in absent:
        faults.add(_no_tool_manager())
    return plugins


def _no_tool_manager() -> PluginNotFoundError:
    return PluginNotFoundError("tool manager", "", (), (), "llmgine-tools")


def _load(selection: Selection, config: Config, others: Sequence[Plugin]) -> Plugin:
    given = selection.instance
    if given is None:
        plugin = load_plugin(selection, config)
    elif isinstance(given, GivenPlugin):
        plugin = Plugin(_selected(selection, given, others), None, given.holder, start_timeout=config.start_timeout)
        plugin.verify()
    elif selection.kind == "plugins":
        plugin = Plugin(selection, None, given, start_timeout=config.start_timeout)
        plugin.verify()
    else:
        plugin = _Ready(selection)
        plugin.build()
        return plugin
    plugin.settings()
    return plugin


def _selected(selection: Selection, given: GivenPlugin, others: Sequence[Plugin]) -> Selection:
    """The selection that a table of the configuration would be."""
    name = selection.name if selection.kind == "llm" else given.name
    taken = [p.selection.name for p in others if p.selection.kind == selection.kind]
    number = sum(each == name or each.startswith(f"{name}-") for each in taken) + 1
    name = f"{name}-{number}" if name in taken else name
    return attrs.evolve(selection, name=name, settings=dict(given.settings), instance=None)


class _Ready(Plugin):
    """A ready object in the place of a plugin: it needs no building and implements no hooks."""

    def __init__(self, selection: Selection) -> None:
        super().__init__(selection, None, object())

    def build(self, **_: Any) -> Any:
        return self.checked(self.selection.instance)


# ── building ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@attrs.define
class Built:
    """What the plugins have made, by kind and name.

    Attributes:
        bus: the bus.
        made: everything that is the one product of a plugin.
        tools: functions that plugins offer.
        redactors: in order.
        loaded: the events that tell of each plugin.
        parts: every product with its plugin, in order.
    """

    bus: abc.MessageBus
    made: dict[str, dict[str, Any]] = attrs.field(factory=dict[str, dict[str, Any]])
    tools: list[Callable[..., Any]] = attrs.field(factory=list[Callable[..., Any]])
    redactors: list[abc.Redactor] = attrs.field(factory=list["abc.Redactor"])
    loaded: list[Event] = attrs.field(factory=list[Event])
    parts: list[tuple[Plugin, Any]] = attrs.field(factory=list[tuple[Plugin, Any]])

    def one(self, kind: str) -> Any:
        """The one object of that kind, if there is one."""
        return next(iter(self.made.get(kind, {}).values()), None)

    def of(self, *kinds: str) -> list[tuple[Plugin, Any]]:
        """The products of these kinds, kind by kind, each with its plugin."""
        return [(plugin, made) for kind in kinds for plugin, made in self.parts if plugin.selection.kind == kind]

    def managers(self) -> list[tuple[Plugin, AbstractAsyncContextManager[Any]]]:
        """What is to be entered after the bus, in order."""
        return [
            (plugin, cast("AbstractAsyncContextManager[Any]", made))
            for plugin, made in self.of("context_store", "llm", "tool_manager")
            if isinstance(made, AbstractAsyncContextManager)
        ]

    def application(
        self, name: str, *, tools: Sequence[Callable[..., Any]], state: Any, stop_timeout: float
    ) -> Application:
        """The application of it all."""
        handlers: list[ObservabilityEventHandler] = [made for _, made in self.of("observability")]
        return Application(
            name=name,
            bus=self.bus,
            context_store=self.one("context_store"),
            tool_managers=self.one("tool_manager"),
            models=self.made.get("llm", {}),
            handlers=handlers,
            tools=[*tools, *self.tools],
            state=state,
            stop_timeout=stop_timeout,
        )


def build_plugins(application: str, plugins: Sequence[Plugin], faults: Faults) -> Built:
    """Call the factories: the bus's first, since the others are told of it, then all others.

    Args:
        application: the application's name.
        plugins: what is loaded.
        faults: where those that fail are noted.

    Raises:
        LlmgineError: one failed.
        BootstrapError: several did.
    """
    builder = _Builder(application, faults)
    (bus,) = (plugin for plugin in plugins if plugin.selection.kind == "bus")
    builder.build_all([bus])
    builder.build_all([plugin for plugin in plugins if plugin is not bus])
    if builder.built.tools and builder.built.one("tool_manager") is None:
        raise _no_tool_manager()
    return builder.built


class _Builder:
    def __init__(self, application: str, faults: Faults) -> None:
        self._application, self._faults = application, faults
        self.built: Built

    def build_all(self, plugins: Sequence[Plugin]) -> None:
        for plugin in plugins:
            began = time.perf_counter()
            try:
                self._build(plugin)
            except (PluginError, ConfigError) as error:
                self._faults.add(error)
            else:
                self.built.loaded.append(_loaded_event(plugin, time.perf_counter() - began))
        self._faults.raise_if_any()

    def _build(self, plugin: Plugin) -> None:
        kind = plugin.selection.kind
        if kind == "plugins":
            self._register(plugin)
            return
        if kind == "bus":
            made = plugin.build(application=self._application, bus=None)
            self.built = Built(made)
        else:
            made = plugin.build(application=self._application, bus=self.built.bus)
        self.built.made.setdefault(kind, {})[plugin.selection.name] = made
        self.built.parts.append((plugin, made))

    def _register(self, plugin: Plugin) -> None:
        self.built.tools += plugin.call("llmgine_register_tools") or ()
        if plugin.implements("llmgine_create_redactor"):
            context = {"application": self._application, "bus": self.built.bus}
            self.built.redactors.append(plugin.build(hook="llmgine_create_redactor", **context))


def _loaded_event(plugin: Plugin, building: float) -> PluginLoadedEvent:
    selection = plugin.selection
    return PluginLoadedEvent(selection.kind, selection.name, *where_from(plugin), plugin.loading_time + building)


def where_from(plugin: Plugin) -> tuple[str, str, str]:
    """A plugin's distribution, version and entry point; empty for ready objects."""
    entry = plugin.entry
    return (entry.distribution, entry.version, entry.target) if entry else ("", "", "")
