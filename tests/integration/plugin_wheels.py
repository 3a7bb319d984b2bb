"""Plugins as somebody might publish them: each a project of its own, built as a wheel and installed."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import attrs

from tests.packaging.workspace import uv

PROJECT = """
[project]
name = "{name}"
version = "1.2"
requires-python = ">=3.11"

[project.entry-points."llmgine.{kind}"]
{entry} = "{target}"

[build-system]
requires = ["uv_build>=0.13,<0.14"]
build-backend = "uv_build"
"""

# What is imported leaves a file behind, so that what is not imported can be told from it.
MARKING = """
import os
from pathlib import Path

Path(os.environ["MARKS"], __name__).touch()
"""


@attrs.frozen
class PluginWheel:
    """A distribution of one plugin.

    Attributes:
        name: what configuration calls the plugin.
        source: its module.
        kind: the kind in whose group its entry stands.
        target: what the entry names, within the package.
        distribution: its distribution, where that has not the plugin's name.
    """

    name: str
    source: str
    kind: str = attrs.field(default="observability", kw_only=True)
    target: str = attrs.field(default="plugin", kw_only=True)
    distribution: str = attrs.field(default="", kw_only=True)

    @property
    def project(self) -> str:
        """The distribution's name."""
        return self.distribution or f"faulty-{self.name}"

    @property
    def package(self) -> str:
        """The package that it installs."""
        return self.project.replace("-", "_")

    @property
    def entry(self) -> str:
        """The target of the entry point."""
        return f"{self.package}.{self.target}"

    @property
    def label(self) -> str:
        """How messages speak of it: kind, name, distribution, version, target."""
        return f"{self.kind} {self.name!r} ({self.project} 1.2, {self.entry})"

    def write(self, folder: Path) -> None:
        """Write its project into a folder of its own in that folder."""
        package = folder / self.project / "src" / self.package
        package.mkdir(parents=True)
        project = PROJECT.format(name=self.project, kind=self.kind, entry=self.name, target=self.entry)
        (folder / self.project / "pyproject.toml").write_text(project)
        (package / "__init__.py").write_text(MARKING)
        (package / "plugin.py").write_text(self.source)


def install(plugins: Sequence[PluginWheel], folder: Path) -> Path:
    """Build a wheel of each and install them all; where they are."""
    for plugin in plugins:
        plugin.write(folder)
    # as one workspace, so that one uv builds them, several at a time
    (folder / "pyproject.toml").write_text('[tool.uv.workspace]\nmembers = ["*"]\nexclude = ["dist", "site"]\n')
    uv("build", "--quiet", "--wheel", "--all-packages", "--out-dir", folder / "dist", folder)
    wheels = sorted((folder / "dist").glob("*.whl"))
    assert len(wheels) == len(plugins)
    site = folder / "site"
    uv("pip", "install", "--quiet", "--no-deps", "--python", sys.executable, "--target", site, *wheels)
    return site
