"""`llmgine plugins why NAME`: why a plugin is, or is not, in the application of this folder."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Any

import attrs

from llmgine_core._discovery import PluginEntry, hidden, normalized
from llmgine_core.cli._arguments import OURS
from llmgine_core.cli._choice import Choice, complain_of_faults, origin, read_choice, rivals, shown_selection
from llmgine_core.cli._listing import complain_of_metadata
from llmgine_core.cli._naming import Selecting, absence, how_to_select, named
from llmgine_core.cli._output import painted, print_json, printable
from llmgine_core.config import Selection

__all__ = ["explain_plugin"]


@attrs.frozen(kw_only=True)
class _Answer:
    """Why one plugin is, or is not, in the application.

    Attributes:
        kind: its kind; empty where nothing of any kind is called so.
        name: its name.
        distribution: what offers it.
        verdict: `selected`, `command`, `ambiguous`, `refused`, `not_selected`, `not_installed` or `hidden`.
        what: that in a sentence.
        source: where what counts was said: its selection, or that of what is there in its place, or what refuses it.
        overrides: where weaker sources said something else.
        instead: what is selected in its place.
        select: how to select it.
        cure: what else to do.
    """

    kind: str
    name: str
    distribution: str = ""
    verdict: str
    what: str
    source: str | None = None
    overrides: tuple[str, ...] = ()
    instead: tuple[str, ...] = ()
    select: Selecting | None = None
    cure: str | None = None

    @property
    def is_there(self) -> bool:
        """Whether it is in the application, or can be called."""
        return self.verdict in {"selected", "command"}


def explain_plugin(parsed: argparse.Namespace) -> int:
    """Say of everything that the name may mean why it is there or not.

    Returns:
        The exit code: 0 if any of it is in the application, else 1.
    """
    choice = read_choice()
    answers = list(_answers(parsed.name, parsed.kind, choice))
    if parsed.json:
        print_json([{**attrs.asdict(answer), "selected": answer.is_there} for answer in answers])
    else:
        for answer in answers:
            print("\n".join(_lines(answer)))
    complain_of_faults(choice)
    if any(answer.verdict in {"not_installed", "hidden"} for answer in answers):
        complain_of_metadata()
    return 0 if any(answer.is_there for answer in answers) else 1


def _answers(name: str, kind: str | None, choice: Choice) -> Iterator[_Answer]:
    selections = [s for s in choice.all() if kind in (None, s.kind) and _is_called(s, name)]
    entries = dict.fromkeys(named(name, kind))
    found = False
    for selection in selections:
        meant = _meant(selection, choice)
        entries.update(dict.fromkeys(meant))
        if not meant:
            found = True
            yield _of_selection(selection, choice)
    for entry in entries:
        yield _of_entry(entry, choice)
    covered = _of_hidden(name, kind)
    yield from covered
    if not (found or entries or covered):
        yield _Answer(kind=kind or "", name=name, verdict="not_installed", what=absence(name, kind))


def _is_called(selection: Selection, name: str) -> bool:
    return name in (selection.name, selection.use, selection.use.partition("@")[0])


def _meant(selection: Selection, choice: Choice) -> list[PluginEntry]:
    base = selection.use.partition("@")[0]
    return [entry for entry in named(base, selection.kind) if selection in choice.meaning(entry)]


# ── what is selected but not installed ───────────────────────────────────────────────────────────────────────────────


def _of_selection(selection: Selection, choice: Choice) -> _Answer:
    source, overrides = origin(choice, selection)
    is_module = ":" in selection.use
    if is_module:
        entry = PluginEntry(selection.kind, selection.use, selection.use)
        refusal = choice.refusal(entry)
        verdict = "refused" if refusal else "selected"
        what = f"{selection.kind} {selection.use!r} is named by its module, as {selection.name!r}"
        what = f"{what}, but refused: {refusal}" if refusal else what
    else:
        verdict = "not_installed"
        selected = f"{selection.kind} {selection.use!r} is selected, as {selection.name!r}"
        what = f"{selected}, but {absence(selection.use, selection.kind)}"
    return _Answer(
        kind=selection.kind,
        name=selection.use,
        verdict=verdict,
        what=what,
        source=source,
        overrides=overrides,
        cure="the start goes on without it" if source == "default" and not is_module else None,
    )


# ── what is installed ────────────────────────────────────────────────────────────────────────────────────────────────


def _of_entry(entry: PluginEntry, choice: Choice) -> _Answer:
    if entry.kind == "commands":
        return _of_command(entry)
    selections, refusal = choice.meaning(entry), choice.refusal(entry)
    if selections and choice.is_ambiguous(entry):
        return _ambiguous(entry, choice, selections[0])
    if refusal:
        return _refused(entry, choice, refusal)
    if not selections:
        return _not_selected(entry, choice)
    source, overrides = origin(choice, selections[0])
    names = " and as ".join(repr(s.name) for s in selections)
    what = f"{entry} is selected, as {names}"
    return _answer(entry, "selected", what, source=source, overrides=overrides)


def _answer(entry: PluginEntry, verdict: str, what: str, **facts: Any) -> _Answer:
    return _Answer(
        kind=entry.kind, name=entry.name, distribution=entry.distribution, verdict=verdict, what=what, **facts
    )


def _of_command(entry: PluginEntry) -> _Answer:
    called = f"{entry.name}@{entry.distribution}" if rivals(entry) or entry.name in OURS else entry.name
    if called == entry.name:
        return _answer(entry, "command", f"{entry} is a subcommand: `llmgine {called}` imports and runs it")
    what = f"{entry} is a subcommand whose name alone means another, or several"
    return _answer(entry, "ambiguous", what, cure=f"call it with `llmgine {called}`")


def _ambiguous(entry: PluginEntry, choice: Choice, selection: Selection) -> _Answer:
    others = " and ".join(e.distribution for e in rivals(entry))
    what = f"{entry} is selected by its name alone, which {others} offers too, so that the start refuses it"
    source, overrides = origin(choice, selection)
    select = how_to_select(entry, choice)
    return _answer(entry, "ambiguous", what, source=source, overrides=overrides, select=select)


def _refused(entry: PluginEntry, choice: Choice, refusal: str) -> _Answer:
    key = "deny" if refusal.startswith("deny") else "allow"
    value = choice.value(key)
    is_selected = "selected, but refused" if choice.meaning(entry) else "installed, not selected, and would be refused"
    cure = f"change `{key}`, or select another plugin"
    where = value.where if value else None
    overrides = value.overrides if value else ()
    what = f"{entry} is {is_selected}: {refusal}"
    return _answer(entry, "refused", what, source=where, overrides=overrides, cure=cure)


def _not_selected(entry: PluginEntry, choice: Choice) -> _Answer:
    others = choice.of_kind(entry.kind)
    source, overrides = origin(choice, others[0]) if others else (None, ())
    off = choice.value(entry.kind)
    if not others and off is not None:  # there shall be none
        source, overrides = off.where, off.overrides
    return _answer(
        entry,
        "not_selected",
        f"{entry} is installed, but not selected",
        source=source,
        overrides=overrides,
        instead=tuple(map(shown_selection, others)),
        select=how_to_select(entry, choice),
    )


def _of_hidden(name: str, kind: str | None) -> list[_Answer]:
    base, _, distribution = name.partition("@")
    found: list[_Answer] = []
    for entry, path in ((each.entry, each.path) for each in hidden() if each.entry.name == base):
        if kind in (None, entry.kind) and normalized(distribution) in ("", normalized(entry.distribution)):
            what = f"{entry} in {path} is hidden: another {entry.distribution} comes before it on the path"
            found.append(_answer(entry, "hidden", what, cure=f"uninstall one of the two {entry.distribution}"))
    return found


# ── text ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _lines(answer: _Answer) -> Iterator[str]:
    yield painted(printable(answer.what), "green" if answer.is_there else "yellow")
    instead = ", ".join(answer.instead)
    if answer.verdict == "not_selected":
        instead = instead or "nothing of its kind"
    facts = {"instead": instead, "by": answer.source, "over": ", ".join(answer.overrides)}
    if answer.select:
        facts |= {"to select it": answer.select.toml, "or": answer.select.variable}
    facts["cure"] = answer.cure
    for title, value in facts.items():
        if value:
            yield f"  {painted(f'{title}:', 'dim')} {printable(value)}"
