"""The page of the hooks says what the code says, and its plugins are plugins: built, installed, selected together."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from llmgine_core.hookspecs import API_VERSION, HOOKS, KINDS
from tests.packaging.workspace import ROOT, uv

PATH = ROOT / "docs" / "reference" / "hooks.md"
PAGE = PATH.read_text(encoding="utf-8")
FILE = re.compile(r"^```(?:python|toml)\n# (llmgine-[\w/.-]+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
CONFIGURATION = re.compile(r"^```toml\n# llmgine\.toml\n(.*?)^```$", re.MULTILINE | re.DOTALL)

PROGRAM = """
import anyio
from llmgine_core import ApplicationBootstrap, RunTurn
from llmgine_greeter import Greet

async def main():
    async with ApplicationBootstrap() as app, app.session("chat") as session:
        print((await session.execute(RunTurn("Good day"))).text)
        print(await session.execute(Greet("Ada")))
        print(app.llm().model, type(app.context_store).__name__)
        print(*sorted(tool.name for tool in session.tools.definitions()))
        print(app.health().checks["plugins.greeter.door"], app.bus.stats().total.pending)

anyio.run(main)
"""


def generator() -> ModuleType:
    """The module that writes the page's generated parts."""
    spec = importlib.util.spec_from_file_location("hooks_page", ROOT / "docs" / "hooks.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_is_as_the_code_would_write_it() -> None:
    assert generator().page(PAGE) == PAGE, "run: uv run python docs/hooks.py"


def test_the_page_has_every_hook_every_kind_and_every_protocol_that_a_plugin_returns() -> None:
    generated = re.findall(r"<!-- generated: (\w+)(?: (\w+))? -->", PAGE)
    assert sorted(name for part, name in generated if part == "hook") == sorted(HOOKS)
    protocols = {name for part, name in generated if part == "protocol"}
    returned = {"MessageBus", "ContextStore", "ToolManager", "LanguageModel", "ObservabilityEventHandler", "Redactor"}
    assert returned <= protocols
    assert f"This page describes API version {API_VERSION}." in PAGE


def test_links_within_the_page_lead_to_a_heading() -> None:
    headings = re.findall(r"^#+ (.+)$", PAGE, re.MULTILINE)
    anchors = {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}
    assert set(re.findall(r"\]\(#([^)]+)\)", PAGE)) <= anchors


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with all plugins of the page installed in it."""
    folder = tmp_path_factory.mktemp("plugins")
    for name, text in FILE.findall(PAGE):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    projects = sorted(path.parent for path in folder.glob("*/pyproject.toml"))
    assert len(projects) == len(KINDS)
    target = folder / "site"
    uv("pip", "install", "--quiet", "--no-deps", "--python", sys.executable, "--target", target, *projects)
    return target


def run(*command: str | Path, site: Path, cwd: Path, **more: str) -> str:
    """What Python prints with the plugins installed."""
    variables = {name: value for name, value in os.environ.items() if not name.startswith("LLMGINE_")}
    done = subprocess.run(
        [sys.executable, *command],
        cwd=cwd,
        env={**variables, "PYTHONPATH": str(site), **more},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_pages_plugins_make_an_application_by_the_pages_configuration(site: Path, tmp_path: Path) -> None:
    """One plugin of each kind, all at once, in a program that knows one command of one of them."""
    pieces = sorted(CONFIGURATION.findall(PAGE), key=lambda piece: piece.startswith("["))
    assert len(pieces) == len(KINDS)
    (tmp_path / "llmgine.toml").write_text("\n".join(pieces), encoding="utf-8")
    assert run("-W", "error", "-c", PROGRAM, site=site, cwd=tmp_path).splitlines() == [
        "Good day",
        "Hello, Ada!",
        "macaw TranscriptStore",
        "shout today",
        "{'ok': True} 0",
    ]
    assert (tmp_path / "transcripts" / "chat.txt").read_text() == "user: Good day\nassistant: Good day\n"
    lines = (tmp_path / "lines.txt").read_text().splitlines()
    assert [line.split(maxsplit=2)[-1] for line in lines] == ["llmgine_greeter:Greeted {'name': '…'}"]


def test_the_pages_variable_of_the_environment_changes_a_setting(site: Path, tmp_path: Path) -> None:
    (tmp_path / "llmgine.toml").write_text("\n".join(p for p in CONFIGURATION.findall(PAGE) if "lines" in p))
    (name, value) = re.findall(r"`(LLMGINE_\w+)=(\w+)`", PAGE)[0]
    program = PROGRAM[: PROGRAM.index("        print")].replace("from llmgine_greeter import Greet\n", "")
    run("-c", f"{program}        pass\nanyio.run(main)", site=site, cwd=tmp_path, **{name: value})
    lines = (tmp_path / "lines.txt").read_text().splitlines()
    assert [line.split()[2] for line in lines] == ["SessionStartEvent", "SessionEndEvent"]


def test_the_pages_subcommand_is_one(site: Path, tmp_path: Path) -> None:
    assert run("-m", "llmgine_core.cli", "greet", "Ada", site=site, cwd=tmp_path) == "Hello, Ada!\n"


def test_type_checkers_accept_the_pages_plugins(site: Path) -> None:
    command = (sys.executable, "-m", "mypy", "--strict", "--cache-dir", os.devnull, "--no-error-summary")
    modules = sorted((site.parent).glob("llmgine-*/src/*/__init__.py"))
    done = subprocess.run([*command, *modules], cwd=site.parent, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
