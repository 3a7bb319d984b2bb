"""A plugin of the kind `observability`, whole and broken, installed and loaded."""

from typing import Any

import pytest

from llmgine_core import PluginLoadError
from llmgine_core._loading import load_plugin
from llmgine_core._plugins import Plugin
from llmgine_core.config import load_config
from tests.core.distributions import Site

GOOD = """
import attrs
from llmgine_core.hookspecs import hookimpl
from llmgine_core.testing import RecordingEventHandler

class Level:
    def __init__(self, name): self.name = name

@attrs.frozen
class Settings:
    path: str = "here"
    loud: bool = False
    level: Level = attrs.field(factory=lambda: Level("low"))

@hookimpl
def llmgine_settings():
    return Settings

@hookimpl
def llmgine_register_converters(converter):
    converter.register_structure_hook(Level, lambda value, _: Level(value))

@hookimpl
def llmgine_create_event_handler(build):
    handler = RecordingEventHandler(name=build.name)
    handler.settings = build.settings
    return handler
"""


def handler_site(site: Site, source: str, *, name: str = "good", distribution: str = "good-dist") -> None:
    """Install a plugin of that source."""
    site.install(distribution, {f"{name}_plugin": source}, {"llmgine.observability": {name: f"{name}_plugin"}})


def load(use: Any = "good", **given: Any) -> Plugin:
    """Select and load it."""
    config = load_config({"observability": [use], **given}, environment={}, discover=False)
    return load_plugin(config.observability[0], config)


def refusal(use: Any = "good", **given: Any) -> PluginLoadError:
    """The error with which it is refused, at the latest when it is built."""
    with pytest.raises(PluginLoadError) as caught:
        load(use, **given).build()
    _, plugin, cure = str(caught.value).splitlines()
    assert plugin.startswith("  plugin: ")
    assert cure.startswith("  cure: ")
    return caught.value
