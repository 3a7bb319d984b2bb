"""Which distributions' plugins may be imported, by `allow` and `deny`."""

from __future__ import annotations

from importlib import metadata

from llmgine_core._discovery import PluginEntry, installed, normalized
from llmgine_core._faults import nearest
from llmgine_core.config import Config
from llmgine_core.errors import PluginLoadError

__all__ = ["check_allowed", "misspelt_in"]

_OPTIONAL = ("context_store", "tool_manager")


def check_allowed(entry: PluginEntry, config: Config) -> None:
    """Refuse a plugin whose distribution `deny` names, or `allow` does not.

    Args:
        entry: the plugin; one that names a module itself counts as of every distribution that offers the module.
        config: with `allow` and `deny`.

    Raises:
        PluginLoadError: it is refused, or cannot be held against `deny`, since its distribution is unknown.
    """
    if not config.deny and config.allow is None:
        return
    names = [entry.distribution] if entry.distribution else _offering(entry.target)
    deny, allow = {normalized(d) for d in config.deny}, {normalized(d) for d in config.allow or ()}
    if deny and not names:
        what = "its distribution is unknown, so `deny` cannot be held against it"
        raise PluginLoadError(what, str(entry), "select it by its entry's name, or let go of `deny`")
    denied = any(normalized(name) in deny for name in names)
    if denied or (config.allow is not None and not any(normalized(name) in allow for name in names)):
        which = "deny names" if denied else "allow does not name"
        without = f", or do without: {entry.kind} = false" if entry.kind in _OPTIONAL else ""
        cure = f"change `allow` or `deny`, or select another plugin{without}"
        raise PluginLoadError(f"{which} its distribution", str(entry), cure)


def misspelt_in(config: Config) -> list[str]:
    """What `deny` names that no installed distribution is called, but one with plugins nearly is.

    It may be rightly there, against what is not installed, so it is no fault; but a slip of the pen would let pass what
    was to be kept out. `allow` needs no such care: what it misses is refused.
    """
    if not config.deny:
        return []
    known = {normalized(entry.distribution) for entry in installed()}
    absent = [name for name in config.deny if normalized(name) not in known and not _is_installed(name)]
    hints = [(name, nearest(normalized(name), known)) for name in absent]
    return [f"deny: no distribution {name!r} is installed; did you mean {near!r}?" for name, near in hints if near]


def _is_installed(name: str) -> bool:
    try:
        metadata.distribution(name)
    except (metadata.PackageNotFoundError, ValueError):  # the latter for an empty name
        return False
    return True


def _offering(target: str) -> list[str]:
    """The distributions that offer the module which configuration names itself."""
    package = _package(target)
    # An editable installation does not list its modules; what its entries point at tells of them.
    by_entries = [entry.distribution for entry in installed() if _package(entry.target) == package]
    by_files = [_name_if_offering(package, distribution) for distribution in metadata.distributions()]
    return [*filter(None, by_files), *by_entries]


def _name_if_offering(package: str, distribution: metadata.Distribution) -> str:
    """The distribution's name, if it has that package; one that is broken is not known to have any."""
    try:
        declared = (distribution.read_text("top_level.txt") or "").split()
        offered = declared or [file.parts[0].partition(".")[0] for file in distribution.files or ()]
        return distribution.name if package in offered else ""
    except Exception:
        return ""


def _package(target: str) -> str:
    return target.partition(":")[0].partition(".")[0].strip()
