"""The import of what an entry points at, with every way in which that can fail."""

from __future__ import annotations

import importlib
from typing import Any

from llmgine_core._discovery import PluginEntry
from llmgine_core.errors import PluginLoadError

__all__ = ["cure_for", "import_target"]


def import_target(entry: PluginEntry) -> Any:
    """Import what an entry points at.

    Raises:
        PluginLoadError: that raises, whatever it raises.
    """
    module, _, attribute = entry.target.partition(":")
    try:
        target: Any = importlib.import_module(module)
        for part in attribute.split(".") if attribute else ():
            target = getattr(target, part)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # SystemExit too: a plugin must not end the host
        what = f"importing it raised {type(error).__name__}: {error}"
        raise PluginLoadError(what, str(entry), cure_for(error)) from error
    return target


def cure_for(error: BaseException) -> str:
    """How to mend what a plugin raised."""
    if isinstance(error, ModuleNotFoundError) and error.name:
        return f"install what offers the module {error.name!r}, or select another plugin"
    return "fix or upgrade the distribution, or select another plugin"
