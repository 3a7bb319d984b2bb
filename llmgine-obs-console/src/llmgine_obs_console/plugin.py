"""The plugin behind the entry point `llmgine.observability: console`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from llmgine_core.hookspecs import Build, impl
from llmgine_obs_console.settings import ConsoleSettings

if TYPE_CHECKING:
    from llmgine_core.observability import ObservabilityEventHandler


@impl.llmgine_settings
def llmgine_settings() -> type[ConsoleSettings]:
    """The class that the plugin's table in the configuration is read into."""
    return ConsoleSettings


@impl.llmgine_create_event_handler
def llmgine_create_event_handler(build: Build[ConsoleSettings]) -> ObservabilityEventHandler:
    """Make a handler that writes to the console."""
    from llmgine_obs_console.handler import ConsoleEventHandler

    return ConsoleEventHandler(**attrs.asdict(build.settings), name=build.name)
