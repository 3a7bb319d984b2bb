"""Plugins that are broken, each in one way, and what is said of each."""

from __future__ import annotations

import sys

import attrs

from tests.integration.plugin_wheels import PluginWheel

__all__ = ["FAULTY", "HANGING", "OTHER", "Faulty"]

HANDLER = """
from llmgine_core.hookspecs import hookimpl
from llmgine_core.testing import RecordingEventHandler

@hookimpl
def llmgine_create_event_handler(build):
    return RecordingEventHandler()
"""
PLUGIN = """
class Plugin:
    @hookimpl
    def llmgine_create_event_handler(self, build):
        return RecordingEventHandler()
"""
SETTINGS = """
import attrs

@attrs.frozen
class Settings:
    path: str
    level: int = 1

@hookimpl
def llmgine_settings():
    return Settings
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
PLAIN = "hooks are plain functions; await in what they return"
PYTHON = ".".join(map(str, sys.version_info[:2]))


@attrs.frozen
class Faulty(PluginWheel):
    """A broken plugin.

    Attributes:
        what: the first line of the error with which it is refused; `{site}` is where it is installed.
        cure: how to mend it.
        configuration: what `llmgine.toml` says, where it does not select this one plugin and nothing else.
        plugin: what the second line calls it, where that is not the entry.
        text: all that is said, where that is not one error of three lines.
        alone: whether the fault might harm the process, so that it needs one of its own.
        imported: whether its package is imported before it is refused.
    """

    what: str
    cure: str
    configuration: str = attrs.field(default="", kw_only=True)
    plugin: str = attrs.field(default="", kw_only=True)
    text: str = attrs.field(default="", kw_only=True)
    alone: bool = attrs.field(default=False, kw_only=True)
    imported: bool = attrs.field(default=True, kw_only=True)

    @property
    def toml(self) -> str:
        """The configuration that selects it."""
        form = '[llm.default]\nuse = "{}"' if self.kind == "llm" else f'{self.kind} = ["{{}}"]'
        return self.configuration or form.format(self.name)

    @property
    def said(self) -> str:
        """The error, as it must be said."""
        return self.text or f"{self.what}\n  plugin: {self.plugin or self.label}\n  cure: {self.cure}"


IMPORTS = (
    Faulty(
        "needs-module",
        "import an_sdk_that_is_not_there",
        "importing it raised ModuleNotFoundError: No module named 'an_sdk_that_is_not_there'",
        "install what offers the module 'an_sdk_that_is_not_there', or select another plugin",
    ),
    Faulty("import-error", "raise ImportError('torn')", "importing it raised ImportError: torn", FIX),
    Faulty("exits", "raise SystemExit(3)", "importing it raised SystemExit: 3", FIX, alone=True),
    Faulty(
        "ends-otherwise",
        "class Enough(BaseException): ...\nraise Enough('of\\nit')",
        "importing it raised Enough: of it",
        FIX,
        alone=True,
    ),
    Faulty(
        "syntax",
        "def broken(:",
        "importing it raised SyntaxError: invalid syntax ({site}/faulty_syntax/plugin.py, line 1)",
        f"mend that line, or install a release of the distribution that fits Python {PYTHON}",
        alone=True,
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
        "lazy",
        "def __getattr__(name):\n    import an_sdk_that_is_not_there",
        "getting 'plugin' of faulty_lazy.plugin raised ModuleNotFoundError: No module named 'an_sdk_that_is_not_there'",
        "install what offers the module 'an_sdk_that_is_not_there', or select another plugin",
        target="plugin:plugin",
    ),
    Faulty(
        "denied",
        HANDLER,
        "deny names its distribution",
        "change `allow` or `deny`, or select another plugin",
        configuration='deny = ["Faulty_Denied"]\nobservability = ["denied"]',
        imported=False,
    ),
    Faulty(
        "not-allowed",
        HANDLER,
        "allow does not name its distribution",
        "change `allow` or `deny`, or select another plugin",
        configuration='allow = ["llmgine-core", "llmgine-context", "llmgine-tools"]\nobservability = ["not-allowed"]',
        imported=False,
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
        imported=False,
    ),
)

HOOKS = (
    Faulty(
        "misspelt",
        HANDLER.replace("event_handler(", "event_handlr(") + "@hookimpl\ndef llmgine_lifspan(app): ...\n",
        "there is no hook llmgine_create_event_handlr; there is no hook llmgine_lifspan",
        "rename llmgine_create_event_handlr → llmgine_create_event_handler; rename llmgine_lifspan → llmgine_lifespan",
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
    Faulty("async", HANDLER.replace("def ", "async def "), "llmgine_create_event_handler is an async function", PLAIN),
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
        f"rename biuld → build; {PLAIN}",
    ),
    Faulty(
        "class",
        HANDLER + PLUGIN,
        "Plugin is a class, whose llmgine_create_event_handler need an object",
        "make one, plugin = Plugin(), and let the entry point name that",
        target="plugin:Plugin",
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
)

RESULTS = (
    Faulty(
        "fails-at-start",
        LIFESPAN.replace("await anyio.sleep_forever()", "raise ConnectionError('nobody\\nanswers')"),
        "starting it raised ConnectionError: nobody answers",
        "mend what the message names, or select another plugin",
        kind="plugins",
        plugin="the lifespan of plugins 'fails-at-start' (faulty-fails-at-start 1.2, faulty_fails_at_start.plugin)",
    ),
    Faulty(
        "raises",
        HANDLER.replace("return", "raise OSError('no disk');"),
        "llmgine_create_event_handler raised OSError: no disk",
        FIX,
    ),
    Faulty(
        "returns-coroutine",
        HANDLER.replace("return RecordingEventHandler()", "async def later(): ...\n    return later()"),
        "llmgine_create_event_handler returned a coroutine",
        PLAIN,
    ),
    Faulty(
        "returns-number",
        HANDLER.replace("RecordingEventHandler()", "5"),
        "llmgine_create_event_handler returned 5",
        "it must return an ObservabilityEventHandler",
    ),
    Faulty(
        "returns-none",
        HANDLER.replace("return RecordingEventHandler()", "pass"),
        "llmgine_create_event_handler returned None",
        "it must return an ObservabilityEventHandler",
    ),
    Faulty(
        "returns-class",
        HANDLER.replace("RecordingEventHandler()", "RecordingEventHandler"),
        "llmgine_create_event_handler returned <class 'llmgine_core.testing.recording.RecordingEventHandler'>",
        "it must return an object; make one: RecordingEventHandler(…)",
    ),
    Faulty(
        "hangs",
        LIFESPAN,
        "it did not start within 0.5 s",
        "see what it waits for, or raise `start_timeout` in the configuration",
        kind="plugins",
        configuration='start_timeout = 0.5\nplugins = ["hangs"]',
        plugin="the lifespan of plugins 'hangs' (faulty-hangs 1.2, faulty_hangs.plugin)",
        alone=True,
    ),
    Faulty(
        "settings",
        HANDLER + SETTINGS,
        "",
        "",
        configuration='observability = [{ use = "settings", pth = "here", level = "x" }]',
        text=(
            "3 faults in the configuration:\n"
            "  - llmgine.toml: observability[0].path: it is missing; a text is wanted (observability 'settings')\n"
            "  - llmgine.toml: observability[0].level: a whole number is wanted, not 'x' (observability 'settings')\n"
            "  - llmgine.toml: observability[0].pth: unknown setting 'pth'; did you mean 'path'? "
            "(observability 'settings' takes path, level)"
        ),
    ),
)

FAULTY = (*IMPORTS, *HOOKS, *RESULTS)
OTHER = PluginWheel("same", HANDLER, distribution="faulty-other")
# goes on when somebody writes a line
HANGING = PluginWheel("hanging-import", f"import sys\nsys.stdin.readline()\n{HANDLER}")
