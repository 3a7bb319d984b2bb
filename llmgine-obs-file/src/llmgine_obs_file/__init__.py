"""Writes the events of a llmgine application to a JSONL file."""

from llmgine_obs_file.handler import FileEventHandler

__all__ = ["FileEventHandler"]
