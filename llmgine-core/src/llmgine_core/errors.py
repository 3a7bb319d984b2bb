"""Every error that llmgine raises, below one root.

Errors carry their facts as fields and build their own sentence from them: what was asked, what exists, what to do.
They are attrs classes, so they pickle and compare by identity like any exception.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

import attrs

__all__ = [
    "BootstrapError",
    "BusClosedError",
    "BusError",
    "ConfigError",
    "ContextConflictError",
    "ContextCorruptError",
    "ContextLengthError",
    "ContextStoreError",
    "DuplicateHandlerError",
    "HandlerNotFoundError",
    "LanguageModelError",
    "LlmgineError",
    "PluginApiError",
    "PluginConflictError",
    "PluginError",
    "PluginLoadError",
    "PluginNotFoundError",
    "PluginTimeoutError",
    "QueueFullError",
    "RateLimitedError",
    "RemoteHandlerError",
    "SerializationError",
    "SessionClosedError",
    "SessionExistsError",
    "ToolArgumentsError",
    "ToolError",
    "ToolExecutionError",
    "ToolNotFoundError",
    "ToolSchemaError",
]


def _or(names: tuple[str, ...]) -> str:
    return f"; did you mean {' or '.join(names)}?" if names else ""


def _meant(names: tuple[str, ...]) -> str:
    return f"did you mean {' or '.join(map(repr, names))}? " if names else ""


def _three_lines(what: str, plugin: str, cure: str) -> str:
    """The form of every error of a plugin: what happened, which plugin it was, how to mend it."""
    return f"{what}\n  plugin: {plugin}\n  cure: {cure}"


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(names) or "none"


class LlmgineError(Exception):
    """The root of every error that llmgine raises on its own behalf."""


# ── configuration and plugins ────────────────────────────────────────────────────────────────────────────────────────


@attrs.define
class ConfigError(LlmgineError):
    """The configuration cannot be used; `faults` names each fault with its source, key and cure."""

    faults: tuple[str, ...]

    def __str__(self) -> str:
        if len(self.faults) == 1:
            return self.faults[0]
        return "\n".join([f"{len(self.faults)} faults in the configuration:", *(f"  - {f}" for f in self.faults)])


class PluginError(LlmgineError):
    """A plugin cannot be used."""


@attrs.define
class PluginNotFoundError(PluginError):
    """No installed distribution offers a plugin of this kind and name; or none of this kind is selected.

    Attributes:
        kind: the kind, in words.
        name: the name asked for; empty where any of the kind would do.
        installed: what there is of that kind.
        near_misses: names that are close.
        package: what to install.
        selected: whether the name was looked for among those selected, rather than among those installed.
        unreadable: distributions that might offer it, and whose metadata cannot be read.
        elsewhere: other kinds of which there is a plugin of that name, as configuration calls them.
    """

    kind: str
    name: str
    installed: tuple[str, ...] = ()
    near_misses: tuple[str, ...] = ()
    package: str | None = None
    selected: bool = False
    unreadable: tuple[str, ...] = ()
    elsewhere: tuple[str, ...] = ()

    def __str__(self) -> str:
        name, none = (f" {self.name!r}", "none of that name; ") if self.name else ("", "")
        if self.selected or not self.name:
            package = f" ({self.package} offers one: pip install {self.package})" if self.package else ""
            return _three_lines(
                f"no {self.kind}{name} is selected",
                f"{none}selected: {_listed(self.installed)}",
                f"{_meant(self.near_misses)}name one in the configuration{package}",
            )
        broken = f"; cannot be read: {', '.join(self.unreadable)}" if self.unreadable else ""
        return _three_lines(
            f"{self.kind}{name} is not installed",
            f"{none}installed: {_listed(self.installed)}{broken}",
            f"{_meant(self.near_misses)}{self._installing()}",
        )

    def _installing(self) -> str:
        if self.package:
            return f"install it with: pip install {self.package}"
        if self.elsewhere:
            return f"select it as {' or as '.join(self.elsewhere)}, which is what is installed of that name"
        return "install the distribution that offers it, or select what is installed"


@attrs.define
class PluginLoadError(PluginError):
    """A selected plugin failed: on three lines what happened, which plugin it was, and how to mend it."""

    what: str
    plugin: str
    cure: str

    def __str__(self) -> str:
        return _three_lines(self.what, self.plugin, self.cure)


@attrs.define
class PluginTimeoutError(PluginError, TimeoutError):
    """A plugin did not start or stop in time: on three lines what happened, which plugin it was, and how to mend it."""

    what: str
    plugin: str
    cure: str

    def __str__(self) -> str:
        return _three_lines(self.what, self.plugin, self.cure)


@attrs.define
class PluginConflictError(PluginError):
    """Two distributions offer a plugin of the same kind and name.

    Attributes:
        kind: the kind, in words.
        name: the name that both offer.
        distributions: the distributions.
        plugins: the plugins, with their versions and targets.
    """

    kind: str
    name: str
    distributions: tuple[str, ...]
    plugins: tuple[str, ...] = ()

    def __str__(self) -> str:
        return _three_lines(
            f"{self.kind} {self.name!r} is offered by {' and '.join(self.distributions)}",
            " or ".join(self.plugins or self.distributions),
            "name one: " + " or ".join(f'"{self.name}@{d}"' for d in self.distributions),
        )


@attrs.define
class PluginApiError(PluginError):
    """A plugin was written for another version of the plugin interface."""

    plugin: str
    wanted: int
    offered: int

    def __str__(self) -> str:
        is_newer = self.wanted > self.offered
        cure = "upgrade llmgine-core, or install an older release" if is_newer else "install a newer release"
        return _three_lines(
            f"the plugin is written for API version {self.wanted}, this core offers {self.offered}",
            self.plugin,
            f"{cure} of the plugin",
        )


class BootstrapError(LlmgineError, ExceptionGroup[LlmgineError]):
    """An application has several faults that keep it from starting; `exceptions` holds each, for `except*` too.

    Args:
        message: what they keep from what.
        exceptions: the faults, at least one.
    """

    def derive(self, excs: Sequence[LlmgineError], /) -> BootstrapError:  # type: ignore[override]
        """Some of the faults, as `split` and `except*` part them."""
        return BootstrapError(self.message, excs)

    def __str__(self) -> str:
        faults = [textwrap.indent(str(fault), "    ").strip() for fault in self.exceptions]
        return "\n".join([f"{self.message}; faults: {len(faults)}", *(f"  - {fault}" for fault in faults)])


# ── bus ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


class BusError(LlmgineError):
    """The message bus refuses, or cannot do, what was asked."""


@attrs.define
class BusClosedError(BusError):
    """The bus is not running: not started yet, stopping, or stopped."""

    state: str
    what: str = "work"

    def __str__(self) -> str:
        cure = "start it with `await bus.start()` or `async with bus`" if self.state == "new" else "start it anew"
        return f"the bus is {self.state} and refuses {self.what}; {cure}"


@attrs.define
class HandlerNotFoundError(BusError):
    """No handler is registered for the command's type."""

    command: str
    near_misses: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"no handler for {self.command}; register one with register_command_handler(){_or(self.near_misses)}"


@attrs.define
class DuplicateHandlerError(BusError):
    """The scope (the bus or one session) has a handler for this command type already.

    Attributes:
        command: the command's type; for a group, the event's.
        scope: where.
        handler: what is registered there.
        group: the group whose members handle another event type, or with other options.
    """

    command: str
    scope: str
    handler: str
    group: str | None = None

    def __str__(self) -> str:
        if self.group is not None:
            return (
                f"group {self.group!r} of the {self.scope} handles {self.handler}, not {self.command}, or not so; "
                "all members of a group have the same event type and options: give this one another group"
            )
        return (
            f"{self.command} is handled by {self.handler} on the {self.scope} already; unregister that one first, "
            "or register in a session to shadow the bus's handler"
        )


@attrs.define
class QueueFullError(BusError):
    """The bus holds as many deliveries as it may, and this publisher cannot be made to wait."""

    capacity: int
    reason: str

    def __str__(self) -> str:
        return f"the bus's queue is full ({self.capacity} deliveries): {self.reason}"


@attrs.define
class SessionClosedError(BusError):
    """The session has ended and takes no new work."""

    session_id: str

    def __str__(self) -> str:
        return f"session {self.session_id!r} has ended; open a new one with bus.session()"


@attrs.define
class SessionExistsError(BusError):
    """A session of this id is open in this process."""

    session_id: str

    def __str__(self) -> str:
        return f"session {self.session_id!r} is open already; share it with session({self.session_id!r}, join=True)"


@attrs.define
class RemoteHandlerError(BusError):
    """A handler in another process raised an exception of a class that is not taken from a document.

    Attributes:
        type: the exception's class: the bare name of a builtin, else `module.Class`.
        message: what it said.
    """

    type: str
    message: str

    def __str__(self) -> str:
        return f"a handler in another process raised {self.type}: {self.message}"


# ── serialisation ────────────────────────────────────────────────────────────────────────────────────────────────────


@attrs.define
class SerializationError(LlmgineError, ValueError):
    """A value or document that cannot be serialised or read back; `path` says where (`$.message.parts[0]`)."""

    reason: str
    path: str = "$"

    def __str__(self) -> str:
        return f"{self.reason} @ {self.path}"


# ── tools ────────────────────────────────────────────────────────────────────────────────────────────────────────────


class ToolError(LlmgineError):
    """A tool cannot be registered or called."""


@attrs.define
class ToolNotFoundError(ToolError):
    """No tool of this name is registered."""

    name: str
    available: tuple[str, ...] = ()
    near_misses: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"there is no tool {self.name!r}; available: {_listed(self.available)}{_or(self.near_misses)}"


@attrs.define
class ToolSchemaError(ToolError):
    """A function's signature cannot be stated as a JSON Schema."""

    tool: str
    reason: str

    def __str__(self) -> str:
        return f"{self.tool} cannot be a tool: {self.reason}"


@attrs.define
class ToolArgumentsError(ToolError):
    """The arguments of a call do not fit the tool's schema; `faults` lists every one with its path."""

    tool: str
    faults: tuple[str, ...]

    def __str__(self) -> str:
        return f"invalid arguments for {self.tool}: " + "; ".join(self.faults)


@attrs.define
class ToolExecutionError(ToolError):
    """A tool failed while it ran."""

    tool: str
    reason: str

    def __str__(self) -> str:
        return f"{self.tool} failed: {self.reason}"


# ── context ──────────────────────────────────────────────────────────────────────────────────────────────────────────


class ContextStoreError(LlmgineError):
    """The context store refuses, or cannot do, what was asked."""


@attrs.define
class ContextConflictError(ContextStoreError):
    """The session's history has moved on since the version that the writer expected."""

    session_id: str
    expected: int
    actual: int

    def __str__(self) -> str:
        return (
            f"history of session {self.session_id!r} is at version {self.actual}, not {self.expected}; "
            "read it again and repeat the change"
        )


@attrs.define
class ContextCorruptError(ContextStoreError):
    """A stored message cannot be read back."""

    session_id: str
    position: int
    reason: str

    def __str__(self) -> str:
        return f"message {self.position} of session {self.session_id!r} cannot be read: {self.reason}"


# ── language models ──────────────────────────────────────────────────────────────────────────────────────────────────


@attrs.define
class LanguageModelError(LlmgineError):
    """A language model failed to answer."""

    model: str
    reason: str

    def __str__(self) -> str:
        return f"{self.model}: {self.reason}"


@attrs.define
class RateLimitedError(LanguageModelError):
    """The provider refuses more requests for now; `retry_after` is in seconds, where it says so."""

    retry_after: float | None = None

    def __str__(self) -> str:
        wait = f"; retry after {self.retry_after:g} s" if self.retry_after is not None else ""
        return f"{self.model}: {self.reason}{wait}"


@attrs.define
class ContextLengthError(LanguageModelError):
    """The conversation is longer than the model's context window (sizes in tokens, where known)."""

    limit: int | None = None

    def __str__(self) -> str:
        size = f" (window: {self.limit} tokens)" if self.limit is not None else ""
        return f"{self.model}: {self.reason}{size}; shorten the history or choose a model with a larger window"
