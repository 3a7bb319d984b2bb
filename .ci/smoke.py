"""Runs in an environment that holds the built wheels and what they require, nothing else."""

import subprocess
import sys
import tomllib
from importlib.metadata import entry_points, version
from pathlib import Path

ROOT = Path(__file__).parents[1]


def check(project: dict) -> None:
    """The package is installed in its version, and each of its entry points is listed and loads."""
    name = project["name"]
    assert version(name) == project["version"], f"{name} {version(name)} is installed, not {project['version']}"
    groups = {**project.get("entry-points", {}), "console_scripts": project.get("scripts", {})}
    for group, entries in groups.items():
        for entry, target in entries.items():
            (found,) = entry_points(group=group, name=entry)
            assert found.value == target, f"{group}: {entry} leads to {found.value}, not {target}"
            found.load()
            print(f"{group}: {entry} = {target}")


def main() -> None:
    """Check every package, then the command."""
    for path in sorted(ROOT.glob("llmgine-*/pyproject.toml")):
        check(tomllib.loads(path.read_text(encoding="utf-8"))["project"])
    command = Path(sys.executable).with_name("llmgine")
    said = subprocess.run([command, "--version"], capture_output=True, text=True, check=True).stdout
    assert version("llmgine-core") in said, said
    print(said.strip())


if __name__ == "__main__":
    main()
