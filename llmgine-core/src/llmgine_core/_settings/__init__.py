"""Settings of plugins: from what the configuration says to an instance of the plugin's settings class."""

from llmgine_core._settings._structure import settings_converter, structure_settings

__all__ = ["settings_converter", "structure_settings"]
