"""A language model inside the process, for llmgine: llama.cpp, no key needed."""

from llmgine_llm_local._model import LocalLanguageModel
from llmgine_llm_local.errors import WeightsNotFoundError
from llmgine_llm_local.settings import LocalSettings

__all__ = ["LocalLanguageModel", "LocalSettings", "WeightsNotFoundError"]
