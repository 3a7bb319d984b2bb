"""Keeps the histories of conversations, for llmgine."""
