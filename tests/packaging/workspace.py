"""The packages of the workspace, as their own files describe them."""

import os
import re
import shutil
import subprocess
import tomllib
import zipfile
from email.message import Message
from email.parser import Parser
from functools import cached_property
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]


class Package:
    """One distribution of the workspace."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.name = folder.name
        self.module = folder.name.replace("-", "_")
        self.source = folder / "src" / self.module

    def __repr__(self) -> str:
        return self.name

    @cached_property
    def project(self) -> dict[str, Any]:
        """The table `[project]` of its pyproject.toml."""
        project: dict[str, Any] = read_toml(self.folder / "pyproject.toml")["project"]
        return project

    @property
    def entry_points(self) -> dict[str, dict[str, str]]:
        """Name → target, by group; console scripts are a group too."""
        scripts = {"console_scripts": self.project["scripts"]} if "scripts" in self.project else {}
        return {**self.project.get("entry-points", {}), **scripts}

    @property
    def requirements(self) -> list[str]:
        """What it requires, the extras included."""
        extras = self.project.get("optional-dependencies", {})
        return [*self.project.get("dependencies", []), *(r for each in extras.values() for r in each)]

    @property
    def required_names(self) -> set[str]:
        """The names of the distributions that it requires."""
        return {normalized(re.split(r"[^\w.-]", each, maxsplit=1)[0]) for each in self.requirements}


class Wheel:
    """A built wheel of one package."""

    def __init__(self, package: Package, path: Path) -> None:
        self.package = package
        self.path = path
        with zipfile.ZipFile(path) as archive:
            self.files = set(archive.namelist())
            self.info = next(name.split("/")[0] for name in self.files if name.endswith(".dist-info/METADATA"))
            self.metadata: Message = Parser().parsestr(archive.read(f"{self.info}/METADATA").decode())
            entries = f"{self.info}/entry_points.txt"
            self.entry_points = archive.read(entries).decode() if entries in self.files else ""


def normalized(name: str) -> str:
    """The one spelling of a distribution's name that all its spellings share."""
    return re.sub(r"[-_.]+", "-", name).lower()


def read_toml(path: Path) -> dict[str, Any]:
    """The document in a TOML file."""
    return tomllib.loads(path.read_text(encoding="utf-8"))


def run(*command: str | Path, **environment: str) -> str:
    """The standard output of a command; one that fails shows all it said."""
    done = subprocess.run(command, cwd=ROOT, env=os.environ | environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command} exited with {done.returncode}:\n{done.stdout}{done.stderr}"
    return done.stdout


def uv(*arguments: str | Path) -> str:
    """The standard output of a uv command; `uv run` says in UV which uv it is."""
    found = os.environ.get("UV") or shutil.which("uv")
    assert found, "these tests build wheels with uv; run them with: uv run --group dev pytest"
    return run(found, *arguments, UV_PYTHON_DOWNLOADS="never")


PACKAGES = [Package(folder.parent) for folder in sorted(ROOT.glob("llmgine-*/pyproject.toml"))]
CORE = next(package for package in PACKAGES if package.name == "llmgine-core")
PLUGINS = [package for package in PACKAGES if package is not CORE]
