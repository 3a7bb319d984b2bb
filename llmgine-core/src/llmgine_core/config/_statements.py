"""What one source says: of plugins, a list of statements; of everything else, options."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import attrs

from llmgine_core.config._faults import Faults
from llmgine_core.config._model import KEYS, MANY, ONE

__all__ = ["Layer", "Leaf", "Said", "Statement", "Tree", "read_layer"]

Tree = dict[str, "Tree | Leaf"]
"""Settings, table in table; the leaves know where they were said."""


@attrs.frozen
class Leaf:
    """One value and where it was said."""

    value: Any
    where: str


@attrs.frozen(kw_only=True, eq=False)
class Statement:
    """What one source says of one plugin instance.

    Attributes:
        name: the instance's name; empty where only the plugin's name tells it.
        use: the plugin; empty where settings alone are said, or a ready object is given.
        settings: the settings.
        instance: a ready object.
        off: whether it says that there shall be none of the kind.
        where: the source and the key there.
    """

    name: str = ""
    use: str = ""
    settings: Tree = attrs.field(factory=dict[str, "Tree | Leaf"])
    instance: Any = None
    off: bool = False
    where: str

    @property
    def selects(self) -> bool:
        """Whether it says which plugin it shall be, or that there shall be none."""
        return bool(self.use) or self.instance is not None or self.off

    @property
    def called(self) -> str:
        """The instance's name."""
        if self.instance is not None:
            return self.name or type(self.instance).__name__
        return self.name or self.use.partition("@")[0]


@attrs.frozen(kw_only=True)
class Said:
    """All that one source says.

    Attributes:
        source: the source.
        fallback: whether it counts only where no other says anything of the key.
        statements: of plugins, by kind, in order.
        options: of everything else, by key.
        selects: the kinds whose key it has.
    """

    source: str
    fallback: bool = False
    statements: dict[str, list[Statement]] = attrs.field(factory=dict[str, list[Statement]])
    options: dict[str, Leaf] = attrs.field(factory=dict[str, Leaf])
    selects: set[str] = attrs.field(factory=set[str])


@attrs.frozen(kw_only=True)
class Layer:
    """A source of keys and values.

    Attributes:
        source: the source, as messages name it.
        values: what it says, by key.
        prefix: what stands before each key there.
        code: whether it is the constructor, which may give ready objects.
        fallback: see `Said`.
    """

    source: str
    values: Mapping[str, Any]
    prefix: str = ""
    code: bool = False
    fallback: bool = False

    def where(self, key: str) -> str:
        """The source and the key there."""
        return self.source if self.fallback else f"{self.source}: {self.prefix}{key}"


def read_layer(layer: Layer, faults: Faults) -> Said:
    """Read what a source says, noting every fault."""
    said = Said(source=layer.source, fallback=layer.fallback)
    reader = _Reader(layer, faults)
    for key, value in layer.values.items():
        if key not in KEYS:
            inside = f" [{layer.prefix.rstrip('.')}]" if layer.prefix else ""
            faults.add_unknown_key(f"{layer.source}{inside}", str(key), KEYS)
        elif key in ONE:
            said.statements[key] = reader.one(key, value)
        elif key == "llm":
            said.statements[key] = reader.models(value)
        elif key in MANY:
            said.statements[key] = reader.many(key, value)
            said.selects.add(key)
        else:
            said.options[key] = Leaf(value, layer.where(key))
    said.selects.update(kind for kind, found in said.statements.items() if found)
    return said


class _Reader:
    """Reads what a source says of plugins: a name, a pair, a table, or a ready object."""

    def __init__(self, layer: Layer, faults: Faults) -> None:
        self._layer, self._faults = layer, faults

    def one(self, key: str, value: Any) -> list[Statement]:
        statement = self._statement(key, value)
        return [] if statement is None else [statement]

    def many(self, key: str, value: Any) -> list[Statement]:
        if not isinstance(value, (list, tuple)):
            self._faults.append(f"{self._layer.where(key)} is a list, not {value!r}")
            return []
        items = cast("Sequence[Any]", value)
        read = [self._statement(f"{key}[{i}]", item, selecting=True) for i, item in enumerate(items)]
        return _told_apart([each for each in read if each is not None])

    def models(self, value: Any) -> list[Statement]:
        if not isinstance(value, Mapping) or "use" in value:
            return [s for s in [self._statement("llm", value, "default")] if s is not None]
        named = cast("Mapping[str, Any]", value)
        read = [self._statement(f"llm.{name}", each, name) for name, each in named.items()]
        return [each for each in read if each is not None]

    def _statement(self, key: str, value: Any, name: str = "", *, selecting: bool = False) -> Statement | None:
        where = self._layer.where(key)
        if value is False and key in ("context_store", "tool_manager"):
            return Statement(off=True, where=where)
        form = _form_of(value)
        is_known = form is not None and (form.instance is None or self._layer.code)
        if form is None or not is_known or (selecting and not form.use and form.instance is None):
            wanted = "a plugin's name, a pair (name, settings) or a table with `use`"
            self._faults.append(f"{where} is {wanted}, not {value!r}")
            return None
        settings = self._tree(key, form.settings)
        return Statement(name=form.name or name, use=form.use, settings=settings, instance=form.instance, where=where)

    def _tree(self, key: str, settings: Mapping[str, Any]) -> Tree:
        tree: Tree = {}
        for name, value in settings.items():
            path = f"{key}.{name}"
            if isinstance(value, Mapping) and value:
                tree[name] = self._tree(path, cast("Mapping[str, Any]", value))
            else:
                tree[name] = Leaf(value, self._layer.where(path))
        return tree


@attrs.frozen(kw_only=True)
class _Form:
    """What a value says of a plugin instance."""

    use: str = ""
    name: str = ""
    settings: Mapping[str, Any] = attrs.field(factory=dict[str, Any])
    instance: Any = None


def _form_of(value: Any) -> _Form | None:
    """What the value says, if it is a name, a pair, a table or an object; else None."""
    if isinstance(value, str):
        return _Form(use=value) if _is_name(value) else None
    if isinstance(value, (tuple, list)):
        pair: Sequence[Any] = cast("Sequence[Any]", value)
        is_pair = len(pair) == 2 and _is_name(pair[0]) and isinstance(pair[1], Mapping)
        return _Form(use=pair[0], settings=cast("Mapping[str, Any]", pair[1])) if is_pair else None
    if isinstance(value, Mapping):
        settings = dict(cast("Mapping[str, Any]", value))
        names = {word: settings.pop(word) for word in ("use", "as") if word in settings}
        good = all(map(_is_name, names.values()))
        return _Form(use=names.get("use", ""), name=names.get("as", ""), settings=settings) if good else None
    is_object = value is not None and not isinstance(value, (bool, int, float))
    return _Form(instance=value) if is_object else None


def _is_name(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip("@ "))


def _told_apart(statements: list[Statement]) -> list[Statement]:
    """Ready objects of one class, numbered, since they cannot be given names."""
    found: list[Statement] = []
    for statement in statements:
        number = sum(type(s.instance) is type(statement.instance) for s in found if s.instance is not None)
        if statement.instance is not None and number:
            found.append(attrs.evolve(statement, name=f"{statement.called}-{number + 1}"))
        else:
            found.append(statement)
    return found
