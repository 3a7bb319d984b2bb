"""The `llmgine` command. Subcommands of other packages come in by the entry-point group `llmgine.commands`."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from importlib import import_module, metadata
from typing import Any

import attrs

from llmgine_core._plugins import PluginEntry, installed

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command.

    Args:
        argv: the arguments, without the program's name; by default the process's.

    Returns:
        The exit code: 0 for success, 1 for a failure, 2 for wrong arguments.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    commands = {entry.name: entry for entry in installed("commands")}
    if arguments and arguments[0] in commands:
        return _run(commands[arguments[0]], arguments[1:])
    parsed = _parser(commands).parse_args(arguments)
    if parsed.command == "plugins":
        return _list_plugins(as_json=parsed.json)
    _parser(commands).print_help()
    return 0


def _parser(commands: dict[str, PluginEntry]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="llmgine", description="A runtime spine for LLM applications.")
    parser.add_argument("--version", action="version", version=f"llmgine-core {metadata.version('llmgine-core')}")
    subparsers = parser.add_subparsers(dest="command", metavar="command")
    plugins = subparsers.add_parser("plugins", help="what is installed")
    actions = plugins.add_subparsers(dest="action", required=True, metavar="action")
    listing = actions.add_parser("list", help="list installed plugins without importing them")
    listing.add_argument("--json", action="store_true", help="as JSON")
    for entry in commands.values():
        subparsers.add_parser(entry.name, help=f"from {entry.distribution} {entry.version}", add_help=False)
    return parser


def _run(entry: PluginEntry, arguments: list[str]) -> int:
    """Run a subcommand of another package; one that cannot be imported is named instead of shown as a traceback."""
    module, _, attribute = entry.target.partition(":")
    try:
        target: Any = getattr(import_module(module), attribute or "main")
    except (Exception, SystemExit) as error:
        print(f"llmgine {entry.name}: cannot be loaded: {type(error).__name__}: {error}", file=sys.stderr)
        print(f"  from: {entry.distribution} {entry.version} ({entry.target})", file=sys.stderr)
        return 1
    return int(target(arguments) or 0)


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
