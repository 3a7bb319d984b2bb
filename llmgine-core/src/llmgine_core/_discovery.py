"""What is installed: the entry points of our groups, as distributions' metadata state them. Nothing is imported."""

from __future__ import annotations

import difflib
import logging
import re
from collections.abc import Iterator, Sequence
from functools import cache
from importlib import metadata
from itertools import accumulate

import attrs

from llmgine_core.config import Config
from llmgine_core.errors import PluginConflictError, PluginNotFoundError
from llmgine_core.hookspecs import KINDS

__all__ = [
    "HiddenEntry",
    "PluginEntry",
    "UnreadableDistribution",
    "find_entry",
    "hidden",
    "installed",
    "normalized",
    "unreadable",
    "unselected",
]

# What to install for the names that this project's own distributions offer.
_PACKAGES = {
    ("context_store", "memory"): "llmgine-context",
    ("tool_manager", "default"): "llmgine-tools",
    ("llm", "local"): "llmgine-llm-local",
    ("observability", "console"): "llmgine-obs-console",
    ("observability", "file"): "llmgine-obs-file",
    ("observability", "otel"): "llmgine-obs-otel",
    ("plugins", "agent"): "llmgine-agent",
}

_GROUPS = {kind.group: kind.name for kind in KINDS.values()} | {"llmgine.commands": "commands"}
_SIGN_OF_OURS = "[llmgine."
_HEADER = re.compile(r"^(name|version)[ \t]*:[ \t]*(\S.*)", re.MULTILINE | re.IGNORECASE)
_logger = logging.getLogger("llmgine.plugins")


@attrs.frozen
class PluginEntry:
    """An entry point of one of our groups, as its distribution's metadata states it; nothing has been imported.

    Attributes:
        kind: the kind of plugin (`commands` for subcommands).
        name: the entry's name.
        target: `module` or `module:attribute`.
        distribution: the distribution that offers it; empty where configuration names the module itself.
        version: that distribution's version.
    """

    kind: str
    name: str
    target: str
    distribution: str = ""
    version: str = ""

    def __str__(self) -> str:
        origin = f"{self.distribution} {self.version}" if self.distribution else "named in the configuration"
        return f"{self.kind} {self.name!r} ({origin}, {self.target})"


@attrs.frozen
class HiddenEntry:
    """What a distribution offers in vain: one of the same name stands before it on the path.

    Attributes:
        entry: what it offers.
        path: where its metadata lies.
    """

    entry: PluginEntry
    path: str


@attrs.frozen
class UnreadableDistribution:
    """A distribution whose metadata cannot be read, so that what it offers is not known.

    Attributes:
        path: where its metadata lies.
        reason: what is wrong with it.
    """

    path: str
    reason: str

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"


def installed(kind: str | None = None) -> tuple[PluginEntry, ...]:
    """What is installed, by kind and name; the metadata is scanned once per process and nothing is imported."""
    return tuple(entry for entry in _scan().entries if kind in (None, entry.kind))


def hidden() -> tuple[HiddenEntry, ...]:
    """What would be installed, were there not another distribution of the same name before it on the path."""
    return _scan().hidden


def unreadable() -> tuple[UnreadableDistribution, ...]:
    """The distributions of which it cannot be told whether they offer plugins, or which."""
    return _scan().unreadable


def find_entry(kind: str, use: str) -> PluginEntry:
    """The entry meant by `name`, `name@distribution` or `module:attribute`, of a kind of plugins or of `commands`.

    Raises:
        PluginNotFoundError: nothing installed offers it.
        PluginConflictError: two distributions do.
    """
    if ":" in use:
        return PluginEntry(kind, use, use)
    name, _, distribution = use.partition("@")
    named = [entry for entry in installed(kind) if entry.name == name]
    matches = [e for e in named if normalized(distribution) in ("", normalized(e.distribution))]
    if not matches:
        raise _not_found(kind, use, named)
    if len(matches) > 1:
        raise PluginConflictError(_noun(kind), name, tuple(e.distribution for e in matches), tuple(map(str, matches)))
    return matches[0]


def _not_found(kind: str, use: str, of_others: Sequence[PluginEntry]) -> PluginNotFoundError:
    """What to say of a name; `of_others` has it, but is of other distributions than the one asked for."""
    name = use.partition("@")[0]
    names = tuple(sorted({entry.name for entry in installed(kind)}))
    others = tuple(f"{name}@{entry.distribution}" for entry in of_others)
    return PluginNotFoundError(
        _noun(kind),
        use,
        names,
        others or tuple(difflib.get_close_matches(name, names, n=2)),
        _PACKAGES.get((kind, name)),
        unreadable=tuple(map(str, unreadable())),
        elsewhere=tuple(k for k in _kinds_of(name) if k != kind and kind in KINDS),
    )


def _kinds_of(name: str) -> tuple[str, ...]:
    return tuple(kind for kind in KINDS if any(entry.name == name for entry in installed(kind)))


def _noun(kind: str) -> str:
    return KINDS[kind].noun if kind in KINDS else "command"


def unselected(config: Config) -> tuple[PluginEntry, ...]:
    """What is installed and could be selected, but is not."""
    used = {(s.kind, s.use.partition("@")[0]) for s in config.selections()}
    return tuple(e for e in installed() if e.kind != "commands" and (e.kind, e.name) not in used)


def normalized(distribution: str) -> str:
    """A distribution's name as all its spellings have it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", distribution).lower()


# ── the scan ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@attrs.frozen
class _Scan:
    entries: tuple[PluginEntry, ...]
    hidden: tuple[HiddenEntry, ...]
    unreadable: tuple[UnreadableDistribution, ...]


@cache
def _scan() -> _Scan:
    entries: list[PluginEntry] = []
    covered: list[HiddenEntry] = []
    broken: list[UnreadableDistribution] = []
    passed = _Passed()
    for distribution in metadata.distributions():
        try:
            entries += _entries(distribution, passed, covered)
        except Exception as error:  # metadata that is broken must not hurt those who never asked for it
            _logger.debug("a distribution's metadata cannot be read: %s: %r", _path(distribution), error)
            reason = " ".join(str(error).split()) or type(error).__name__
            broken.append(UnreadableDistribution(_path(distribution), reason))
            passed.add_unread(distribution)
    entries.sort(key=lambda e: (e.kind, e.name, e.distribution))
    return _Scan(tuple(entries), tuple(covered), tuple(broken))


def _entries(distribution: metadata.Distribution, passed: _Passed, covered: list[HiddenEntry]) -> list[PluginEntry]:
    text = distribution.read_text("entry_points.txt") or ""
    # Most distributions have nothing for us, and to see that is cheaper by far than to parse their metadata.
    if _SIGN_OF_OURS not in text:
        passed.add_unread(distribution)
        return []
    parsed = list(_parse(text))
    name, version = _name_and_version(distribution)
    found = [PluginEntry(_GROUPS[group], entry, target, name, version) for group, entry, target in parsed]
    # the first of a name on the path is the one that would be imported
    if passed.add(name):
        return found
    covered += [HiddenEntry(entry, _path(distribution)) for entry in found]
    return []


def _parse(text: str) -> Iterator[tuple[str, str, str]]:
    """Group, name and target of each entry in our groups."""
    group, seen = "", set[tuple[str, str]]()
    for number, line in enumerate(map(str.strip, text.splitlines()), 1):
        if line.startswith("[") and line.endswith("]"):
            group = line[1:-1]
        elif line and not line.startswith(("#", ";")) and group in _GROUPS:
            name, target = _pair(line, number)
            if (group, name) in seen:
                raise ValueError(f"entry_points.txt, line {number}: {name!r} stands in [{group}] twice")
            seen.add((group, name))
            yield group, name, target


def _pair(line: str, number: int) -> tuple[str, str]:
    name, _, target = map(str.strip, line.partition("="))
    if not name or not target:
        raise ValueError(f"entry_points.txt, line {number}: {line!r} is not `name = module:attribute`")
    return name, target


def _name_and_version(distribution: metadata.Distribution) -> tuple[str, str]:
    # `distribution.metadata` would parse the description too, and `distribution.version` read it all once more.
    text = distribution.read_text("METADATA") or distribution.read_text("PKG-INFO") or ""
    headers = {key.lower(): value.rstrip() for key, value in reversed(_HEADER.findall(text.partition("\n\n")[0]))}
    if missing := [key.title() for key in ("name", "version") if key not in headers]:
        raise ValueError(f"METADATA has no {missing[0]}")
    return headers["name"], headers["version"]


class _Passed:
    """The distributions seen so far, which hide those of the same name that come later on the path."""

    def __init__(self) -> None:
        self._names: set[str] = set()
        self._unread: dict[str, list[metadata.Distribution]] = {}

    def add_unread(self, distribution: metadata.Distribution) -> None:
        """Note one whose name has not been read."""
        folder = str(getattr(getattr(distribution, "_path", None), "name", ""))
        # A folder is called `name-1.0.dist-info`, but names have dashes too: any beginning of it may be the name.
        for beginning in accumulate(normalized(folder.rpartition(".")[0]).split("-"), "{}-{}".format):
            self._unread.setdefault(beginning, []).append(distribution)

    def add(self, name: str) -> bool:
        """Note one of that name; whether it is the first."""
        wanted = normalized(name)
        first = wanted not in self._names and not self._is_unread(wanted)
        self._names.add(wanted)
        return first

    def _is_unread(self, name: str) -> bool:
        # one from a finder of somebody's own has no folder, and is looked into always
        likely = [*self._unread.get(name, ()), *self._unread.get("", ())]
        return any(_called(distribution) == name for distribution in likely)


def _called(distribution: metadata.Distribution) -> str:
    try:
        return normalized(_name_and_version(distribution)[0])
    except Exception:  # broken: it stands in the list of the unreadable if it could have offered anything
        return ""


def _path(distribution: metadata.Distribution) -> str:
    return str(getattr(distribution, "_path", distribution))
