"""What configuration comes to: selected plugins and options, and where each value was said."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from llmgine_core.config._text import mask

__all__ = ["DEFAULT", "KEYS", "LISTS", "MANY", "ONE", "SECONDS", "Config", "Selection", "Value"]

ONE = ("bus", "context_store", "tool_manager")
MANY = ("observability", "plugins")
LISTS = ("allow", "deny")
SECONDS = ("start_timeout", "stop_timeout")
KEYS = (*ONE, "llm", *MANY, *LISTS, "content", *SECONDS)
DEFAULT = "default"


def _masked(settings: Mapping[str, Any]) -> str:
    return repr(mask("", settings))


@attrs.frozen(kw_only=True)
class Selection:
    """One plugin instance that was asked for.

    Attributes:
        kind: `bus`, `context_store`, `tool_manager`, `llm`, `observability` or `plugins`.
        name: what the instance is called; `use` unless another name is given.
        use: the plugin: `name`, `name@distribution` or `module:attribute`; empty for a ready object.
        settings: its settings, as they were written; texts of variables are `Text`, what is secret is `Hidden`.
        instance: a ready object, where the constructor was given one.
        source: the source that selected it.
        origins: where each setting was said, by its path; by the empty path, where the plugin was selected.
    """

    kind: str
    name: str
    use: str = ""
    settings: Mapping[str, Any] = attrs.field(factory=dict[str, Any], repr=_masked)
    instance: Any = None
    source: str = DEFAULT
    origins: Mapping[tuple[str, ...], str] = attrs.field(factory=dict[tuple[str, ...], str], eq=False)

    def where(self, path: tuple[str, ...]) -> str:
        """Where a setting was said, such as `llmgine.toml: bus.capacity`; the path may go deeper than what was said."""
        for length in range(len(path), -1, -1):
            if path[:length] in self.origins:
                rest = "".join(f".{part}" for part in path[length:])
                return f"{self.origins[path[:length]]}{rest}"
        return ".".join((f"{self.source}: {self.kind}", *map(str, path)))


@attrs.frozen(kw_only=True)
class Value:
    """One value of the configuration and where it was said; what is secret is masked.

    Attributes:
        key: its path, such as `bus` (the plugin), `bus.capacity` or `llm.default.model`.
        value: the value as it was written, of JSON's types.
        where: the source and the key there, such as `llmgine.toml: bus.capacity`.
        overrides: where weaker sources said something else.
    """

    key: str
    value: Any
    where: str
    overrides: tuple[str, ...] = ()


@attrs.frozen(kw_only=True)
class Config:
    """What an application is put together from.

    Attributes:
        bus: the message bus.
        context_store: the store of histories; None for none.
        tool_manager: what makes the sessions' tool managers; None for none.
        llm: the models, by name.
        observability: the handlers, in order.
        plugins: everything else, in order.
        content: whether observability writes content in full.
        allow: distributions that may be imported; None allows all.
        deny: distributions that may not.
        start_timeout: seconds that each step of a start may take.
        stop_timeout: seconds that each step of a stop may take.
        values: every value and where it was said.
        notes: what was said to no effect, though nothing is wrong with it.
    """

    bus: Selection
    context_store: Selection | None = None
    tool_manager: Selection | None = None
    llm: Mapping[str, Selection] = attrs.field(factory=dict[str, Selection])
    observability: tuple[Selection, ...] = ()
    plugins: tuple[Selection, ...] = ()
    content: bool = False
    allow: tuple[str, ...] | None = None
    deny: tuple[str, ...] = ()
    start_timeout: float = 120.0
    stop_timeout: float = 30.0
    values: tuple[Value, ...] = attrs.field(default=(), eq=False)
    notes: tuple[str, ...] = attrs.field(default=(), eq=False)

    def selections(self) -> tuple[Selection, ...]:
        """All of them, in the order in which an application is put together."""
        single = [s for s in (self.context_store, self.tool_manager) if s is not None]
        return (*self.observability, self.bus, *single, *self.llm.values(), *self.plugins)
