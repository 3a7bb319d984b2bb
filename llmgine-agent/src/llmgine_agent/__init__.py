"""The turn loop between model, tools and history, and `llmgine chat`."""
