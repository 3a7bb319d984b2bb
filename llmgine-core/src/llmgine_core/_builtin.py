"""The plugin behind the entry point `llmgine.bus: memory`: the core's own bus, selected like anybody's."""

from __future__ import annotations

import attrs

from llmgine_core._bus import MessageBus
from llmgine_core.hookspecs import Build, impl

__all__ = ["MemoryBusSettings", "llmgine_create_message_bus", "llmgine_settings"]


@attrs.frozen(kw_only=True)
class MemoryBusSettings:
    """Settings of the in-memory bus.

    Attributes:
        capacity: most deliveries that may wait.
    """

    capacity: int = attrs.field(default=10_000, validator=attrs.validators.ge(1))


@impl.llmgine_settings
def llmgine_settings() -> type[MemoryBusSettings]:
    """What the bus's table in the configuration may say."""
    return MemoryBusSettings


@impl.llmgine_create_message_bus
def llmgine_create_message_bus(build: Build[MemoryBusSettings]) -> MessageBus:
    """Make the bus."""
    return MessageBus(capacity=build.settings.capacity)
