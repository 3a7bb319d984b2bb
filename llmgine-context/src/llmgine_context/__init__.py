"""Keeps the histories of conversations."""

from llmgine_context._memory import InMemoryContextStore
from llmgine_context.windowing import fit

__all__ = ["InMemoryContextStore", "fit"]
