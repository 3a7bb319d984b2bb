"""Every fault that a plugin may have, as a built wheel: one error on three lines, and no harm to others."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.integration.faulty_plugins import ALL, FAULTY, HANGING, SLEEPING, Faulty, install

PROGRAM = """
import sys
import anyio
from llmgine_core import ApplicationBootstrap, PluginError

async def main():
    async with ApplicationBootstrap(config="llmgine.toml", discover=False):
        print("started")

try:
    anyio.run(main)
except PluginError as error:
    sys.exit(str(error))
"""
SELECTION = {"llm": '[llm]\ndefault = "{0}"\n'}


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where all the broken plugins are installed at once."""
    return install(tmp_path_factory.mktemp("faulty"))


class Runs:
    """Programs that each select one plugin by configuration."""

    def __init__(self, site: Path, folder: Path) -> None:
        self.site, self._folder = site, folder

    def environment(self, plugin: Faulty) -> dict[str, str]:
        """The environment of a program; a folder where what is imported leaves its mark is made for it."""
        marks = self._folder / plugin.project / "marks"
        marks.mkdir(parents=True, exist_ok=True)
        clean = {name: value for name, value in os.environ.items() if not name.startswith("LLMGINE_")}
        return {**clean, "PYTHONPATH": str(self.site), "MARKS": str(marks)}

    def marks(self, plugin: Faulty) -> set[str]:
        """What was imported."""
        return {path.name for path in (self._folder / plugin.project / "marks").iterdir()}

    def start(self, plugin: Faulty, seconds: float = 60.0) -> subprocess.Popen[str]:
        """Start a program that selects it."""
        environment = self.environment(plugin)
        text = SELECTION.get(plugin.kind, plugin.kind + ' = ["{0}"]\n').format(plugin.name)
        settings = f"start_timeout = {seconds}\n{plugin.settings}\n"
        (self._folder / plugin.project / "llmgine.toml").write_text(settings + text)
        return subprocess.Popen(
            [sys.executable, "-c", PROGRAM],
            cwd=self._folder / plugin.project,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def finish(self, plugin: Faulty, seconds: float = 60.0) -> tuple[int, str, str]:
        """Run such a program to its end: its exit code and what it wrote."""
        with self.start(plugin, seconds) as process:
            out, err = process.communicate(timeout=120)
        return process.returncode, out, err


@pytest.fixture(scope="session")
def runs(site: Path, tmp_path_factory: pytest.TempPathFactory) -> Runs:
    return Runs(site, tmp_path_factory.mktemp("runs"))


@pytest.fixture(scope="session")
def ended(runs: Runs) -> dict[str, Future[tuple[int, str, str]]]:
    """The programs of all faults, two at a time."""
    with ThreadPoolExecutor(2) as pool:
        return {plugin.name: pool.submit(runs.finish, plugin) for plugin in FAULTY}


@pytest.mark.parametrize("plugin", FAULTY, ids=lambda plugin: plugin.name)
def test_a_faulty_plugin_is_refused_with_what_which_and_how_to_mend_it(
    plugin: Faulty, ended: dict[str, Future[tuple[int, str, str]]], runs: Runs
) -> None:
    code, out, err = ended[plugin.name].result()
    what, *others = plugin.lines
    assert err.splitlines() == [what.replace("{site}", str(runs.site)), *others]
    assert (code, out) == (1, "")
    never = plugin.name in ("denied", "same")
    assert runs.marks(plugin) == (set() if never else {plugin.package})


def test_an_import_that_never_ends_is_named_with_the_line_at_which_it_stands(runs: Runs) -> None:
    with runs.start(HANGING, seconds=0.2) as process:
        try:
            assert process.stderr is not None
            lines = [process.stderr.readline().rstrip() for _ in range(3)]
        finally:
            process.kill()
    line = f"{runs.site}/{HANGING.package}/plugin.py:2 in <module>"
    assert lines[0] == "importing it has not ended after 0.2 s"
    assert lines[1] == f"{HANGING.lines[1]}, now at {line}"
    assert lines[2].startswith("  cure: nothing but the end of the process stops it: mend that line")


def test_a_start_that_never_ends_is_given_up_when_its_time_is_up(runs: Runs) -> None:
    code, out, err = runs.finish(SLEEPING, seconds=0.2)
    _, plugin, _ = SLEEPING.lines
    assert err.splitlines() == [
        "it did not start within 0.2 s",
        plugin.replace("plugin: ", "plugin: the lifespan of "),
        "  cure: see what it waits for, or raise `start_timeout` in the configuration",
    ]
    assert (code, out) == (1, "")


def test_all_of_them_are_listed_and_none_is_imported(runs: Runs) -> None:
    command = [sys.executable, "-m", "llmgine_core.cli", "plugins", "list"]
    listing = Faulty("listing", "", "", "")
    done = subprocess.run(
        command, env=runs.environment(listing), capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    rows = [line.split() for line in done.stdout.splitlines()]
    for plugin in ALL:
        assert [plugin.kind, plugin.name, plugin.project, "1.2", plugin.entry] in rows
    assert runs.marks(listing) == set()
