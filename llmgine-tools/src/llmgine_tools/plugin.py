"""The plugin behind the entry point `llmgine.tool_manager: default`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from llmgine_core.hookspecs import Build, impl

if TYPE_CHECKING:
    from llmgine_core.abc import ToolManagerFactory
    from llmgine_tools import ToolSettings

__all__ = ["llmgine_create_tool_manager", "llmgine_settings"]


@impl.llmgine_settings
def llmgine_settings() -> type[Any]:
    """The settings are those of `ToolSettings`."""
    from llmgine_tools import ToolSettings

    return ToolSettings


@impl.llmgine_create_tool_manager
def llmgine_create_tool_manager(build: Build[ToolSettings]) -> ToolManagerFactory:
    """Make the factory of the sessions' tool managers, which share their worker threads."""
    from functools import partial

    from llmgine_tools import ToolManager
    from llmgine_tools._threads import Threads

    return partial(ToolManager, settings=build.settings, threads=Threads(build.settings))
