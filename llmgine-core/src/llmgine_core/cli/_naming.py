"""What a name given to the command may mean: entries, near misses, what to install; and how an entry is selected."""

from __future__ import annotations

import difflib
import json

import attrs

from llmgine_core._discovery import PluginEntry, find_entry, installed, normalized
from llmgine_core.cli._choice import Choice, rivals
from llmgine_core.config import Selection
from llmgine_core.errors import PluginError, PluginNotFoundError
from llmgine_core.hookspecs import KINDS

__all__ = ["Selecting", "absence", "how_to_select", "named"]

_LISTS = ("observability", "plugins")


def named(name: str, kind: str | None) -> tuple[PluginEntry, ...]:
    """The entries called `name`, or `name@distribution`."""
    base, _, distribution = name.partition("@")
    wanted = normalized(distribution)
    return tuple(e for e in installed(kind) if e.name == base and wanted in ("", normalized(e.distribution)))


def absence(name: str, kind: str | None) -> str:
    """That nothing installed is called so, with what is near, and what to install."""
    base = name.partition("@")[0]
    known = sorted({entry.name for entry in installed(kind)})
    # also what differs by its distribution only
    offering = [f"{e.name}@{e.distribution}" for e in installed(kind) if e.name == base]
    near = offering or difflib.get_close_matches(base, known, n=2)
    hint = f"; did you mean {' or '.join(near)}?" if near else ""
    packages = dict.fromkeys(filter(None, (_package(each, base) for each in ([kind] if kind else KINDS))))
    cure = f"; install it with: pip install {' or '.join(packages)}" if packages and not offering else ""
    return f"{kind or 'plugin'} {name!r} is not installed{hint}{cure}"


def _package(kind: str, name: str) -> str | None:
    try:
        find_entry(kind, name)
    except PluginNotFoundError as error:
        return error.package
    except PluginError:
        return None
    return None


@attrs.frozen
class Selecting:
    """What to write so that an entry is selected.

    Attributes:
        toml: a line of `llmgine.toml`.
        variable: the same as an environment variable; None where a variable cannot say it.
    """

    toml: str
    variable: str | None


def how_to_select(entry: PluginEntry, choice: Choice) -> Selecting | None:
    """What to write so that it is selected, beside what is selected already; None for subcommands, which are called."""
    if entry.kind not in KINDS:
        return None
    name = f"{entry.name}@{entry.distribution}" if rivals(entry) else entry.name
    variable = f"LLMGINE_{entry.kind.upper()}"
    if entry.kind not in _LISTS:
        return Selecting(f"{entry.kind} = {json.dumps(name)}", f"{variable}={name}")
    others = [s for s in choice.of_kind(entry.kind) if s not in choice.meaning(entry)]
    items = ", ".join([*map(_item, others), json.dumps(name)])
    variables = ",".join([*(s.use for s in others), name])
    return Selecting(f"{entry.kind} = [{items}]", f"{variable}={variables}" if all(map(_is_plain, others)) else None)


def _is_plain(selection: Selection) -> bool:
    """Whether its plugin's name says it all; settings come together from all sources."""
    return selection.use.partition("@")[0] == selection.name


def _item(selection: Selection) -> str:
    """An item of a list; its settings are left to whoever has them."""
    if _is_plain(selection) and not selection.settings:
        return json.dumps(selection.use)
    called = "" if _is_plain(selection) else f", as = {json.dumps(selection.name)}"
    settings = ", …" if selection.settings else ""
    return f"{{ use = {json.dumps(selection.use)}{called}{settings} }}"
