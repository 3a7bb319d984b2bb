"""Ordinary Python functions as tools of a language model."""

from llmgine_tools._manager import ToolManager
from llmgine_tools._settings import ToolSettings

__all__ = ["ToolManager", "ToolSettings"]
