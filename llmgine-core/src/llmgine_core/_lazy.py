"""Packages that load a name's module when the name is first asked for."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any

__all__ = ["lazy_names"]


def lazy_names(package: str, homes: tuple[str, ...]) -> Callable[[str], Any]:
    """The `__getattr__` of a package, which looks for a name of its `__all__` in one module after the other.

    Args:
        package: its name.
        homes: its modules, each of which needs none but those before it: what a name does not need is not loaded.
    """

    def load(name: str) -> Any:
        names = vars(sys.modules[package])
        if name in names["__all__"]:
            for home in homes:
                module = import_module(f"{package}.{home}")
                if name in module.__all__:
                    names[name] = value = getattr(module, name)
                    return value
        raise AttributeError(f"module {package!r} has no attribute {name!r}")

    return load
