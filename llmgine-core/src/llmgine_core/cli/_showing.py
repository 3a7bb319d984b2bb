"""`llmgine plugins show NAME`: all that is known of a plugin without importing it."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from importlib import metadata
from typing import Any

import attrs

from llmgine_core._discovery import PluginEntry
from llmgine_core.cli._choice import Choice, complain_of_faults, origin, read_choice, rivals
from llmgine_core.cli._listing import complain_of_metadata
from llmgine_core.cli._naming import absence, how_to_select, named
from llmgine_core.cli._output import complain, painted, print_json, printable
from llmgine_core.hookspecs import API_VERSION, KINDS

__all__ = ["show_plugin"]

_MARGIN = len("distribution  ")


def show_plugin(parsed: argparse.Namespace) -> int:
    """Show every plugin of that name.

    Returns:
        The exit code: 0, or 1 if there is none.
    """
    choice = read_choice()
    found = [_described(entry, choice) for entry in named(parsed.name, parsed.kind)]
    if parsed.json:
        print_json(found)
    else:
        print("\n\n".join("\n".join(_lines(each)) for each in found), end="\n" if found else "")
    complain_of_faults(choice)
    if not found:
        complain(f"plugins show: {absence(parsed.name, parsed.kind)}")
        complain_of_metadata()
    return 0 if found else 1


def _described(entry: PluginEntry, choice: Choice) -> dict[str, Any]:
    """All that is known, by the keys of `--json`."""
    selecting = how_to_select(entry, choice)
    return {
        **attrs.asdict(entry),
        **_of_distribution(entry),
        "api": _api(entry.kind),
        "ambiguous_with": [e.distribution for e in rivals(entry)],
        "selected": [_selected(choice, selection) for selection in choice.meaning(entry)],
        "refused": choice.refusal(entry) or None,
        "select": attrs.asdict(selecting) if selecting else None,
    }


def _selected(choice: Choice, selection: Any) -> dict[str, Any]:
    source, overrides = origin(choice, selection)
    return {"name": selection.name, "source": source, "overrides": list(overrides)}


def _api(kind: str) -> str:
    if kind not in KINDS:
        return "main(argv: list[str]) -> int | None"
    return f"{KINDS[kind].factory or 'any of the hooks'}, API version {API_VERSION}"


# ── the distribution ─────────────────────────────────────────────────────────────────────────────────────────────────


def _of_distribution(entry: PluginEntry) -> dict[str, Any]:
    try:
        distribution = _distribution(entry)
        fields = distribution.metadata
        path = str(distribution.locate_file(""))
    except Exception as error:  # metadata may be broken in every way, which keeps nobody from seeing the rest
        return {"metadata": f"cannot be read: {type(error).__name__}: {error}"}

    def of(*names: str) -> list[str]:
        return [str(value) for name in names for value in fields.get_all(name) or ()]

    return {
        "summary": next(iter(of("Summary")), None),
        "urls": of("Home-page", "Project-URL"),
        "license": next(iter(of("License-Expression", "License")), None),
        "requires": of("Requires-Dist"),
        "path": path,
    }


def _distribution(entry: PluginEntry) -> metadata.Distribution:
    """The distribution that offers an entry: not one of its name that is hidden, or broken."""
    for distribution in metadata.distributions(name=entry.distribution):
        if distribution.metadata.get_all("Version") == [entry.version]:
            return distribution
    raise metadata.PackageNotFoundError(entry.distribution)


# ── text ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _lines(found: Mapping[str, Any]) -> Iterator[str]:
    name = f"{found['name']}@{found['distribution']}" if found["ambiguous_with"] else found["name"]
    yield painted(printable(f"{found['kind']} {name}"), "bold")
    for title, values in _facts(found):
        for number, value in enumerate(values):
            margin = " " * _MARGIN if number else painted(title, "dim") + " " * (_MARGIN - len(title))
            yield f"  {margin}{printable(value)}"


def _facts(found: Mapping[str, Any]) -> Iterator[tuple[str, list[str]]]:
    """What is said of it, title by title; titles of which nothing is known are left out."""
    yield "distribution", [f"{found['distribution']} {found['version']}"]
    for title in ("metadata", "summary", "urls", "license", "requires", "path", "target", "api"):
        value: str | list[str] = found.get(title) or []
        # old licence fields hold whole texts
        yield title, [value.splitlines()[0]] if isinstance(value, str) else value
    yield "ambiguous", [f"{other} offers it too" for other in found["ambiguous_with"]]
    yield "selected", [_said(each) for each in found["selected"]] or ["no"] * (found["select"] is not None)
    yield "refused", [found["refused"]] if found["refused"] else []
    if found["select"] and (found["ambiguous_with"] or not found["selected"]):
        yield "to select it", [value for value in found["select"].values() if value]


def _said(selected: Mapping[str, Any]) -> str:
    over = f", over {' and '.join(selected['overrides'])}" if selected["overrides"] else ""
    return f"as {selected['name']!r}, by {selected['source']}{over}"
