"""Shows the events of a llmgine application on the console, one line each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from llmgine_obs_console.handler import ConsoleEventHandler

__all__ = ["ConsoleEventHandler"]

if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        """Import the handler, and structlog with it, at the first use: the plugin module must stay light."""
        if name != "ConsoleEventHandler":
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from llmgine_obs_console.handler import ConsoleEventHandler

        return ConsoleEventHandler
