"""The plugin behind the entry point `llmgine.bus: journal`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from llmgine_core.contracts import Overflow
from llmgine_core.hookspecs import Build, HealthCheck, impl

if TYPE_CHECKING:
    from llmgine_bus_journal.bus import JournalBus
    from llmgine_core.abc import Application


@attrs.frozen(kw_only=True)
class JournalBusSettings:
    """Settings of the bus with a journal.

    Attributes:
        path: the journal's file; a `~` is the home directory.
        fsync: whether each event is forced to the disk.
        capacity: most deliveries that may wait.
        overflow: what becomes of an event for which there is no room: `wait`, `drop_oldest`, `drop_newest`, `raise`.
    """

    path: Path
    fsync: bool = False
    capacity: int = attrs.field(default=10_000, validator=attrs.validators.ge(1))
    overflow: Overflow = "wait"


@impl.llmgine_settings
def llmgine_settings() -> type[JournalBusSettings]:
    """What the bus's table in the configuration may say."""
    return JournalBusSettings


@impl.llmgine_create_message_bus
def llmgine_create_message_bus(build: Build[JournalBusSettings]) -> JournalBus:
    """Make the bus."""
    from llmgine_bus_journal.bus import JournalBus

    settings = build.settings
    path = settings.path.expanduser()
    return JournalBus(path, fsync=settings.fsync, capacity=settings.capacity, overflow=settings.overflow)


@impl.llmgine_health_checks
def llmgine_health_checks(app: Application) -> dict[str, HealthCheck]:
    """Whether all events could be written."""
    from llmgine_bus_journal.bus import JournalBus

    bus = app.bus
    assert isinstance(bus, JournalBus)  # the plugin's own

    def check() -> dict[str, Any]:
        return {"ok": not bus.journal.failed, "written": bus.journal.written, "failed": bus.journal.failed}

    return {"file": check}
