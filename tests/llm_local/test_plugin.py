"""The plugin behind the entry point."""

from importlib.metadata import entry_points
from pathlib import Path

import pytest

from llmgine_core.hookspecs import Build
from llmgine_llm_local import LocalLanguageModel, LocalSettings, plugin


def test_the_entry_point_leads_to_the_plugin() -> None:
    (entry,) = entry_points(group="llmgine.llm", name="local")
    assert entry.load() is plugin


def test_the_plugin_makes_a_model_of_its_settings() -> None:
    assert plugin.llmgine_settings() is LocalSettings
    build = Build(settings=LocalSettings(path=Path("weights/mine.gguf")), name="default")
    made = plugin.llmgine_create_language_model(build)
    assert isinstance(made, LocalLanguageModel)
    assert (made.provider, made.model) == ("llama.cpp", "mine")


@pytest.mark.parametrize("wrong", [{"n_ctx": 10}, {"threads": 0}, {"max_output_tokens": 0}])
def test_settings_that_cannot_work_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        LocalSettings(**wrong)  # type: ignore[arg-type]
