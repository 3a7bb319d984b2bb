"""Every fault that a plugin may have, as a built wheel: one error on three lines, and no harm to others."""

# A test may look inside.
# pyright: reportPrivateUsage=false, reportUnknownMemberType=false

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from llmgine_core import _discovery
from llmgine_core.cli import main
from tests.integration.faulty_plugins import FAULTY, HANGING, OTHER, Faulty
from tests.integration.plugin_wheels import install

INSTALLED = (*FAULTY, OTHER, HANGING)

PROGRAM = """
import anyio
from llmgine_core import ApplicationBootstrap

async def main():
    async with ApplicationBootstrap():
        print("started")

anyio.run(main)
"""

# The same, in several folders one after the other; what is said in each ends with a form feed.
IN_FOLDERS = """
import os, sys
import anyio
from llmgine_core import ApplicationBootstrap, LlmgineError

async def main():
    async with ApplicationBootstrap():
        print("started")

for folder in sys.argv[1:]:
    os.chdir(folder)
    os.environ["MARKS"] = os.path.join(folder, "marks")
    try:
        anyio.run(main)
    except LlmgineError as error:
        print(error, file=sys.stderr)
    print(end="\\f", file=sys.stderr)
"""

SELECTS_NONE = """
import anyio
from llmgine_core import ApplicationBootstrap, RunTurn, ToolCall
from llmgine_core.testing import ScriptedModel

def double(number: int) -> int:
    return 2 * number

model = ScriptedModel(ToolCall("1", "double", '{"number": 21}'), lambda request: str(request.messages[-1].tool_results))

async def main():
    async with ApplicationBootstrap(llm=model, plugins=["agent"], tools=[double]) as app, app.session() as session:
        print((await session.execute(RunTurn("Twice 21?"))).text)
    print("stopped")

anyio.run(main)
"""


class Folders:
    """Folders in which programs run where all the broken plugins are installed, each with its configuration."""

    def __init__(self, site: Path, parent: Path) -> None:
        self.site, self._parent = site, parent

    def make(self, name: str, toml: str = "") -> Path:
        """A folder with that configuration, and with one for the marks of what is imported."""
        folder = self._parent / name
        (folder / "marks").mkdir(parents=True)
        (folder / "llmgine.toml").write_text(toml)
        return folder

    def environment(self, folder: Path) -> dict[str, str]:
        """The environment of a program that runs there."""
        clean = {name: value for name, value in os.environ.items() if not name.startswith("LLMGINE_")}
        return {**clean, "PYTHONPATH": str(self.site), "MARKS": str(folder / "marks")}

    def run(self, folder: Path, *command: str | Path) -> subprocess.CompletedProcess[str]:
        """Run Python there to its end."""
        return subprocess.run(
            [sys.executable, *command],
            cwd=folder,
            env=self.environment(folder),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )


def marks(folder: Path) -> set[str]:
    """The packages that were imported there."""
    return {path.name for path in (folder / "marks").iterdir()}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Folders:
    site = install(INSTALLED, tmp_path_factory.mktemp("plugins"))
    return Folders(site, tmp_path_factory.mktemp("folders"))


@pytest.fixture(scope="module")
def selecting(folders: Folders) -> Mapping[str, Path]:
    """A folder for each fault, whose configuration selects the plugin that has it."""
    return {plugin.name: folders.make(plugin.name, plugin.toml) for plugin in FAULTY}


@pytest.fixture(scope="module")
def said(folders: Folders, selecting: Mapping[str, Path]) -> Mapping[str, str]:
    """What is said of each, all that may share a process in one, two processes at a time."""
    alone = [plugin.name for plugin in FAULTY if plugin.alone]
    together = [plugin.name for plugin in FAULTY if not plugin.alone]
    with ThreadPoolExecutor(2) as pool:
        shared = pool.submit(in_one_process, folders, [selecting[name] for name in together])
        ended = [pool.submit(folders.run, selecting[name], "-c", PROGRAM) for name in alone]
        texts = [*(uncaught(future.result()) for future in ended), *shared.result()]
    return dict(zip([*alone, *together], texts, strict=True))


def in_one_process(folders: Folders, where: Sequence[Path]) -> list[str]:
    done = folders.run(where[0], "-c", IN_FOLDERS, *where)
    assert (done.returncode, done.stdout) == (0, "")
    return [text.removesuffix("\n") for text in done.stderr.split("\f")[:-1]]


def uncaught(done: subprocess.CompletedProcess[str]) -> str:
    """The last error of a traceback, its class left out."""
    assert (done.returncode, done.stdout) == (1, "")
    what, *others = done.stderr.splitlines()[-3:]
    name, _, what = what.partition(": ")
    assert name.startswith("llmgine_core.errors.Plugin"), done.stderr
    return "\n".join([what, *others])


@pytest.mark.parametrize("plugin", FAULTY, ids=lambda plugin: plugin.name)
def test_a_faulty_plugin_is_refused_with_what_which_and_how_to_mend_it(
    plugin: Faulty, said: Mapping[str, str], folders: Folders, selecting: Mapping[str, Path]
) -> None:
    assert said[plugin.name] == plugin.said.replace("{site}", str(folders.site))
    assert marks(selecting[plugin.name]) == ({plugin.package} if plugin.imported else set())


def test_an_import_that_hangs_is_named_with_its_line_and_then_goes_on(folders: Folders) -> None:
    folder = folders.make("hanging-import", 'start_timeout = 1.0\nobservability = ["hanging-import"]')
    pipe = subprocess.PIPE
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM],
        cwd=folder,
        env=folders.environment(folder),
        stdin=pipe,
        stdout=pipe,
        stderr=pipe,
        text=True,
    ) as process:
        assert process.stderr is not None
        lines = [process.stderr.readline() for _ in range(3)]
        out, err = process.communicate("go on\n", timeout=60)
    assert "".join(lines) == (
        "importing it has not ended after 1 s\n"
        f"  plugin: {HANGING.label}, now at {folders.site}/{HANGING.package}/plugin.py:2 in <module>\n"
        "  cure: nothing but the end of the process stops it: mend that line, or select another plugin; "
        "`start_timeout` is how long this waits\n"
    )
    assert (process.returncode, out, err) == (0, "started\n", "")


@pytest.fixture
def beside(folders: Folders, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """This process has the broken plugins on its path."""
    monkeypatch.syspath_prepend(str(folders.site))
    _discovery._scan.cache_clear()
    yield
    _discovery._scan.cache_clear()


def assert_all_are_listed(text: str) -> None:
    """In the JSON that lists plugins."""
    fields = ("kind", "name", "distribution", "version", "target")
    listed = {tuple(entry[field] for field in fields) for entry in json.loads(text)}
    assert listed >= {(plugin.kind, plugin.name, plugin.project, "1.2", plugin.entry) for plugin in INSTALLED}


def test_all_of_them_are_listed_and_none_is_imported(folders: Folders) -> None:
    folder = folders.make("listing")
    done = folders.run(folder, "-m", "llmgine_core.cli", "plugins", "list")
    assert (done.returncode, done.stderr) == (0, "")
    rows = [{*line.split()} for line in done.stdout.splitlines()]
    for plugin in INSTALLED:
        assert any({plugin.kind, plugin.project, "1.2", plugin.entry} <= row for row in rows), plugin.name
    assert marks(folder) == set()


@pytest.mark.usefixtures("beside")
@pytest.mark.parametrize(
    "toml",
    [*(plugin.toml for plugin in FAULTY), "this is no TOML", "observabilty = 5"],
    ids=[*(plugin.name for plugin in FAULTY), "no-toml", "unknown-key"],
)
def test_they_are_listed_also_where_the_configuration_selects_what_is_broken(
    toml: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "llmgine.toml").write_text(toml)
    monkeypatch.chdir(tmp_path)
    assert main(["plugins", "list", "--json"]) == 0
    assert_all_are_listed(capsys.readouterr().out)
    assert not {plugin.package for plugin in INSTALLED} & sys.modules.keys()


@pytest.mark.parametrize("name", ["exits", "syntax"])
def test_the_command_lists_them_as_well_where_one_is_selected(
    name: str, folders: Folders, selecting: Mapping[str, Path]
) -> None:
    folder = folders.make(f"listing-{name}", (selecting[name] / "llmgine.toml").read_text())
    done = folders.run(folder, "-m", "llmgine_core.cli", "plugins", "list", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    assert_all_are_listed(done.stdout)
    assert marks(folder) == set()


def test_an_application_that_selects_none_of_them_runs_as_if_they_were_not_there(folders: Folders) -> None:
    folder = folders.make("none")
    done = folders.run(folder, "-c", SELECTS_NONE)
    assert (done.returncode, done.stderr) == (0, "")
    text, stopped = done.stdout.splitlines()
    assert "42" in text
    assert stopped == "stopped"
    assert marks(folder) == set()


SEVERAL = """
observability = ["import-error", "misspelt", "same", "exits"]
plugins = ["fails-at-start"]
bus = { capacity = "many" }

[llm.default]
use = "wrong-group"
temperature = 2
"""


def test_several_faults_are_told_in_one_report_each_in_full(folders: Folders) -> None:
    folder = folders.make("several-at-once", SEVERAL)
    (text,) = in_one_process(folders, [folder])
    named = {plugin.name: plugin.said for plugin in FAULTY}
    capacity = "llmgine.toml: bus.capacity: a whole number is wanted, not 'many' (bus 'memory')"
    refusals = [named[name] for name in ("import-error", "misspelt", "same", "exits", "wrong-group")]
    each = [textwrap.indent(refusal, "    ").strip() for refusal in (capacity, *refusals)]
    assert text == "\n".join(["the application 'app' cannot start; faults: 6", *(f"  - {fault}" for fault in each)])
    assert marks(folder) == {
        "faulty_wrong_group",
        "faulty_import_error",
        "faulty_misspelt",
        "faulty_exits",
        "faulty_fails_at_start",
    }
