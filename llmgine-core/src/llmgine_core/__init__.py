"""llmgine: a runtime spine for LLM applications."""
