"""Writes the events of a llmgine application to a JSONL file."""
