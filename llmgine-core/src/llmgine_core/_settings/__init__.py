"""Settings of plugins: from what the configuration says to an instance of the plugin's settings class."""

from llmgine_core._settings._structure import refuse_settings, settings_converter, structure_settings

__all__ = ["refuse_settings", "settings_converter", "structure_settings"]
