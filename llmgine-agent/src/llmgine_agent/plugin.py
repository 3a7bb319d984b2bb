"""The plugin behind the entry point `llmgine.plugins: agent`."""

from __future__ import annotations

from llmgine_core.abc import Application
from llmgine_core.hookspecs import impl

__all__ = ["llmgine_register_handlers"]


@impl.llmgine_register_handlers
def llmgine_register_handlers(app: Application) -> None:
    """Answer `RunTurn` and `StreamTurn`."""
    from llmgine_agent.turn import TurnHandlers

    TurnHandlers(app).register()
