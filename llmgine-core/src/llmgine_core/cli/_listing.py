"""`llmgine plugins list`: what is installed, and what of it is selected."""

from __future__ import annotations

import argparse

import attrs

from llmgine_core._discovery import PluginEntry, installed, unreadable
from llmgine_core.cli._choice import Choice, complain_of_faults, read_choice, rivals
from llmgine_core.cli._output import complain, print_json, print_table

__all__ = ["complain_of_metadata", "list_plugins"]


def list_plugins(parsed: argparse.Namespace) -> int:
    """List them; faults of the configuration are no reason not to.

    Returns:
        The exit code, 0.
    """
    choice, entries = read_choice(), installed(parsed.kind)
    if parsed.json:
        print_json([_described(entry, choice) for entry in entries])
    else:
        header = ("KIND", "NAME", "DISTRIBUTION", "VERSION", "SELECTED", "TARGET")
        print_table(header, [_row(entry, choice) for entry in entries], {4: "green", 5: "dim"})
    complain_of_faults(choice)
    complain_of_metadata()
    return 0


def complain_of_metadata() -> None:
    """Name on standard error the distributions whose metadata cannot be read, for they may offer what is missed."""
    for distribution in unreadable():
        complain(f"plugins: the metadata cannot be read of {distribution}")


def _described(entry: PluginEntry, choice: Choice) -> dict[str, object]:
    return {
        **attrs.asdict(entry),
        "selected": [s.name for s in choice.meaning(entry)],
        "ambiguous": bool(rivals(entry)),
        "refused": choice.refusal(entry) or None,
    }


def _row(entry: PluginEntry, choice: Choice) -> tuple[str, ...]:
    # an ambiguous name is shown as it must be selected
    name = f"{entry.name}@{entry.distribution}" if rivals(entry) else entry.name
    return (entry.kind, name, entry.distribution, entry.version, _mark(entry, choice), entry.target)


def _mark(entry: PluginEntry, choice: Choice) -> str:
    selections = choice.meaning(entry)
    if not selections:
        return ""
    if choice.is_ambiguous(entry):
        return "ambiguous"
    if choice.refusal(entry):
        return "refused"
    names = [s.name for s in selections]
    return "yes" if names == [entry.name] else ", ".join(names)
