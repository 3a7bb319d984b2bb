"""Ordinary Python functions as tools of a language model, for llmgine."""
