"""The import of what an entry points at, with every way in which that can fail."""

from __future__ import annotations

import importlib
import re
from typing import Any

from llmgine_core._discovery import PluginEntry
from llmgine_core._faults import Fault, cure_for, joined, nearest, said
from llmgine_core._watchdog import told_if_late
from llmgine_core.errors import PluginLoadError

__all__ = ["import_target"]

_TARGET = re.compile(r"(?P<module>\w+(\.\w+)*)\s*(:\s*(?P<attribute>\w+(\.\w+)*)?)?\s*(\[[^]]*\])?\s*")
"""`module` or `module:attribute`; extras may follow, and say nothing any more."""


_LISTED = 10


def import_target(entry: PluginEntry, *, seconds: float = 120.0) -> Any:
    """Import what an entry points at.

    Args:
        entry: the entry.
        seconds: after how long the log says that the import hangs, and where.

    Raises:
        PluginLoadError: that cannot be done, whatever it raises.
    """
    match = _TARGET.fullmatch(entry.target)
    if not match:
        fault = Fault(f"its target {entry.target!r} cannot be read", "write it as `module` or `module:attribute`")
        raise joined([fault], str(entry))
    path = match["module"]
    try:
        with told_if_late("importing it", str(entry), seconds):
            target: Any = importlib.import_module(path)
            for name in match["attribute"].split(".") if match["attribute"] else ():
                target, path = _attribute(entry, target, name, path), f"{path}.{name}"
            return target
    except (PluginLoadError, KeyboardInterrupt):
        raise
    except BaseException as error:  # SystemExit too: a plugin must not end the host
        missing = error.name if isinstance(error, ModuleNotFoundError) and error.name else ""
        if f"{match['module']}.".startswith(f"{missing}."):
            raise joined([_absent(entry, missing)], str(entry)) from error
        raise joined([Fault(f"importing it raised {said(error)}", cure_for(error))], str(entry)) from error


def _absent(entry: PluginEntry, module: str) -> Fault:
    if entry.distribution:
        cure = f"its distribution's metadata names what its files do not have: reinstall {entry.distribution}"
    else:
        cure = "check the spelling, and that the module lies in a folder of Python's path"
    return Fault(f"there is no module {module!r}", cure)


def _attribute(entry: PluginEntry, target: Any, name: str, path: str) -> Any:
    try:
        return getattr(target, name)
    except AttributeError as error:
        names = [n for n in dir(target) if not n.startswith("_")]
        near = nearest(name, names)
        meant = f"did you mean {near!r}? " if near else ""
        where = "its entry point" if entry.distribution else "the configuration"
        others = ", ".join(names[:_LISTED]) + (", …" if names[_LISTED:] else "") if names else "nothing yet"
        fault = Fault(f"{path} has no attribute {name!r}", f"{meant}{where} must name what is there: {others}")
        raise joined([fault], str(entry)) from error
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a package may import the module behind a name only when it is asked for
        fault = Fault(f"getting {name!r} of {path} raised {said(error)}", cure_for(error))
        raise joined([fault], str(entry)) from error
