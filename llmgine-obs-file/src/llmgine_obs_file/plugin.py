"""The plugin behind the entry point `llmgine.observability: file`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from llmgine_core.hookspecs import Build, impl
from llmgine_obs_file.settings import FileSettings

if TYPE_CHECKING:
    from llmgine_core.observability import ObservabilityEventHandler


@impl.llmgine_settings
def llmgine_settings() -> type[FileSettings]:
    """The class that the plugin's table in the configuration is read into."""
    return FileSettings


@impl.llmgine_create_event_handler
def llmgine_create_event_handler(build: Build[FileSettings]) -> ObservabilityEventHandler:
    """Make a handler that writes to a file."""
    from llmgine_obs_file.handler import FileEventHandler

    return FileEventHandler(**attrs.asdict(build.settings), name=build.name)
