"""A selected plugin: imported, checked, ready to build, and its hooks."""

from __future__ import annotations

import difflib
import inspect
import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, cast

import attrs
import pluggy

from llmgine_core import abc
from llmgine_core._discovery import PluginEntry
from llmgine_core._importing import cure_for
from llmgine_core._settings import settings_converter, structure_settings
from llmgine_core.config import Selection
from llmgine_core.errors import ConfigError, PluginApiError, PluginError, PluginLoadError
from llmgine_core.hookspecs import API_VERSION, KINDS, PROJECT, Build, HookSpecs
from llmgine_core.observability import ObservabilityEventHandler

__all__ = ["Plugin"]

_CONTRACTS: Mapping[str, type] = {
    "bus": abc.MessageBus,
    "context_store": abc.ContextStore,
    "llm": abc.LanguageModel,
    "observability": ObservabilityEventHandler,
}


def _is_list_of_functions(result: Any) -> bool:
    return isinstance(result, (list, tuple)) and all(map(callable, cast("Sequence[Any]", result)))


def _is_dict_of_functions(result: Any) -> bool:
    return isinstance(result, Mapping) and all(map(callable, cast("Mapping[str, Any]", result).values()))


# What the hooks beside the factories return: a test, and how a message says it.
_RETURNS: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    "llmgine_settings": (lambda result: isinstance(result, type) and attrs.has(result), "an attrs class"),
    "llmgine_register_tools": (_is_list_of_functions, "a list of functions"),
    "llmgine_lifespan": (
        lambda result: isinstance(result, AbstractAsyncContextManager),
        "an async context manager",
    ),
    "llmgine_health_checks": (_is_dict_of_functions, "a dict of functions, by name"),
}


class Plugin:
    """A selected plugin: imported, checked, ready to build.

    Args:
        selection: what was asked for.
        entry: where it was found; None for a ready object.
        module: the plugin object.
    """

    def __init__(self, selection: Selection, entry: PluginEntry | None, module: Any) -> None:
        self.selection, self.entry, self.module = selection, entry, module
        self.loading_time = 0.0
        self._settings: Any = None
        self._host = pluggy.PluginManager(PROJECT)
        self._host.add_hookspecs(HookSpecs)
        self._register()

    @property
    def label(self) -> str:
        """How messages speak of it."""
        return str(self.entry) if self.entry else f"{self.selection.kind} {self.selection.name!r} (a ready object)"

    def verify(self) -> None:
        """Check that the plugin offers what its kind must, before anything is built.

        Raises:
            PluginLoadError: it does not.
        """
        kind = KINDS[self.selection.kind]
        if kind.factory and not self.implements(kind.factory):
            cure = f"a {kind.noun} plugin must; is the entry in the right group?"
            raise self._fault(f"it does not implement {kind.factory}", cure)
        if not self._host.get_hookcallers(self.module):
            raise self._fault(
                "it implements no hook", "mark its functions with the decorators of llmgine_core.hookspecs.impl"
            )

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
        """
        if self._settings is None:
            self._settings = self._read_settings()
        return self._settings

    def _read_settings(self) -> Any:
        settings_class, given = self.call("llmgine_settings"), dict(self.selection.settings)
        if settings_class is not None:
            converter = settings_converter()
            self.call("llmgine_register_converters", converter=converter)
            return structure_settings(self.selection, settings_class, converter)
        if given:
            known = f"{self.selection.kind} {self.selection.name!r} takes no settings"
            raise ConfigError((f"{self.selection.source}: {known}, but was given {', '.join(sorted(given))}",))
        return {}

    def implements(self, hook: str) -> bool:
        """Whether the plugin has that hook."""
        return bool(getattr(self._host.hook, hook).get_hookimpls())

    def call(self, hook: str, **arguments: Any) -> Any:
        """Call a hook; None if the plugin does not have it.

        Raises:
            PluginLoadError: the hook raises, or is a coroutine function.
        """
        if not self.implements(hook):
            return None
        try:
            result = getattr(self._host.hook, hook)(**arguments)
        except (PluginError, ConfigError, KeyboardInterrupt):
            raise
        except BaseException as error:  # SystemExit too: a plugin must not end the host
            raise self._fault(f"{hook} raised {type(error).__name__}: {error}", cure_for(error)) from error
        spec = getattr(HookSpecs, hook)
        if not spec.llmgine_spec["firstresult"]:
            result = result[0] if result else None  # one plugin, one implementation
        if inspect.iscoroutine(result):
            result.close()
            raise self._fault(f"{hook} is a coroutine function", "hooks are plain functions; await in what they return")
        test, wanted = _RETURNS.get(hook, (None, ""))
        if result is not None and test is not None and not test(result):
            raise self._fault(f"{hook} returned {result!r}", f"it must return {wanted}")
        return result

    def _register(self) -> None:
        offered = getattr(self.module, "__llmgine_api__", API_VERSION)
        if offered != API_VERSION:
            raise PluginApiError(self.label, offered, API_VERSION)
        known = [name for name in vars(HookSpecs) if name.startswith("llmgine_")]
        try:
            self._host.register(self.module)
            self._host.check_pending()
        except (pluggy.PluginValidationError, ValueError) as error:
            raise self._fault(str(error).splitlines()[-1].strip(), self._hook_cure(known)) from error

    def _hook_cure(self, known: list[str]) -> str:
        marked = [n for n in dir(self.module) if hasattr(getattr(self.module, n, None), f"{PROJECT}_impl")]
        strange = [n for n in marked if n not in known]
        near = [f"{n} → {m}" for n in strange for m in difflib.get_close_matches(n, known, n=1)]
        return f"rename {', '.join(near)}" if near else "see the hooks' signatures in llmgine_core.hookspecs.HookSpecs"

    def checked(self, result: Any, hook: str = "") -> Any:
        """What a hook returned, or a ready object, if it is what the plugin's kind demands.

        Raises:
            PluginLoadError: it is not.
        """
        contract = _CONTRACTS.get(self.selection.kind)
        if self.selection.kind == "plugins":
            good, wanted = hasattr(result, "redact"), "a Redactor"
        elif contract is None:
            good, wanted = callable(result), "a callable that makes a session's tool manager"
        elif contract is ObservabilityEventHandler:
            good, wanted = isinstance(result, contract), "an ObservabilityEventHandler"
        elif isinstance(result, type):
            good, wanted = False, f"an object; make one: {result.__name__}(…)"
        else:
            missing = _missing(result, contract)
            good, wanted = not missing, f"a {contract.__name__} (without {', '.join(missing)} it is none)"
        if not good:
            said, must = (f"{hook} returned", "return") if hook else ("it is", "be")
            raise self._fault(f"{said} {result!r}", f"it must {must} {wanted}")
        return result

    def _fault(self, what: str, cure: str) -> PluginLoadError:
        return PluginLoadError(what, self.label, cure)


def _missing(result: Any, contract: type) -> list[str]:
    wanted = [n for c in contract.__mro__ for n in vars(c) if not n.startswith("_")]
    return sorted({name for name in wanted if not hasattr(result, name)})
