"""From what the sources say to what is selected: which source counts for which value."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from llmgine_core.config._environment import SOURCE as ENVIRONMENT
from llmgine_core.config._environment import same_name
from llmgine_core.config._model import Selection, Value
from llmgine_core.config._statements import Leaf, Said, Statement, Tree
from llmgine_core.config._text import Text, conceal, mask, resolve

__all__ = ["Selector"]

_NEAR = 0.8


@attrs.frozen
class _Stated:
    """A statement and the source that it comes from."""

    statement: Statement
    source: str


class Selector:
    """Selects plugins from what the sources say.

    Args:
        layers: what the sources say, strongest first.
        environment: variables, for references.
        faults: where faults are noted.

    Attributes:
        values: every value of what was selected and where it was said.
    """

    def __init__(self, layers: Sequence[Said], environment: Mapping[str, str], faults: list[str]) -> None:
        self._layers, self._environment, self._faults = layers, environment, faults
        self._spoken_for: set[Statement] = set()
        self._names: dict[str, list[str]] = {}
        self.values: list[Value] = []

    def one(self, kind: str) -> Selection | None:
        """The one instance of a kind."""
        stated = self._stated(kind)
        winner = self._winner(stated)
        if winner is None:
            return None
        if winner.statement.off:
            self._spoken_for.update(s.statement for s in stated)
            self._note(kind, False, winner, stated)
            return None
        self._note(kind, _shown(winner.statement), winner, stated)
        return self._selection(kind, kind, winner, stated)

    def models(self) -> dict[str, Selection]:
        """The models, by name."""
        by_name: dict[str, list[_Stated]] = {}
        for said in self._layers:
            if said.source != ENVIRONMENT:
                self._refuse_likeness("llm", said.source, [s.called for s in said.statements.get("llm", ())])
        for each in self._stated("llm"):
            by_name.setdefault(same_name(each.statement.called), []).append(each)
        found: dict[str, Selection] = {}
        for stated in by_name.values():
            winner = self._winner(stated)
            if winner is not None:
                name = winner.statement.called
                self._note(f"llm.{name}", _shown(winner.statement), winner, stated)
                found[name] = self._selection("llm", f"llm.{name}", winner, stated)
        return found

    def many(self, kind: str) -> tuple[Selection, ...]:
        """The instances of a kind of which there may be several, in the order of the strongest source's list."""
        stated = self._stated(kind)
        listing = [said for said in self._layers if kind in said.selects]
        source = next((said.source for said in listing), "")
        chosen = [s for s in stated if s.source == source and s.statement.selects]
        names = [s.statement.called for s in chosen]
        self._refuse_likeness(kind, source, names)
        if chosen:
            others = [s for s in stated if s.statement.selects and s.source != source]
            self._note(kind, names, chosen[0], [chosen[0], *{s.source: s for s in others}.values()], of_list=True)
        beside = [s for s in stated if s not in chosen]
        found: list[Selection] = []
        for winner in chosen:
            called = same_name(winner.statement.called)
            own = [s for s in stated if s is winner or (s in beside and same_name(s.statement.called) == called)]
            found.append(self._selection(kind, f"{kind}.{winner.statement.called}", winner, own))
        return tuple(found)

    def unheard(self) -> tuple[list[str], list[str]]:
        """Variables that set nothing: the faults, and those with which nothing is wrong."""
        faults: list[str] = []
        notes: list[str] = []
        for said in self._layers:
            for kind, statements in said.statements.items() if said.source == ENVIRONMENT else ():
                for statement in statements:
                    if not statement.selects and statement not in self._spoken_for:
                        self._tell_unheard(kind, statement, faults, notes)
        return faults, notes

    def _tell_unheard(self, kind: str, statement: Statement, faults: list[str], notes: list[str]) -> None:
        names = self._names.get(kind, [])
        near = difflib.get_close_matches(statement.name, map(same_name, names), n=1, cutoff=_NEAR)
        asked = f"{kind} {statement.name!r}" if statement.name else kind
        hint = f"; did you mean {near[0]!r}?" if near else ""
        (faults if near else notes).append(f"{statement.where} sets nothing: no {asked} is selected{hint}")

    # ── who counts ───────────────────────────────────────────────────────────────────────────────────────────────────

    def _stated(self, kind: str) -> list[_Stated]:
        """What is said of a kind, strongest first; fallbacks count only where nothing else selects."""
        said = [(layer, s) for layer in self._layers for s in layer.statements.get(kind, ())]
        is_selected = any(s.selects for layer, s in said if not layer.fallback)
        return [_Stated(s, layer.source) for layer, s in said if not (layer.fallback and is_selected)]

    def _refuse_likeness(self, kind: str, source: str, names: Sequence[str]) -> None:
        """Refuse two instances of one source that a variable could not tell apart."""
        by_spelling: dict[str, list[str]] = {}
        for name in names:
            by_spelling.setdefault(same_name(name), []).append(name)
        for alike in sorted(each for each in by_spelling.values() if len(each) > 1):
            called = " and ".join(map(repr, dict.fromkeys(alike)))
            why = "" if len({*alike}) == 1 else ", which variables cannot tell apart"
            self._faults.append(f"{source}: {kind} has two instances called {called}{why}; name one with `as`")

    def _winner(self, stated: Sequence[_Stated]) -> _Stated | None:
        winner = next((s for s in stated if s.statement.selects), None)
        if winner is None:  # variables alone may speak of what is not selected
            self._faults += [
                f"{s.statement.where} names no plugin; say which with `use`" for s in stated if s.source != ENVIRONMENT
            ]
            self._spoken_for.update(s.statement for s in stated if any(t.source != ENVIRONMENT for t in stated))
        return winner

    def _note(self, key: str, value: Any, winner: _Stated, stated: Sequence[_Stated], *, of_list: bool = False) -> None:
        wheres = [s.statement.where for s in stated if s is not winner and s.statement.selects]
        where = winner.statement.where
        if of_list:
            where, wheres = where.partition("[")[0], [w.partition("[")[0] for w in wheres]
        self.values.append(Value(key=key, value=value, where=where, overrides=tuple(wheres)))

    # ── settings ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def _selection(self, kind: str, key: str, winner: _Stated, stated: Sequence[_Stated]) -> Selection:
        """The instance that a statement selects, with the settings of all that speak of it."""
        chosen = winner.statement
        self._names.setdefault(kind, []).append(chosen.called)
        self._spoken_for.update(s.statement for s in stated)
        if chosen.instance is not None:
            self._faults += [
                f"{s.statement.where} sets nothing: the constructor was given a ready object"
                for s in stated
                if s.source == ENVIRONMENT and not s.statement.selects
            ]
            return Selection(kind=kind, name=chosen.called, instance=chosen.instance, source=winner.source)
        merged: Tree = {}
        overrides: dict[str, list[str]] = {}
        for each in stated:
            if each.statement.use.partition("@")[0] in ("", chosen.use.partition("@")[0]):
                _merge(merged, each.statement.settings, overrides)
        # A variable's name is no prefix of those that say the plugin's settings.
        origins: dict[tuple[str, ...], str] = {} if winner.source == ENVIRONMENT else {(): chosen.where}
        settings = self._settled(merged, (), origins)
        self._tell_values(key, merged, overrides)
        return Selection(
            kind=kind, name=chosen.called, use=chosen.use, settings=settings, source=winner.source, origins=origins
        )

    def _settled(self, tree: Tree, path: tuple[str, ...], origins: dict[tuple[str, ...], str]) -> dict[str, Any]:
        """The tree's plain values, references resolved; where each was said is put into `origins`."""
        settings: dict[str, Any] = {}
        for name, value in tree.items():
            inner = (*path, name)
            if isinstance(value, Leaf):
                origins[inner] = value.where
                settings[name] = conceal(name, self._resolved(value))
            else:
                settings[name] = self._settled(value, inner, origins)
        return settings

    def _resolved(self, leaf: Leaf) -> Any:
        def missing(name: str) -> None:
            self._faults.append(f"{leaf.where}: the environment variable {name!r} is not set")

        return leaf.value if isinstance(leaf.value, Text) else resolve(leaf.value, self._environment, missing)

    def _tell_values(self, key: str, tree: Tree, overrides: Mapping[str, Sequence[str]]) -> None:
        for name, value in tree.items():
            path = f"{key}.{name}"
            if isinstance(value, Leaf):
                weaker = tuple(overrides.get(value.where, ()))
                self.values.append(Value(key=path, value=mask(name, value.value), where=value.where, overrides=weaker))
            else:
                self._tell_values(path, value, overrides)


def _shown(statement: Statement) -> str:
    if statement.instance is None:
        return statement.use
    return f"a ready {type(statement.instance).__name__}"


def _merge(stronger: Tree, weaker: Tree, overrides: dict[str, list[str]]) -> None:
    """Add what only the weaker says; note what it says in vain, by where the stronger said it."""
    for name, value in weaker.items():
        kept = stronger.setdefault(name, {} if isinstance(value, dict) else value)
        if isinstance(kept, dict) and isinstance(value, dict):
            _merge(kept, value, overrides)
        elif kept is not value:
            told = [leaf.where for leaf in _leaves(value)]
            for leaf in _leaves(kept):
                overrides.setdefault(leaf.where, []).extend(told)


def _leaves(value: Tree | Leaf) -> list[Leaf]:
    return [value] if isinstance(value, Leaf) else [leaf for each in value.values() for leaf in _leaves(each)]
