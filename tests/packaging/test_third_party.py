"""A backend that this workspace knows nothing of, in an environment of wheels: configuration alone puts it in."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

from llmgine_core.serialization import loads
from tests.packaging.workspace import PACKAGES, ROOT, read_toml, uv

EXAMPLE = ROOT / "examples" / "llmgine-bus-journal"

PROGRAM = """
import anyio
from llmgine_core import ApplicationBootstrap, RunTurn
from llmgine_core.events import LogEvent
from llmgine_core.testing import ScriptedModel

async def main():
    async with ApplicationBootstrap(llm=ScriptedModel("Hi!"), plugins=["agent"]) as app, app.session("chat") as session:
        await session.publish(LogEvent("info", "the turn begins"))
        print((await session.execute(RunTurn("Hello"))).text, type(app.bus).__name__)

anyio.run(main)
"""
CONFIGURATION = 'bus = { use = "journal", path = "events.jsonl" }\n'


@pytest.fixture(scope="module")
def python(wheels: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an environment with some of our wheels, the example's, and what they require, as locked."""
    folder = tmp_path_factory.mktemp("third-party")
    uv("build", "--quiet", "--wheel", "--out-dir", folder, EXAMPLE)
    (wheel,) = folder.glob("*.whl")
    locked, environment = folder / "locked.txt", folder / "env"
    uv("export", "--quiet", "--frozen", "--all-packages", "--no-hashes", "--no-emit-workspace", "--output-file", locked)
    uv("venv", "--quiet", "--python", sys.executable, environment)
    install = ("pip", "install", "--quiet", "--python", environment, "--constraint", locked)
    ours = [wheels[name] for name in ("llmgine-agent", "llmgine-conformance", "llmgine-context", "llmgine-tools")]
    uv(*install, f"llmgine-core[testing] @ {wheels['llmgine-core'].as_uri()}", *ours, wheel)
    (python,) = [*environment.glob("bin/python"), *environment.glob("Scripts/python.exe")]
    return python


def run(python: Path, *arguments: str | Path, cwd: Path) -> str:
    """What a command of the environment prints; no variable of ours reaches it."""
    variables = {name: value for name, value in os.environ.items() if not name.startswith(("LLMGINE_", "PYTHON"))}
    command = [python, "-I", *arguments]
    done = subprocess.run(command, cwd=cwd, env=variables, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, f"{done.stdout}{done.stderr}"
    return done.stdout


def test_one_line_of_configuration_puts_it_in_the_place_of_the_bus_and_no_line_takes_it_out(
    python: Path, tmp_path: Path
) -> None:
    configuration, journal = tmp_path / "llmgine.toml", tmp_path / "events.jsonl"
    configuration.write_text(CONFIGURATION)
    assert run(python, "-c", PROGRAM, cwd=tmp_path) == "Hi! JournalBus\n"
    (begins, *others) = [loads(line) for line in journal.read_text(encoding="utf-8").splitlines()]
    assert (begins.message, begins.session_id) == ("the turn begins", "chat")  # type: ignore[attr-defined]
    assert others

    configuration.unlink()
    journal.unlink()
    assert run(python, "-c", PROGRAM, cwd=tmp_path) == "Hi! MessageBus\n"
    assert not journal.exists()


def test_it_passes_the_kit_where_its_author_has_nothing_but_wheels(python: Path, tmp_path: Path) -> None:
    said = run(python, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "error", EXAMPLE / "tests", cwd=tmp_path)
    assert " passed" in said.splitlines()[-1]


def test_it_is_no_member_of_the_workspace_and_imports_public_names_alone() -> None:
    members = {package.name for package in PACKAGES}
    assert read_toml(EXAMPLE / "pyproject.toml")["project"]["name"] not in members
    imported = {
        node.module
        for path in EXAMPLE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("llmgine_core")
    }
    assert imported
    assert not [name for name in imported if any(part.startswith("_") for part in name.split("."))]
