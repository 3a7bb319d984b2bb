"""Installed distributions, made on the fly: real packages on `sys.path`, with the metadata that pip would write."""

# Handlers are lambdas here, and a test may look inside.
# pyright: reportPrivateUsage=false, reportUnknownMemberType=false

import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from llmgine_core import _discovery


class Site:
    """A folder of `sys.path` into which distributions are installed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._modules: list[str] = []

    def install(
        self, name: str, modules: Mapping[str, str], entry_points: Mapping[str, Mapping[str, str]], version: str = "1.2"
    ) -> None:
        """Install a distribution of these modules (name to source) and entry points (group to name to target)."""
        for module, source in modules.items():
            (self.folder / f"{module}.py").write_text(source)
            self._modules.append(module)
        info = self.folder / f"{name.replace('-', '_')}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        (info / "top_level.txt").write_text("\n".join(modules))
        lines: list[str] = []
        for group, entries in entry_points.items():
            lines += [f"[{group}]", *(f"{entry} = {target}" for entry, target in entries.items()), ""]
        (info / "entry_points.txt").write_text("\n".join(lines))
        _discovery._scan.cache_clear()

    def forget(self) -> None:
        """Unload what was imported from here."""
        for module in self._modules:
            sys.modules.pop(module, None)
        _discovery._scan.cache_clear()


def site_in(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    """A new site, first on the path."""
    monkeypatch.syspath_prepend(str(folder))
    return Site(folder)
