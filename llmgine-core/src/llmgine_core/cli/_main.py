"""From arguments to an exit code: which subcommand is meant, and what becomes of everything that goes wrong."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable, Sequence
from typing import cast

from llmgine_core._discovery import PluginEntry, find_entry, installed
from llmgine_core.cli._arguments import OURS, make_parser
from llmgine_core.cli._output import complain
from llmgine_core.errors import PluginError, PluginLoadError

__all__ = ["main"]

_INTERRUPTED = 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command.

    Args:
        argv: the arguments, without the program's name; by default the process's.

    Returns:
        The exit code: 0 for success, 1 for a failure, 2 for wrong arguments, 130 where Ctrl-C ended it.

    Raises:
        SystemExit: with 2 for wrong arguments; with 0 after `--help` and `--version`.
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
            complain(f"cannot go on: {error}")
        return 1
    except KeyboardInterrupt:
        return _INTERRUPTED
    return code


def _dispatch(arguments: list[str]) -> int:
    others = installed("commands")
    use = arguments[0] if arguments else ""
    if use not in OURS and use.partition("@")[0] in {entry.name for entry in others}:
        return _run_other(use, arguments[1:])
    for entry in others:
        if entry.name in OURS:
            origin = f"{entry.distribution} {entry.version}"
            complain(f"{entry.name} of {origin} is skipped; call it {entry.name}@{entry.distribution}")
    parser = make_parser([entry for entry in others if entry.name not in OURS], _version())
    parsed = parser.parse_args(arguments)
    if parsed.command is None:
        parser.print_help()
        return 0
    action: Callable[..., int] = parsed.action
    return action(parsed)


def _version() -> str:
    # Not `metadata.version`, which fails if the first distribution of that name on the path has broken metadata.
    ours = (entry for entry in installed("bus") if entry.target == "llmgine_core._builtin")
    return next((entry.version for entry in ours), "(its metadata cannot be read)")


def _run_other(use: str, arguments: list[str]) -> int:
    """Run a subcommand of another package; one that cannot be had is named instead of shown as a traceback."""
    try:
        entry = find_entry("commands", use)
        command = _command(entry)
    except PluginError as error:
        complain(f"{use}: {error}")
        return 1
    return int(command(arguments) or 0)


def _command(entry: PluginEntry) -> Callable[[list[str]], int | None]:
    from llmgine_core._importing import import_target

    target = import_target(entry)
    if not callable(target):
        cure = "its entry's target must be a function of the arguments: `module:function`"
        raise PluginLoadError(f"its target is {target!r}", str(entry), cure)
    return cast("Callable[[list[str]], int | None]", target)
