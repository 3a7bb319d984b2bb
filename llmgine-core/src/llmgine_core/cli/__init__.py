"""The `llmgine` command. Subcommands of other packages come in by the entry-point group `llmgine.commands`."""

from llmgine_core.cli._main import main

__all__ = ["main"]
