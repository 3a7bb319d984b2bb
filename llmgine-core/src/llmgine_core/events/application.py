"""The life of an application and of its plugins."""

from __future__ import annotations

from typing import ClassVar

import attrs

from llmgine_core.contracts import ErrorInfo, Event, Outcome
from llmgine_core.events._outcome import outcome_field

__all__ = [
    "BootstrapReadyEvent",
    "BootstrapStartEvent",
    "BootstrapStopEvent",
    "PluginFailedEvent",
    "PluginLoadedEvent",
]


@attrs.frozen
class PluginLoadedEvent(Event):
    """A selected plugin was imported and built.

    Attributes:
        kind: the kind, as configuration names it (`bus`, `observability` …).
        name: the instance's name.
        distribution: the distribution that offers it; empty for a ready object.
        version: that distribution's version.
        entry_point: where it was found (`group: name = module`).
        duration: seconds that loading and building took.
    """

    type_name: ClassVar[str] = "PluginLoadedEvent"
    kind: str
    name: str
    distribution: str = ""
    version: str = ""
    entry_point: str = ""
    duration: float = 0.0


@attrs.frozen
class PluginFailedEvent(Event):
    """A selected plugin could not be used; the start ends with this error."""

    type_name: ClassVar[str] = "PluginFailedEvent"
    kind: str
    name: str
    error: ErrorInfo
    distribution: str = ""
    version: str = ""
    entry_point: str = ""
    duration: float = 0.0


@attrs.frozen
class BootstrapStartEvent(Event):
    """An application begins to start; published once its bus can carry it."""

    type_name: ClassVar[str] = "BootstrapStartEvent"
    application: str


@attrs.frozen
class BootstrapReadyEvent(Event):
    """An application is ready."""

    type_name: ClassVar[str] = "BootstrapReadyEvent"
    application: str
    duration: float = 0.0


@attrs.frozen
class BootstrapStopEvent(Event):
    """An application has stopped, but for its bus; or it failed to start."""

    type_name: ClassVar[str] = "BootstrapStopEvent"
    application: str
    outcome: Outcome = outcome_field()
    duration: float = 0.0
    error: ErrorInfo | None = None
