"""Shows the events of a llmgine application on the console."""
