"""`llmgine doctor`: is everything fit that the configuration of this folder selects?"""

from __future__ import annotations

import argparse
import platform
from collections.abc import Iterator, Sequence
from typing import Any

import attrs

from llmgine_core._discovery import find_entry, installed, unreadable
from llmgine_core.cli._child import steps_of
from llmgine_core.cli._choice import Choice, read_choice
from llmgine_core.cli._output import indented, painted, print_json, printable
from llmgine_core.cli._report import PLUGIN_STEPS, PROBE_STEPS, Step
from llmgine_core.config import Selection, hide
from llmgine_core.errors import PluginError, PluginNotFoundError

__all__ = ["examine_all"]

_OPTIONAL = ("context_store", "tool_manager")


def examine_all(parsed: argparse.Namespace) -> int:
    """Examine everything, and report it as it comes.

    Returns:
        The exit code: 0 if the configuration has no faults and every selected plugin is fit, else 1.
    """
    choice = read_choice(parsed.config)
    written = _Written(quiet=parsed.json)
    surroundings = _surroundings(choice)
    written.surroundings(surroundings)
    plugins: list[dict[str, Any]] = []
    for number, selection in enumerate(choice.all()):
        written.title(label := _label(selection))
        if _is_absent(selection):
            written.line("none", "the default is not installed, which is no fault")
            continue
        steps = list(_told(_steps_of_plugin(number, parsed), choice, written)) if choice.is_safe else []
        if not steps:
            written.line("none", "not imported, since a fault of the configuration may hide that it is denied")
        plugins.append(
            {"kind": selection.kind, "name": selection.name, "plugin": label, **_result(steps, PLUGIN_STEPS)}
        )
    is_fit = not choice.faults and all(plugin["fit"] for plugin in plugins)
    probe = _probed(parsed, choice, written, is_fit=is_fit) if parsed.probe else None
    is_fit = is_fit and (probe is None or probe["fit"])
    fit = sum(plugin["fit"] for plugin in plugins)
    summary = [f"{fit} of {len(plugins)} plugins are fit"]
    summary += [f"faults of the configuration: {len(choice.faults)}"] * bool(choice.faults)
    summary += ["the application is not"] * bool(probe and probe["steps"] and not probe["fit"])
    written.title("; ".join(summary), "green" if is_fit else "red")
    if parsed.json:
        print_json({"ok": is_fit, **surroundings, "plugins": plugins, "probe": probe})
    return 0 if is_fit else 1


def _probed(parsed: argparse.Namespace, choice: Choice, written: _Written, *, is_fit: bool) -> dict[str, Any]:
    written.title("the application")
    if not is_fit:
        written.line("none", "not started, since not everything is fit")
        return {"fit": False, "steps": []}
    arguments = ["probe", str(parsed.timeout), *([parsed.config] if parsed.config else [])]
    steps = list(_told(steps_of(arguments, PROBE_STEPS, parsed.timeout), choice, written))
    return _result(steps, PROBE_STEPS)


def _steps_of_plugin(number: int, parsed: argparse.Namespace) -> Iterator[Step]:
    arguments = ["plugin", str(parsed.timeout), str(number), *([parsed.config] if parsed.config else [])]
    return steps_of(arguments, PLUGIN_STEPS, parsed.timeout)


def _told(steps: Iterator[Step], choice: Choice, written: _Written) -> Iterator[Step]:
    """The steps, each written when it comes; what a process said last may hold secrets too."""
    secrets = [dict(selection.settings) for selection in choice.all()]
    for each in steps:
        step = attrs.evolve(each, error=hide(each.error, secrets))
        written.step(step)
        yield step


def _result(steps: Sequence[Step], expected: Sequence[str]) -> dict[str, Any]:
    fit = len(steps) == len(expected) and all(step.ok for step in steps)
    return {"fit": fit, "steps": [attrs.asdict(step) for step in steps]}


def _label(selection: Selection) -> str:
    named = f" as {selection.name!r}" if selection.use.partition("@")[0] != selection.name else ""
    try:
        return f"{find_entry(selection.kind, selection.use)}{named}"
    except PluginError:
        return f"{selection.kind} {selection.use!r}{named}"


def _is_absent(selection: Selection) -> bool:
    """Whether it is a default without which the start goes on."""
    if selection.source != "default" or selection.kind not in _OPTIONAL:
        return False
    try:
        find_entry(selection.kind, selection.use)
    except PluginNotFoundError:
        return True
    except PluginError:
        return False
    return False


def _surroundings(choice: Choice) -> dict[str, Any]:
    """What the plugins stand on, by the keys of `--json`."""
    entries = installed()
    core = (entry.version for entry in entries if entry.target == "llmgine_core._builtin")
    offers: dict[tuple[str, str], list[str]] = {}
    for entry in entries:
        offers.setdefault((entry.kind, entry.name), []).append(entry.distribution)
    return {
        "python": platform.python_version(),
        "core": next(core, None),
        "entries": len(entries),
        "unreadable": [attrs.asdict(each) for each in unreadable()],
        "ambiguous": [
            {"kind": kind, "name": name, "distributions": distributions}
            for (kind, name), distributions in offers.items()
            if len(distributions) > 1
        ],
        "notes": list(choice.config.notes) if choice.config else [],
        "faults": list(choice.faults),
    }


# ── text ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

_COLOURS = {"ok": "green", "note": "yellow", "none": "dim", "FAIL": "red"}


class _Written:
    """Writes what is found, line by line; nothing where JSON is wanted."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet

    def line(self, mark: str, text: str, margin: str = "  ") -> None:
        """A finding: `ok`, `note`, `none` or `FAIL`; further lines of it are indented."""
        first, _, more = text.partition("\n")
        self._write(f"{margin}{painted(mark, _COLOURS[mark])}{' ' * (6 - len(mark))}{printable(first)}")
        if more:
            self._write(indented(more, f"{margin}      "))

    def title(self, text: str, colour: str = "bold") -> None:
        """What the next lines are about, or the end."""
        self._write(painted(printable(text), colour))

    def step(self, step: Step) -> None:
        """How a step went."""
        self.line("ok" if step.ok else "FAIL", f"{step.step:<9}{step.seconds * 1000:7.0f} ms")
        error = step.error
        if not step.ok and not error:
            checks: dict[str, Any] = step.facts.get("checks", {})
            error = "\n".join(f"{name}: {check}" for name, check in checks.items() if not check.get("ok"))
        if error:
            self._write(indented(error, " " * 10))

    def surroundings(self, found: dict[str, Any]) -> None:
        """What the plugins stand on."""
        core = found["core"] or "whose metadata cannot be read"
        self.line("ok", f"Python {found['python']}, llmgine-core {core}", "")
        self.line("ok", f"plugins and subcommands installed: {found['entries']}", "")
        for each in found["unreadable"]:
            self.line("note", f"the metadata cannot be read of {each['path']}: {each['reason']}", "")
        for each in found["ambiguous"]:
            names = " and ".join(each["distributions"])
            self.line("note", f"{each['kind']} {each['name']!r} is offered by {names}; name@distribution means one", "")
        for note in found["notes"]:
            self.line("note", note, "")
        for fault in found["faults"]:
            self.line("FAIL", f"configuration: {fault}", "")
        if not found["faults"]:
            self.line("ok", "the configuration has no faults", "")

    def _write(self, text: str) -> None:
        if not self._quiet:
            print(text, flush=True)
