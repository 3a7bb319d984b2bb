"""The plugin behind the entry point `llmgine.bus: memory`: the core's own bus, selected like anybody's."""

from __future__ import annotations

from typing import Any

import attrs

from llmgine_core._bus import MessageBus
from llmgine_core.contracts import Overflow
from llmgine_core.hookspecs import Build, impl

__all__ = ["MemoryBusSettings", "llmgine_create_message_bus", "llmgine_settings"]


def _check_seconds(_: Any, attribute: attrs.Attribute[Any], value: float | None) -> None:
    if value is not None and value <= 0:
        raise ValueError(f"{attribute.name} must be more than 0 seconds, or null, not {value}")


@attrs.frozen(kw_only=True)
class MemoryBusSettings:
    """Settings of the in-memory bus.

    Attributes:
        capacity: most deliveries that may wait.
        overflow: what becomes of an event for which there is no room: `wait`, `drop_oldest`, `drop_newest`, `raise`.
        stall_after: seconds that the event loop may be blocked before the log names the handler that does it; null
            for never.
    """

    capacity: int = attrs.field(default=10_000, validator=attrs.validators.ge(1))
    overflow: Overflow = "wait"
    stall_after: float | None = attrs.field(default=1.0, validator=_check_seconds)


@impl.llmgine_settings
def llmgine_settings() -> type[MemoryBusSettings]:
    """What the bus's table in the configuration may say."""
    return MemoryBusSettings


@impl.llmgine_create_message_bus
def llmgine_create_message_bus(build: Build[MemoryBusSettings]) -> MessageBus:
    """Make the bus."""
    settings = build.settings
    return MessageBus(capacity=settings.capacity, overflow=settings.overflow, stall_after=settings.stall_after)
