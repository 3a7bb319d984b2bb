"""The `llmgine` command. Subcommands of other packages come in by the entry-point group `llmgine.commands`."""

from __future__ import annotations

import argparse
import io
import json
import os
import sys
from collections.abc import Callable, Sequence
from importlib import metadata
from typing import cast

import attrs

from llmgine_core._discovery import PluginEntry, find_entry, installed
from llmgine_core._importing import import_target
from llmgine_core.errors import PluginError, PluginLoadError

__all__ = ["main"]

_OURS = ("plugins",)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command.

    Args:
        argv: the arguments, without the program's name; by default the process's.

    Returns:
        The exit code: 0 for success, 1 for a failure, 2 for wrong arguments.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that cannot show a character is no reason to end
    try:
        code = _dispatch(list(sys.argv[1:] if argv is None else argv))
        sys.stdout.flush()
    except OSError as error:
        # nothing more can be written there, also not by the interpreter when it ends
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not isinstance(error, BrokenPipeError):  # which says that whoever read it has seen enough
            _complain(f"cannot go on: {error}")
        return 1
    return code


def _dispatch(arguments: list[str]) -> int:
    others = installed("commands")
    use = arguments[0] if arguments else ""
    if use not in _OURS and use.partition("@")[0] in {entry.name for entry in others}:
        return _run(use, arguments[1:])
    for entry in others:
        if entry.name in _OURS:
            _complain(f"{entry.name} of {_origin(entry)} is skipped; call it {entry.name}@{entry.distribution}")
    parser = _parser([entry for entry in others if entry.name not in _OURS])
    parsed = parser.parse_args(arguments)
    if parsed.command == "plugins":
        return _list_plugins(as_json=parsed.json)
    parser.print_help()
    return 0


def _parser(others: Sequence[PluginEntry]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="llmgine", description="A runtime spine for LLM applications.")
    parser.add_argument("--version", action="version", version=f"llmgine-core {metadata.version('llmgine-core')}")
    subparsers = parser.add_subparsers(dest="command", metavar="command")
    plugins = subparsers.add_parser("plugins", help="what is installed")
    actions = plugins.add_subparsers(dest="action", required=True, metavar="action")
    listing = actions.add_parser("list", help="list installed plugins without importing them")
    listing.add_argument("--json", action="store_true", help="as JSON")
    for name in dict.fromkeys(entry.name for entry in others):
        origins = " and ".join(_origin(entry) for entry in others if entry.name == name)
        subparsers.add_parser(name, help=f"from {origins}", add_help=False)
    return parser


def _origin(entry: PluginEntry) -> str:
    return f"{entry.distribution} {entry.version}"


def _complain(text: str) -> None:
    print(f"llmgine {text}", file=sys.stderr)


def _run(use: str, arguments: list[str]) -> int:
    """Run a subcommand of another package; one that cannot be had is named instead of shown as a traceback."""
    try:
        command = _command(use)
    except PluginError as error:
        _complain(f"{use}: {error}")
        return 1
    return int(command(arguments) or 0)


def _command(use: str) -> Callable[[list[str]], int | None]:
    entry = find_entry("commands", use)
    target = import_target(entry)
    if not callable(target):
        cure = "its entry's target must be a function of the arguments: `module:function`"
        raise PluginLoadError(f"its target is {target!r}", str(entry), cure)
    return cast("Callable[[list[str]], int | None]", target)


def _list_plugins(*, as_json: bool) -> int:
    entries = installed()
    if as_json:
        print(json.dumps([attrs.asdict(entry) for entry in entries], indent=2))
        return 0
    rows = [("KIND", "NAME", "DISTRIBUTION", "VERSION", "TARGET")]
    rows += [(e.kind, e.name, e.distribution, e.version, e.target) for e in entries]
    widths = [max(len(row[i]) for row in rows) for i in range(5)]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    return 0


if __name__ == "__main__":
    sys.exit(main())
