"""What a plugin object offers, held against the hooks there are: every fault, before any hook is called."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import attrs
import pluggy

from llmgine_core._faults import Fault, nearest, shown
from llmgine_core.hookspecs import API_VERSION, HOOKS, KINDS, PROJECT, Kind

__all__ = ["faults_of", "offered_api"]

_ARGUMENTS = {name: hook.arguments for name, hook in HOOKS.items()}
"""The hooks, and what each is given."""

_HELPERS = ("llmgine_settings", "llmgine_register_converters")  # any kind may have them; alone they do nothing
_FACTORIES = {kind.factory: kind for kind in KINDS.values() if kind.factory}
_HOMES = {hook: _FACTORIES.get(hook, KINDS["plugins"]) for hook in _ARGUMENTS if hook not in _HELPERS}
"""The kind that each hook belongs to."""


def offered_api(plugin: object) -> Any:
    """The version of the interface that a plugin says it was written for; ours if it says nothing."""
    return getattr(plugin, "__llmgine_api__", API_VERSION)


def faults_of(plugin: object, kind: Kind) -> list[Fault]:
    """Everything that is wrong with the hooks of a plugin object of that kind."""
    found = list(_implementations(plugin))
    unmarked = list(_unmarked(plugin))
    faults = _api_faults(plugin) + _class_faults(plugin, found)
    for implementation in found:
        faults += implementation.faults()
    faults += [Fault(f"{name} is not marked as a hook", f"put @impl.{name} above it") for name in unmarked]
    faults += _doubled(found)
    meant = {nearest(i.hook, _ARGUMENTS) or i.hook for i in found} | {*unmarked}
    return faults + _useless(kind, meant)


@attrs.frozen
class _Implementation:
    """A marked function.

    Attributes:
        hook: the hook that it is marked as.
        name: what it is called in the plugin.
        function: the function, as it would be called.
        wraps: whether it is marked as a wrapper of other plugins' implementations.
    """

    hook: str
    name: str
    function: Callable[..., Any]
    wraps: bool

    def faults(self) -> list[Fault]:
        if self.hook not in _ARGUMENTS:
            return [_unknown(self.hook)]
        form = self._form()
        return ([form] if form else []) + list(self._argument_faults())

    def _form(self) -> Fault | None:
        """What kind of function it is, if that is the wrong one."""
        if self.wraps:
            return Fault(
                f"{self.hook} is a hook wrapper",
                "each plugin's hooks are called alone, so there is nothing to wrap: take out the option, and return",
            )
        if inspect.iscoroutinefunction(self.function):
            return Fault(f"{self.hook} is an async function", "hooks are plain functions; await in what they return")
        if inspect.isasyncgenfunction(self.function) or inspect.isgeneratorfunction(self.function):
            lifespan = self.hook == "llmgine_lifespan"
            cure = f"put @asynccontextmanager between it and @impl.{self.hook}" if lifespan else "return, do not yield"
            return Fault(f"{self.hook} is a generator function", cure)
        return None

    def _argument_faults(self) -> Iterator[Fault]:
        given = _ARGUMENTS[self.hook]
        for parameter in _parameters(self.function):
            name, has_default = parameter.name, parameter.default is not parameter.empty
            if name not in given and not has_default:
                yield _strange_argument(self.hook, name, given)
            elif name in given and (has_default or parameter.kind is parameter.KEYWORD_ONLY):
                # Whether such an argument is passed differs between versions of pluggy.
                what = f"{self.hook} takes {name!r} with a default, or by keyword only"
                yield Fault(what, f"write it as a plain argument: {self.hook}({', '.join(given)})")


def _implementations(plugin: object) -> Iterator[_Implementation]:
    reader = pluggy.PluginManager(PROJECT)
    for name in dir(plugin):
        options = reader.parse_hookimpl_opts(plugin, name)
        if options is not None:
            wraps = bool(options.get("wrapper") or options.get("hookwrapper"))
            yield _Implementation(options.get("specname") or name, name, getattr(plugin, name), wraps)


def _unmarked(plugin: object) -> Iterator[str]:
    """Functions that are called like a hook, and would never be called."""
    reader = pluggy.PluginManager(PROJECT)
    for name in sorted(_ARGUMENTS.keys() & {*dir(plugin)}):
        static = inspect.getattr_static(plugin, name, None)
        if callable(static) and reader.parse_hookimpl_opts(plugin, name) is None:
            yield name


def _parameters(function: Callable[..., Any]) -> list[inspect.Parameter]:
    catch_all = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    found = [p for p in inspect.signature(function).parameters.values() if p.kind not in catch_all]
    # A method of a class, which is a fault of its own.
    return found[1:] if found and found[0].name == "self" and "." in function.__qualname__ else found


def _unknown(hook: str) -> Fault:
    near = nearest(hook, _ARGUMENTS)
    cure = f"rename {hook} → {near}" if near else f"the hooks are {', '.join(_ARGUMENTS)}"
    return Fault(f"there is no hook {hook}", cure)


def _strange_argument(hook: str, name: str, given: tuple[str, ...]) -> Fault:
    what = f"{hook} takes {name!r}, but is given {', '.join(given) or 'nothing'}"
    near = nearest(name, given)
    return Fault(what, f"rename {name} → {near}" if near else f"write {hook}({', '.join(given)})")


def _api_faults(plugin: object) -> list[Fault]:
    offered = offered_api(plugin)
    if type(offered) is int:  # True is no version
        return []
    return [
        Fault(f"its __llmgine_api__ is {shown(offered)}, not a whole number", f"write {API_VERSION}, or leave it out")
    ]


def _class_faults(plugin: object, found: Iterable[_Implementation]) -> list[Fault]:
    if not isinstance(plugin, type):
        return []
    methods = [i.hook for i in found if inspect.isfunction(inspect.getattr_static(plugin, i.name))]
    if not methods:
        return []
    cure = f"make one, plugin = {plugin.__name__}(), and let the entry point name that"
    return [Fault(f"{plugin.__qualname__} is a class, whose {', '.join(methods)} need an object", cure)]


def _doubled(found: list[_Implementation]) -> list[Fault]:
    names = {hook: [i.name for i in found if i.hook == hook] for hook in dict.fromkeys(i.hook for i in found)}
    return [
        Fault(f"{hook} is implemented by {' and by '.join(several)}", "keep one of them")
        for hook, several in names.items()
        if len(several) > 1
    ]


def _useless(kind: Kind, meant: set[str]) -> list[Fault]:
    """Whether it lacks what its kind must have; `meant` are its hooks, also those that have a fault."""
    homes = {hook: home for hook, home in _HOMES.items() if hook in meant}
    if kind.factory in homes or (not kind.factory and kind in homes.values()):
        return []
    if homes:
        return [_wrong_group(kind, homes)]
    if kind.factory:
        return [Fault(f"it does not implement {kind.factory}", f"a plugin of the group {kind.group} must")]
    if meant.intersection(_HELPERS):
        what = f"it implements nothing but {' and '.join(sorted(meant.intersection(_HELPERS)))}"
        return [Fault(what, "add a hook that does something, or take its entry out")]
    return [Fault("it implements no hook", "mark its functions with the decorators of llmgine_core.hookspecs.impl")]


def _wrong_group(kind: Kind, homes: Mapping[str, Kind]) -> Fault:
    does = " and ".join(homes)
    what = f"it does not implement {kind.factory}, but {does}" if kind.factory else f"it implements nothing but {does}"
    groups = " or ".join(dict.fromkeys(f"{home.group}, to be selected as {home.name}" for home in homes.values()))
    return Fault(what, f"move its entry from the group {kind.group} to {groups}")
