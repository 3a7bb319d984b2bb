"""A selected plugin: its checks, its settings, its hooks."""

from __future__ import annotations

import logging
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import pluggy

from llmgine_core._checks import faults_of, offered_api
from llmgine_core._discovery import PluginEntry
from llmgine_core._faults import Fault, cure_for, joined, printed, said
from llmgine_core._results import fault_of_hook, fault_of_product
from llmgine_core._settings import refuse_settings, settings_converter, structure_settings
from llmgine_core._watchdog import told_if_late
from llmgine_core.config import Selection, hide
from llmgine_core.errors import ConfigError, PluginApiError, PluginError, PluginLoadError
from llmgine_core.hookspecs import API_VERSION, KINDS, PROJECT, Build, HookSpecs

__all__ = ["Plugin"]


class Plugin:
    """A selected plugin: imported, checked, ready to build.

    Args:
        selection: what was asked for.
        entry: where it was found; None for a ready object.
        module: the plugin object.
        start_timeout: seconds after which the log says that a hook hangs, and where.
    """

    def __init__(
        self, selection: Selection, entry: PluginEntry | None, module: Any, *, start_timeout: float = 120.0
    ) -> None:
        self.selection, self.entry, self.module = selection, entry, module
        self.loading_time = 0.0
        self._start_timeout = start_timeout
        self._settings: Any = None
        self._host = pluggy.PluginManager(PROJECT)
        self._host.add_hookspecs(HookSpecs)

    @property
    def label(self) -> str:
        """How messages speak of it."""
        return str(self.entry) if self.entry else f"{self.selection.kind} {self.selection.name!r} (a ready object)"

    def verify(self) -> None:
        """Check what the plugin offers, before anything is built; until then it has no hooks.

        Raises:
            PluginApiError: it was written for another version of the interface.
            PluginLoadError: its hooks are not what they should be, with every fault there is; or it raises when it is
                looked at.
        """
        with self._blaming("looking at its hooks"):
            api = offered_api(self.module)
            if type(api) is int and api != API_VERSION:
                raise PluginApiError(self.label, api, API_VERSION)
            if faults := faults_of(self.module, KINDS[self.selection.kind]):
                raise joined(faults, self.label)
            self._host.register(self.module)
            self._host.check_pending()

    def build(self, *, hook: str = "", **context: Any) -> Any:
        """Make the configured instance, by the factory hook of its kind unless another is named.

        Raises:
            ConfigError: the settings do not fit the plugin's settings class.
            PluginLoadError: the factory hook raises, or returns something else than its kind demands.
        """
        kind = KINDS[self.selection.kind]
        logger = logging.getLogger(f"llmgine.plugin.{self.selection.name}")
        build = Build(settings=self.settings(), name=self.selection.name, logger=logger, **context)
        factory = hook or kind.factory
        return self.checked(self.call(factory, build=build), factory)

    def settings(self) -> Any:
        """The settings, as an instance of the plugin's settings class; the same one each time.

        Raises:
            ConfigError: they do not fit it.
            PluginLoadError: the class cannot be read into, whatever they are.
        """
        if self._settings is None:
            self._settings = self._read_settings()
        return self._settings

    def _read_settings(self) -> Any:
        settings_class = self.call("llmgine_settings")
        if settings_class is not None:
            converter = settings_converter()
            self.call("llmgine_register_converters", converter=converter)
            with self._blaming("reading its settings"):
                return structure_settings(self.selection, settings_class, converter)
        refuse_settings(self.selection)
        return {}

    def implements(self, hook: str) -> bool:
        """Whether the plugin has that hook."""
        return bool(getattr(self._host.hook, hook).get_hookimpls())

    def call(self, hook: str, **arguments: Any) -> Any:
        """Call a hook; None if the plugin does not have it.

        Raises:
            PluginLoadError: the hook raises, or returns what it must not.
        """
        if not self.implements(hook):
            return None
        with self._blaming(hook), told_if_late(hook, self.label, self._start_timeout):
            result = getattr(self._host.hook, hook)(**arguments)
        if not getattr(HookSpecs, hook).llmgine_spec["firstresult"]:
            result = result[0] if result else None  # one plugin, one implementation
        if fault := fault_of_hook(hook, result):
            raise self._refusal(fault)
        return result

    def checked(self, result: Any, hook: str = "") -> Any:
        """What a hook returned, or a ready object, if it is what the plugin's kind demands.

        Raises:
            PluginLoadError: it is not, or raises when it is looked at.
        """
        with self._blaming(f"looking at what {hook} returned" if hook else "looking at it"):
            fault = fault_of_product(self.selection.kind, result, hook)
        if fault:
            raise self._refusal(fault)
        return result

    def hide(self, text: str) -> str:
        """The text without the secrets that stand in the plugin's settings."""
        return hide(text, self.selection.settings)

    def _may_be_printed(self, error: BaseException) -> bool:
        text = printed(error)
        return self.hide(text) == text

    @contextmanager
    def _blaming(self, doing: str) -> Generator[None]:
        """Whatever is raised meanwhile is the plugin's fault; a property of its objects may raise as well as a hook."""
        try:
            yield
        except (PluginError, ConfigError, KeyboardInterrupt):
            raise
        except BaseException as error:  # SystemExit too: a plugin must not end the host
            what = f"{doing} raised {said(error)}"
            raise self._refusal(Fault(what, cure_for(error))) from (error if self._may_be_printed(error) else None)

    def _refusal(self, fault: Fault) -> PluginLoadError:
        return joined([Fault(self.hide(fault.what), self.hide(fault.cure))], self.label)
