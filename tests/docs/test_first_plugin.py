"""The plugin of the tutorial, written from its page into a folder of its own, built as a wheel and installed."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.packaging.workspace import uv

PAGE = Path(__file__).parents[2] / "docs" / "tutorial" / "first-plugin.md"
FILE = re.compile(r"^```(?:python|toml)\n# ([\w/.]+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)

PROGRAM = """
import anyio
from llmgine_core import ApplicationBootstrap, RunTurn
from llmgine_core.testing import ScriptedModel

async def main():
    async with ApplicationBootstrap(llm=ScriptedModel("Hi!"), plugins=["agent"]) as app, app.session() as session:
        print((await session.execute(RunTurn("Hello"))).text)

anyio.run(main)
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the plugin's wheel installed in it."""
    project = tmp_path_factory.mktemp("llmgine-obs-tally")
    for name, text in FILE.findall(PAGE.read_text(encoding="utf-8")):
        if name != "llmgine.toml":
            (project / name).parent.mkdir(parents=True, exist_ok=True)
            (project / name).write_text(text, encoding="utf-8")
    uv("build", "--quiet", "--wheel", project)
    (wheel,) = (project / "dist").glob("*.whl")
    target = project / "site"
    uv("pip", "install", "--quiet", "--no-deps", "--python", sys.executable, "--target", target, wheel)
    return target


def run(*command: str | Path, site: Path, cwd: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run Python with the plugin installed."""
    environment = {**os.environ, "PYTHONPATH": str(site), **variables}
    return subprocess.run(
        [sys.executable, *command], cwd=cwd, env=environment, capture_output=True, text=True, timeout=60, check=False
    )


def test_it_is_listed_by_its_name(site: Path, tmp_path: Path) -> None:
    """`llmgine plugins list` shows the plugin and its distribution."""
    listed = run("-m", "llmgine_core.cli", "plugins", "list", site=site, cwd=tmp_path).stdout
    assert re.search(r"observability +tally +llmgine-obs-tally +0\.1\.0", listed)


def test_one_word_of_configuration_selects_it(site: Path, tmp_path: Path) -> None:
    """Named in the environment, it counts the events of an application that knows nothing of it."""
    done = run("-c", PROGRAM, site=site, cwd=tmp_path, LLMGINE_OBSERVABILITY="tally")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[:2] == ["Hi!", "Events"]
    assert "     1 SessionStartEvent" in done.stdout


def test_installed_alone_it_does_nothing(site: Path, tmp_path: Path) -> None:
    """Without that word it is not even imported."""
    done = run("-c", PROGRAM + "import sys; print('llmgine_obs_tally' in sys.modules)", site=site, cwd=tmp_path)
    assert done.stdout.splitlines() == ["Hi!", "False"]


def test_its_settings_come_from_its_table(site: Path, tmp_path: Path) -> None:
    """The configuration file of the page gives it another title."""
    (tmp_path / "llmgine.toml").write_text('observability = [{ use = "tally", title = "What happened" }]\n')
    assert "What happened" in run("-c", PROGRAM, site=site, cwd=tmp_path).stdout


def test_a_misspelt_setting_is_refused_with_the_nearest(site: Path, tmp_path: Path) -> None:
    """The error names file, plugin, key and match."""
    (tmp_path / "llmgine.toml").write_text('observability = [{ use = "tally", titel = "What happened" }]\n')
    done = run("-c", PROGRAM, site=site, cwd=tmp_path)
    assert "llmgine.toml: observability[0].titel: unknown setting 'titel'; did you mean 'title'?" in done.stderr


def test_the_pages_own_test_passes_where_the_plugin_is_installed(site: Path, tmp_path: Path) -> None:
    """pytest needs nothing but the plugin's file of tests."""
    (written,) = site.parent.glob("tests/test_*.py")
    done = run("-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", tmp_path, written, site=site, cwd=tmp_path)
    assert done.returncode == 0, done.stdout
    assert done.stdout.count("passed") == 1
