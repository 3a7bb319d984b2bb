"""How a selected plugin gets into the process: whether it may, its import, its checks."""

from __future__ import annotations

import time

from llmgine_core._discovery import find_entry
from llmgine_core._importing import import_target
from llmgine_core._permission import check_allowed
from llmgine_core._plugins import Plugin
from llmgine_core.config import Config, Selection

__all__ = ["load_plugin"]


def load_plugin(selection: Selection, config: Config) -> Plugin:
    """Import and check a selected plugin.

    Raises:
        PluginNotFoundError: nothing installed offers it.
        PluginConflictError: two distributions do.
        PluginLoadError: it is denied, cannot be imported, or its hooks are not what they should be.
        PluginApiError: it was written for another version of the interface.
    """
    began = time.perf_counter()
    entry = find_entry(selection.kind, selection.use)
    check_allowed(entry, config)
    module = import_target(entry, seconds=config.start_timeout)
    plugin = Plugin(selection, entry, module, start_timeout=config.start_timeout)
    plugin.verify()
    plugin.loading_time = time.perf_counter() - began
    return plugin
