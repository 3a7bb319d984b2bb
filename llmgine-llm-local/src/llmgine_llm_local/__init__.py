"""A language model inside the process, for llmgine: llama.cpp, no key needed."""
