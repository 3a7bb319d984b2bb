"""Which plugins an application uses, and with what settings.

Sources, strongest first: the constructor's arguments, the environment (`LLMGINE_…`), `llmgine.toml`, `[tool.llmgine]`
in `pyproject.toml`, the defaults. A stronger source replaces a weaker one's whole entry; environment variables that
go deeper (`LLMGINE_LLM__DEFAULT__MODEL`) change single settings, except those that the constructor gives.
"""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import attrs

from llmgine_core.errors import ConfigError

__all__ = ["Config", "Selection", "load_config", "read_config"]

_PREFIX = "LLMGINE_"
_ONE = ("bus", "context_store", "tool_manager")
_MANY = ("observability", "plugins")
_LISTS = ("allow", "deny")
_KEYS = (*_ONE, "llm", *_MANY, *_LISTS, "content")
_CONSTRUCTOR, _DEFAULT = "the constructor", "default"
_FILE, _PROJECT_FILE = "llmgine.toml", "pyproject.toml"


@attrs.frozen(kw_only=True)
class Selection:
    """One plugin instance that was asked for.

    Attributes:
        kind: `bus`, `context_store`, `tool_manager`, `llm`, `observability` or `plugins`.
        name: what the instance is called; `use` unless another name is given.
        use: the plugin: `name`, `name@distribution` or `module:attribute`; empty for a ready object.
        settings: its settings, as they were written.
        instance: a ready object, where the constructor was given one.
        source: where this was said.
    """

    kind: str
    name: str
    use: str = ""
    settings: Mapping[str, Any] = attrs.field(factory=dict[str, Any])
    instance: Any = None
    source: str = _DEFAULT


@attrs.frozen(kw_only=True)
class Config:
    """What an application is put together from.

    Attributes:
        bus: the message bus.
        context_store: the store of histories; None for none.
        tool_manager: what makes the sessions' tool managers; None for none.
        llm: the models, by name.
        observability: the handlers, in order.
        plugins: everything else, in order.
        content: whether observability writes content in full.
        allow: distributions that may be imported; None allows all.
        deny: distributions that may not.
        start_timeout: seconds that each step of a start may take.
        stop_timeout: seconds that each step of a stop may take.
    """

    bus: Selection
    context_store: Selection | None = None
    tool_manager: Selection | None = None
    llm: Mapping[str, Selection] = attrs.field(factory=dict[str, Selection])
    observability: tuple[Selection, ...] = ()
    plugins: tuple[Selection, ...] = ()
    content: bool = False
    allow: tuple[str, ...] | None = None
    deny: tuple[str, ...] = ()
    start_timeout: float = 120.0
    stop_timeout: float = 30.0

    def selections(self) -> tuple[Selection, ...]:
        """All of them, in the order in which an application is put together."""
        single = [s for s in (self.context_store, self.tool_manager) if s is not None]
        return (*self.observability, self.bus, *single, *self.llm.values(), *self.plugins)


def load_config(
    given: Mapping[str, Any],
    *,
    defaults: Mapping[str, Any] | None = None,
    file: str | Path | Mapping[str, Any] | None = None,
    discover: bool = True,
    environment: Mapping[str, str] | None = None,
) -> Config:
    """Put the configuration together from all its sources.

    Args:
        given: what the constructor was told, by key; None means nothing.
        defaults: what counts, by key, where no source says anything of the key; stronger than the built-in defaults.
        file: a TOML file, or what one would say, in the place of `llmgine.toml`.
        discover: whether to look at the environment, at files of the working directory and at the built-in defaults;
            the bus has its default anyway.
        environment: environment variables, by default the process's.

    Raises:
        ConfigError: with every fault of every source.
    """
    config, faults = read_config(given, defaults=defaults, file=file, discover=discover, environment=environment)
    if faults or config is None:
        raise ConfigError(faults)
    return config


def read_config(
    given: Mapping[str, Any],
    *,
    defaults: Mapping[str, Any] | None = None,
    file: str | Path | Mapping[str, Any] | None = None,
    discover: bool = True,
    environment: Mapping[str, str] | None = None,
) -> tuple[Config | None, tuple[str, ...]]:
    """What could be read of the configuration, and every fault in it; the arguments are those of `load_config`.

    For those who go on to look for faults elsewhere, so that all can be told together.
    """
    faults: list[str] = []
    env = _Environment(os.environ if environment is None else environment) if discover else _Environment({})
    layers = [_Layer(_CONSTRUCTOR, {k: v for k, v in given.items() if v is not None}), env.layer]
    layers += _file_layers(file, discover, faults)
    layers += [_Layer("the application's defaults", defaults or {}), _Layer(_DEFAULT, _built_in(discover))]
    for layer in layers:
        faults += layer.unknown_keys()
    if faults:  # what a file that cannot be read, or a misspelt key, would have selected is not known
        env.doubt(*_KEYS)
    values = {key: (layer.values[key], layer.source) for layer in reversed(layers) for key in layer.values}
    config = _assemble(values, env, faults)
    faults += env.unused()
    return config, tuple(faults)


# ── sources ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@attrs.frozen
class _Layer:
    """What one source says, by key."""

    source: str
    values: Mapping[str, Any]

    def unknown_keys(self) -> list[str]:
        return [_unknown(self.source, key, _KEYS) for key in self.values if key not in _KEYS]


def _built_in(discover: bool) -> dict[str, Any]:
    return {"bus": "memory"} | ({"context_store": "memory", "tool_manager": "default"} if discover else {})


def _unknown(source: str, key: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(key, known, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    return f"{source}: unknown key {key!r}{hint}; known: {', '.join(sorted(known))}"


def _file_layers(file: str | Path | Mapping[str, Any] | None, discover: bool, faults: list[str]) -> list[_Layer]:
    layers: list[_Layer] = []
    if isinstance(file, Mapping):
        layers.append(_Layer("the configuration given", file))
    elif file is not None:
        layers.append(_Layer(str(file), _read_toml(Path(file), faults)))
    elif discover and Path(_FILE).is_file():
        layers.append(_Layer(_FILE, _read_toml(Path(_FILE), faults)))
    if discover and Path(_PROJECT_FILE).is_file():
        layers.append(_Layer(f"{_PROJECT_FILE} [tool.llmgine]", _project_table(faults)))
    return layers


def _project_table(faults: list[str]) -> dict[str, Any]:
    table, path = _read_toml(Path(_PROJECT_FILE), faults), ""
    for key in ("tool", "llmgine"):
        inner, path = table.get(key, {}), f"{path}.{key}".lstrip(".")
        if not isinstance(inner, dict):
            faults.append(f"{_PROJECT_FILE}: {path} is a table, not {inner!r}")
            return {}
        table = cast("dict[str, Any]", inner)
    return table


def _read_toml(path: Path, faults: list[str]) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        faults.append(f"{path}: there is no such file")
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        faults.append(f"{path}: cannot be read: {error}")
    return {}


class _Environment:
    """`LLMGINE_BUS=…` names plugins; `LLMGINE_BUS__KEY=…` and `LLMGINE_OBSERVABILITY__OTEL__KEY=…` change settings."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        ours = {name[len(_PREFIX) :].lower(): value for name, value in variables.items() if name.startswith(_PREFIX)}
        self._deep = {tuple(name.split("__")): value for name, value in ours.items() if "__" in name}
        self._used: set[tuple[str, ...]] = set()
        self._ready: set[tuple[str, ...]] = set()
        self._doubtful: set[str] = set()
        flat = {name: _split(name, value) for name, value in ours.items() if "__" not in name and name in _KEYS}
        self._strange = [name for name in ours if "__" not in name and name not in _KEYS]
        self.layer = _Layer("the environment", flat)

    def settings_for(self, kind: str, name: str) -> dict[str, Any]:
        """What the environment says of one instance's settings."""
        prefix = self._prefix(kind, name)
        found = {p: v for p, v in self._deep.items() if p[:-1] == prefix}
        self._used |= found.keys()
        return {path[-1]: _value(value) for path, value in found.items()}

    def no_settings_for(self, kind: str, name: str) -> None:
        """Note that this instance is a ready object, which variables cannot change."""
        self._ready.add(self._prefix(kind, name))

    def doubt(self, *kinds: str) -> None:
        """Note that a fault hides what is selected of these kinds, so their variables are not to be blamed."""
        self._doubtful |= {*kinds}

    def unused(self) -> list[str]:
        """Faults: variables that no selected instance took."""
        strange = [_unknown("the environment", f"{_PREFIX}{n.upper()}", _variables()) for n in self._strange]
        unused = sorted(path for path in self._deep if path not in self._used and path[0] not in self._doubtful)
        return strange + [f"the environment: {self._name(p)} sets nothing: {self._reason(p)}" for p in unused]

    def _reason(self, path: tuple[str, ...]) -> str:
        if path[:-1] in self._ready:
            return "the constructor was given a ready object"
        return "no such instance is selected"

    @staticmethod
    def _prefix(kind: str, name: str) -> tuple[str, ...]:
        return (kind,) if kind in _ONE else (kind, name.lower().replace("-", "_"))

    @staticmethod
    def _name(path: tuple[str, ...]) -> str:
        return _PREFIX + "__".join(path).upper()


def _variables() -> list[str]:
    return [f"{_PREFIX}{key.upper()}" for key in _KEYS]


def _split(key: str, value: str) -> Any:
    if key in _MANY or key in _LISTS:
        return [item.strip() for item in value.split(",") if item.strip()]
    return _value(value) if key == "content" else value


def _value(text: str) -> Any:
    """A number, boolean or array as TOML writes it; anything else is the text itself."""
    try:
        document = tomllib.loads(f"value = {text}")
    except tomllib.TOMLDecodeError:
        return text
    value: Any = document["value"]
    is_scalar = isinstance(value, (bool, int, float)) and "#" not in text  # `12#3` is a text, not 12 with a comment
    if len(document) == 1 and (is_scalar or isinstance(value, list)):
        return cast("Any", value)
    return text


# ── selections ───────────────────────────────────────────────────────────────────────────────────────────────────────


def _assemble(values: Mapping[str, tuple[Any, str]], env: _Environment, faults: list[str]) -> Config | None:
    reader = _Reader(env, faults)
    one = {kind: reader.one(kind, *values[kind]) for kind in _ONE if kind in values}
    llm = reader.models(*values["llm"]) if "llm" in values else {}
    many = {kind: reader.many(kind, *values[kind]) for kind in _MANY if kind in values}
    content, source = values.get("content", (False, ""))
    if not isinstance(content, bool):
        faults.append(f"{source}: content is true or false, not {content!r}")
    lists = {key: _strings(key, *values[key], faults) for key in _LISTS if key in values}
    bus = one["bus"]
    if bus is None or faults:
        return None
    return Config(
        bus=bus,
        context_store=one.get("context_store"),
        tool_manager=one.get("tool_manager"),
        llm=llm,
        observability=many.get("observability", ()),
        plugins=many.get("plugins", ()),
        content=bool(content),
        allow=lists.get("allow"),
        deny=lists.get("deny", ()),
    )


def _strings(key: str, value: Any, source: str, faults: list[str]) -> tuple[str, ...]:
    if not isinstance(value, (list, tuple)) or not all(isinstance(v, str) for v in cast("Sequence[Any]", value)):
        faults.append(f"{source}: {key} is a list of distributions, not {value!r}")
        return ()
    return tuple(cast("Sequence[str]", value))


def _parts(value: Any) -> tuple[Any, Any, Any]:
    """Name, settings and ready object, as far as they can be told from the value's form."""
    if isinstance(value, str):
        return value, {}, None
    if isinstance(value, tuple):
        pair = cast("tuple[Any, ...]", cast("object", value))
        return (pair[0], pair[1], None) if len(pair) == 2 else (None, {}, None)
    if isinstance(value, Mapping):
        return None, cast("Mapping[str, Any]", value), None
    return "", {}, value


def _told_apart(selections: Sequence[Selection | None]) -> list[Selection | None]:
    """Ready objects of one class, numbered, since they cannot be given names."""
    found: list[Selection | None] = []
    for selection in selections:
        if selection is not None and selection.instance is not None:
            number = sum(s is not None and type(s.instance) is type(selection.instance) for s in found)
            found.append(attrs.evolve(selection, name=f"{selection.name}-{number + 1}") if number else selection)
        else:
            found.append(selection)
    return found


class _Reader:
    """Reads what configuration says of plugins: a name, a pair, a table, or a ready object."""

    def __init__(self, env: _Environment, faults: list[str]) -> None:
        self._env, self._faults = env, faults

    def one(self, kind: str, value: Any, source: str, name: str | None = None) -> Selection | None:
        use, settings, instance = _parts(value)
        if isinstance(value, Mapping):
            settings = dict(settings)
            use, name = settings.pop("use", None), settings.pop("as", name)
        if instance is not None and source != _CONSTRUCTOR:  # only code can give a ready object
            use, instance = "", None
        if instance is None and (not isinstance(use, str) or not use or not isinstance(settings, Mapping)):
            self._env.doubt(kind)
            self._faults.append(
                f"{source}: {kind} is a plugin's name, a pair (name, settings) or a table with `use`, not {value!r}"
            )
            return None
        called = str(name or (use.partition("@")[0] if instance is None else type(instance).__name__))
        if instance is not None:
            self._env.no_settings_for(kind, called)
            return Selection(kind=kind, name=called, instance=instance, source=source)
        written, variables = cast("Mapping[str, Any]", settings), self._env.settings_for(kind, called)
        merged = {**variables, **written} if source == _CONSTRUCTOR else {**written, **variables}
        return Selection(kind=kind, name=called, use=use, settings=merged, source=source)

    def many(self, kind: str, value: Any, source: str) -> tuple[Selection, ...]:
        if not isinstance(value, (list, tuple)):
            self._env.doubt(kind)
            self._faults.append(f"{source}: {kind} is a list, not {value!r}")
            return ()
        found = [self.one(kind, item, source) for item in cast("Sequence[Any]", value)]
        found = _told_apart(found)
        names = [s.name for s in found if s is not None]
        twice = sorted({n for n in names if names.count(n) > 1})
        self._faults += [f"{source}: {kind} has two instances called {n!r}; name one with `as`" for n in twice]
        return tuple(s for s in found if s is not None)

    def models(self, value: Any, source: str) -> dict[str, Selection]:
        is_many = isinstance(value, Mapping) and "use" not in value
        named: Mapping[str, Any] = cast("Mapping[str, Any]", value) if is_many else {"default": value}
        found = {n: self.one("llm", v, source, n) for n, v in named.items()}
        return {name: selection for name, selection in found.items() if selection is not None}
