"""Plugins that are broken, each in one way, as the distributions that somebody might publish."""

from __future__ import annotations

import sys
from pathlib import Path

import attrs

from tests.packaging.workspace import uv

PROJECT = """
[project]
name = "{name}"
version = "1.2"
requires-python = ">=3.11"
{entries}

[build-system]
requires = ["uv_build>=0.13,<0.14"]
build-backend = "uv_build"
"""

# What was imported leaves a file behind, so that what was not is known too.
MARKED = """
import os
from pathlib import Path

Path(os.environ["MARKS"], __name__).touch()
"""

HANDLER = """
from llmgine_core.hookspecs import hookimpl
from llmgine_core.testing import RecordingEventHandler

@hookimpl
def llmgine_create_event_handler(build):
    return RecordingEventHandler()
"""
LIFESPAN = """
from contextlib import asynccontextmanager
import anyio
from llmgine_core.hookspecs import hookimpl

@hookimpl
@asynccontextmanager
async def llmgine_lifespan(app):
    await anyio.sleep_forever()
    yield
"""
FIX = "fix or upgrade the distribution, or select another plugin"


@attrs.frozen
class Faulty:
    """A distribution of one plugin.

    Attributes:
        name: what configuration calls the plugin.
        source: its module.
        what: the first line of the error with which it is refused; `{site}` is where it is installed.
        cure: how to mend it.
        kind: the kind in whose group its entry stands.
        target: what the entry names, where that is not the module itself.
        distribution: its distribution, where that has not the plugin's name.
        settings: what the configuration says beside the selection.
        plugin: what the second line says, where that is not the entry.
    """

    name: str
    source: str
    what: str
    cure: str
    kind: str = "observability"
    target: str = ""
    distribution: str = ""
    settings: str = ""
    plugin: str = ""

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
        return f"{self.package}.{self.target or 'plugin'}"

    @property
    def lines(self) -> tuple[str, str, str]:
        """The error, as it must be said."""
        entry = f"{self.kind} {self.name!r} ({self.project} 1.2, {self.entry})"
        return self.what, f"  plugin: {self.plugin or entry}", f"  cure: {self.cure}"

    def write(self, workspace: Path) -> None:
        """Write its project."""
        package = workspace / self.project / "src" / self.package
        package.mkdir(parents=True)
        entries = f'[project.entry-points."llmgine.{self.kind}"]\n{self.name} = "{self.entry}"'
        (package.parents[1] / "pyproject.toml").write_text(PROJECT.format(name=self.project, entries=entries))
        (package / "__init__.py").write_text(MARKED)
        (package / "plugin.py").write_text(self.source)


FAULTY = (
    Faulty(
        "missing-module",
        "import an_sdk_that_is_not_there",
        "importing it raised ModuleNotFoundError: No module named 'an_sdk_that_is_not_there'",
        "install what offers the module 'an_sdk_that_is_not_there', or select another plugin",
    ),
    Faulty("import-error", "raise ImportError('torn')", "importing it raised ImportError: torn", FIX),
    Faulty("exits", "raise SystemExit(3)", "importing it raised SystemExit: 3", FIX),
    Faulty(
        "syntax",
        "def broken(:",
        "importing it raised SyntaxError: invalid syntax ({site}/faulty_syntax/plugin.py, line 1)",
        f"mend that line, or install a release of the distribution that fits Python {sys.version_info[0]}."
        f"{sys.version_info[1]}",
    ),
    Faulty(
        "no-module",
        "",
        "there is no module 'faulty_no_module.plugn'",
        "its distribution's metadata names what its files do not have: reinstall faulty-no-module",
        target="plugn",
    ),
    Faulty(
        "no-attribute",
        "plugin = 5",
        "faulty_no_attribute.plugin has no attribute 'plugn'",
        "did you mean 'plugin'? its entry point must name what is there: plugin",
        target="plugin:plugn",
    ),
    Faulty(
        "misspelt",
        HANDLER.replace("event_handler(", "event_handlr("),
        "there is no hook llmgine_create_event_handlr",
        "rename llmgine_create_event_handlr → llmgine_create_event_handler",
    ),
    Faulty(
        "argument",
        HANDLER.replace("(build)", "(biuld)"),
        "llmgine_create_event_handler takes 'biuld', but is given build",
        "rename biuld → build",
    ),
    Faulty(
        "unmarked",
        HANDLER.replace("@hookimpl", ""),
        "llmgine_create_event_handler is not marked as a hook",
        "put @impl.llmgine_create_event_handler above it",
    ),
    Faulty(
        "async",
        HANDLER.replace("def ", "async def "),
        "llmgine_create_event_handler is an async function",
        "hooks are plain functions; await in what they return",
    ),
    Faulty(
        "wrapper",
        HANDLER.replace("@hookimpl", "@hookimpl(wrapper=True)").replace("return", "yield"),
        "llmgine_create_event_handler is a hook wrapper",
        "each plugin's hooks are called alone, so there is nothing to wrap: take out the option, and return",
    ),
    Faulty(
        "several",
        HANDLER.replace("(build)", "(biuld)") + "@hookimpl\nasync def llmgine_lifespan(app): ...\n",
        "llmgine_create_event_handler takes 'biuld', but is given build; llmgine_lifespan is an async function",
        "rename biuld → build; hooks are plain functions; await in what they return",
    ),
    Faulty(
        "wrong-group",
        HANDLER,
        "it does not implement llmgine_create_language_model, but llmgine_create_event_handler",
        "move its entry from the group llmgine.llm to llmgine.observability, to be selected as observability",
        kind="llm",
    ),
    Faulty(
        "newer",
        HANDLER + "__llmgine_api__ = 2",
        "the plugin is written for API version 2, this core offers 1",
        "upgrade llmgine-core, or install an older release of the plugin",
    ),
    Faulty(
        "api-text",
        HANDLER + "__llmgine_api__ = '1'",
        "its __llmgine_api__ is '1', not a whole number",
        "write 1, or leave it out",
    ),
    Faulty(
        "raises",
        HANDLER.replace("return", "raise OSError('no disk');"),
        "llmgine_create_event_handler raised OSError: no disk",
        FIX,
    ),
    Faulty(
        "none",
        HANDLER.replace("return RecordingEventHandler()", "pass"),
        "llmgine_create_event_handler returned None",
        "it must return an ObservabilityEventHandler",
    ),
    Faulty(
        "class",
        HANDLER.replace("RecordingEventHandler()", "RecordingEventHandler"),
        "llmgine_create_event_handler returned <class 'llmgine_core.testing.recording.RecordingEventHandler'>",
        "it must return an object; make one: RecordingEventHandler(…)",
    ),
    Faulty(
        "coroutine",
        HANDLER.replace("return RecordingEventHandler()", "async def later(): ...\n    return later()"),
        "llmgine_create_event_handler returned a coroutine",
        "hooks are plain functions; await in what they return",
    ),
    Faulty(
        "denied",
        HANDLER,
        "deny names its distribution",
        "change `allow` or `deny`, or select another plugin",
        settings='deny = ["Faulty_Denied"]',
    ),
    Faulty(
        "same",
        HANDLER,
        "observability handler 'same' is offered by faulty-one and faulty-other",
        'name one: "same@faulty-one" or "same@faulty-other"',
        distribution="faulty-one",
        plugin=(
            "observability 'same' (faulty-one 1.2, faulty_one.plugin) or "
            "observability 'same' (faulty-other 1.2, faulty_other.plugin)"
        ),
    ),
)
OTHER = Faulty("same", HANDLER, "", "", distribution="faulty-other")
HANGING = Faulty("hanging-import", "import threading\nthreading.Event().wait()", "", "")
SLEEPING = Faulty("hanging-start", LIFESPAN, "", "", kind="plugins")
ALL = (*FAULTY, OTHER, HANGING, SLEEPING)


def install(folder: Path) -> Path:
    """Build a wheel of each and install them all; where they are."""
    for plugin in ALL:
        plugin.write(folder)
    (folder / "pyproject.toml").write_text('[tool.uv.workspace]\nmembers = ["faulty-*"]\n')
    uv("build", "--quiet", "--wheel", "--all-packages", "--out-dir", folder / "dist", folder)
    wheels = sorted((folder / "dist").glob("*.whl"))
    assert len(wheels) == len(ALL)
    site = folder / "site"
    uv("pip", "install", "--quiet", "--no-deps", "--python", sys.executable, "--target", site, *wheels)
    return site
