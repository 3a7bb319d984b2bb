"""The plugin behind the entry point `llmgine.llm: local`."""

from __future__ import annotations

from llmgine_core.abc import LanguageModel
from llmgine_core.hookspecs import Build, impl
from llmgine_llm_local.settings import LocalSettings

__all__ = ["llmgine_create_language_model", "llmgine_settings"]


@impl.llmgine_settings
def llmgine_settings() -> type[LocalSettings]:
    """The settings of a local model."""
    return LocalSettings


@impl.llmgine_create_language_model
def llmgine_create_language_model(build: Build[LocalSettings]) -> LanguageModel:
    """Make the model; its weights are loaded when the application enters it."""
    from llmgine_llm_local._model import LocalLanguageModel

    return LocalLanguageModel(build.settings, logger=build.logger)
