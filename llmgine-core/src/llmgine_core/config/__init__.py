"""Which plugins an application uses, with what settings, and where each of that was said.

Sources, strongest first: the constructor's arguments, the environment (`LLMGINE_…`), `llmgine.toml`, `[tool.llmgine]`
in `pyproject.toml`, the defaults. The strongest source that names a plugin selects it; an instance's settings come
together from every source that speaks of it, each from the strongest that gives it.
"""

from llmgine_core.config._environment import parse
from llmgine_core.config._load import load_config, read_config
from llmgine_core.config._model import Config, Selection, Value
from llmgine_core.config._text import Hidden, Secret, Text, hide, holds_secrets, mask

__all__ = [
    "Config",
    "Hidden",
    "Secret",
    "Selection",
    "Text",
    "Value",
    "hide",
    "holds_secrets",
    "load_config",
    "mask",
    "parse",
    "read_config",
]
