"""The plugin behind the entry point `llmgine.context_store: memory`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from llmgine_core.hookspecs import Build, impl

if TYPE_CHECKING:
    from llmgine_core.abc import ContextStore

__all__ = ["llmgine_create_context_store"]


@impl.llmgine_create_context_store
def llmgine_create_context_store(build: Build[Any]) -> ContextStore:
    """Make a store that publishes its changes on the application's bus."""
    from llmgine_context import InMemoryContextStore

    return InMemoryContextStore(build.bus)
