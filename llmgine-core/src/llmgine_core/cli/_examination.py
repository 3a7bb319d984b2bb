"""What `llmgine doctor` does with a plugin, or with the whole application, in a child process.

`python -m llmgine_core.cli._examination plugin TIMEOUT NUMBER [FILE]` takes the plugin of that number among the
selections, `… probe TIMEOUT [FILE]` the application. Each step is told by a line on what was standard output when the
process started.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO, cast

import anyio
import attrs

from llmgine_core._bus import MessageBus
from llmgine_core._discovery import find_entry
from llmgine_core._importing import import_target
from llmgine_core._permission import check_allowed
from llmgine_core._plugins import Plugin
from llmgine_core.bootstrap import ApplicationBootstrap
from llmgine_core.cli._report import READY, Step, dumped
from llmgine_core.config import Config, Selection, hide, read_config
from llmgine_core.errors import LlmgineError

__all__: list[str] = []

_APPLICATION = "doctor"
# Of a step's time: when to say where it hangs, so that it is said before the process is killed.
_LATE = 0.8


class _FailedError(Exception):
    """A step failed, which has been told; the ones behind it cannot be taken."""


class _Telling:
    """Tells of steps, without the secrets of these settings."""

    def __init__(self, stream: TextIO, secrets: Any) -> None:
        self._stream, self._secrets = stream, secrets

    @contextmanager
    def step(self, name: str) -> Generator[dict[str, Any]]:
        """Take a step inside; what is put into the dict is told with it."""
        facts: dict[str, Any] = {}
        began, error = time.perf_counter(), ""
        try:
            yield facts
        except Exception as raised:
            error = hide(_sentence(raised), self._secrets)
        seconds = time.perf_counter() - began
        ok = not error and facts.pop("ok", True)
        self._stream.write(dumped(Step(step=name, ok=ok, seconds=seconds, error=error, facts=facts)) + "\n")
        self._stream.flush()
        if error:
            raise _FailedError


def _sentence(error: Exception) -> str:
    if isinstance(error, LlmgineError):
        return str(error)
    if isinstance(error, ExceptionGroup):
        return "\n".join(map(_sentence, cast("ExceptionGroup[Exception]", error).exceptions))
    return f"{type(error).__name__}: {error}"


def examine_plugin(selection: Selection, config: Config, telling: _Telling, seconds: float) -> None:
    """Import, check and build one selected plugin; what it builds is not started.

    Args:
        selection: the plugin.
        config: where it is selected.
        telling: what tells of the steps.
        seconds: after how long the log says where it hangs.
    """
    with telling.step("import"):
        entry = find_entry(selection.kind, selection.use)
        check_allowed(entry, config)
        module = import_target(entry, seconds=seconds)
    with telling.step("register"):
        plugin = Plugin(selection, entry, module, start_timeout=seconds)
        plugin.verify()
    with telling.step("settings"):
        plugin.settings()
    with telling.step("build"):
        _build(plugin)


def _build(plugin: Plugin) -> None:
    kind = plugin.selection.kind
    bus = None if kind == "bus" else MessageBus()
    if kind != "plugins":
        plugin.build(application=_APPLICATION, bus=bus)
        return
    plugin.call("llmgine_register_tools")
    if plugin.implements("llmgine_create_redactor"):
        plugin.build(hook="llmgine_create_redactor", application=_APPLICATION, bus=bus)


async def probe(file: str | None, telling: _Telling) -> None:
    """Start the application, ask how it is, and stop it."""
    bootstrap = ApplicationBootstrap(_APPLICATION, config=file)
    with telling.step("start"):
        app = await bootstrap.__aenter__()
    try:
        with telling.step("health") as facts:
            facts.update(attrs.asdict(app.health()))
    finally:
        with telling.step("stop"):
            await bootstrap.__aexit__(None, None, None)


def main(arguments: Sequence[str]) -> None:
    """Do what the arguments say."""
    stream = _taken_standard_output()
    if sys.path[:1] != [str(Path.cwd())]:
        sys.path.insert(0, str(Path.cwd()))  # as `llmgine run` does
    what, timeout, *rest = arguments
    number = int(rest.pop(0)) if what == "plugin" else 0
    file = rest[0] if rest else None
    config, _ = read_config({}, file=file)
    assert config is not None  # else nobody would have asked for this
    settings = [dict(selection.settings) for selection in config.selections()]
    telling = _Telling(stream, settings)
    with telling.step(READY):
        pass  # so much has been loaded
    try:
        if what == "plugin":
            examine_plugin(config.selections()[number], config, telling, float(timeout) * _LATE)
        else:
            anyio.run(probe, file, telling)
    except _FailedError:
        sys.exit(1)


def _taken_standard_output() -> TextIO:
    """Standard output, for ourselves alone: what plugins print goes to standard error."""
    own = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return own


if __name__ == "__main__":
    main(sys.argv[1:])
