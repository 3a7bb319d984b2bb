"""The arguments of our own subcommands, and what `--help` says of them."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any

from llmgine_core._discovery import PluginEntry
from llmgine_core.hookspecs import KINDS

__all__ = ["OURS", "make_parser"]

OURS = ("plugins", "config", "doctor", "run")

_KINDS = (*KINDS, "commands")
_CODES = "exit codes: 0 success, 1 failure, 2 wrong arguments"
_EXAMPLES = f"""\
examples:
  llmgine plugins list --kind llm       what could be selected
  llmgine plugins why openai            why it is, or is not, in the application of this folder
  llmgine config show                   every value of the configuration and where it was said
  llmgine doctor --probe                is everything fit? does the application start?
  llmgine run shop.main:app             run it until it is told to stop

{_CODES}"""
_PLUGINS = f"""\
examples:
  llmgine plugins list
  llmgine plugins show sqlite
  llmgine plugins why otel --kind observability

No plugin is imported. `show` of what is not installed and `why` of what is not in the application are failures.
{_CODES}"""
_CONFIG = f"""\
examples:
  llmgine config show
  llmgine config show --config production.toml --json

No plugin is imported. Faults of the configuration are a failure.
{_CODES}"""
_DOCTOR = f"""\
examples:
  llmgine doctor
  llmgine doctor --probe --timeout 120

Each plugin is imported in a process of its own, so one that crashes or hangs is named and harms nothing.
Whatever is not fit is a failure. {_CODES}"""
_RUN = f"""\
examples:
  llmgine run shop.main:app
  llmgine run shop.main:main --config production.toml --backend trio

The target is an ApplicationBootstrap, a function that returns one, or a coroutine function of the application or of
nothing. SIGTERM and Ctrl-C end it; what was accepted is finished first. {_CODES}"""


def make_parser(others: Sequence[PluginEntry], version: str) -> argparse.ArgumentParser:
    """The parser; what it parses has `command` and `action`, a function of it that returns the exit code.

    Args:
        others: subcommands of other packages, which are named only.
        version: the core's.
    """
    parser = _formatted(argparse.ArgumentParser, prog="llmgine", epilog=_EXAMPLES)
    parser.description = "A runtime spine for LLM applications."
    parser.add_argument("--version", action="version", version=f"llmgine-core {version}")
    subparsers = parser.add_subparsers(dest="command", metavar="command")
    _add_plugins(subparsers)
    _add_config(subparsers)
    _add_doctor(subparsers)
    _add_run(subparsers)
    for name in dict.fromkeys(entry.name for entry in others):
        origins = " and ".join(f"{entry.distribution} {entry.version}" for entry in others if entry.name == name)
        subparsers.add_parser(name, help=f"from {origins}".replace("%", "%%"), add_help=False)
    return parser


def _formatted(make: Callable[..., Any], *names: str, epilog: str, **options: Any) -> argparse.ArgumentParser:
    # the epilogs have their line breaks already
    made: argparse.ArgumentParser = make(
        *names, epilog=epilog, formatter_class=argparse.RawDescriptionHelpFormatter, **options
    )
    return made


def _calling(module: str, function: str) -> Callable[[argparse.Namespace], int]:
    """An action whose module is imported when it is called, so that none waits for what another needs."""

    def action(parsed: argparse.Namespace) -> int:
        called: Callable[[argparse.Namespace], int] = getattr(import_module(f"llmgine_core.cli.{module}"), function)
        return called(parsed)

    return action


def _add_plugins(subparsers: Any) -> None:
    plugins = _formatted(
        subparsers.add_parser, "plugins", help="what is installed, and why it is used or not", epilog=_PLUGINS
    )
    actions = plugins.add_subparsers(required=True, metavar="action", dest="subaction")
    listing = actions.add_parser("list", help="list what is installed, and what of it is selected")
    showing = actions.add_parser("show", help="show all that is known of a plugin")
    asking = actions.add_parser("why", help="say why a plugin is, or is not, in the application")
    showing.add_argument("name", metavar="NAME", help="its name, or name@distribution")
    asking.add_argument("name", metavar="NAME", help="its name, name@distribution, or an instance's name")
    for parser, function in ((listing, "list_plugins"), (showing, "show_plugin"), (asking, "explain_plugin")):
        parser.add_argument("--kind", choices=_KINDS, help=f"of this kind only: {', '.join(_KINDS)}", metavar="KIND")
        parser.add_argument("--json", action="store_true", help="as JSON")
        parser.set_defaults(action=_calling(_ROOMS[function], function))


_ROOMS = {"list_plugins": "_listing", "show_plugin": "_showing", "explain_plugin": "_why"}


def _add_config(subparsers: Any) -> None:
    config = _formatted(subparsers.add_parser, "config", help="what the configuration says, and where", epilog=_CONFIG)
    actions = config.add_subparsers(required=True, metavar="action", dest="subaction")
    showing = actions.add_parser("show", help="show every value and its source; then what is wrong")
    _add_file(showing)
    showing.add_argument("--json", action="store_true", help="as JSON")
    showing.set_defaults(action=_calling("_config", "show_config"))


def _add_doctor(subparsers: Any) -> None:
    doctor = _formatted(
        subparsers.add_parser, "doctor", help="import, check and build every selected plugin", epilog=_DOCTOR
    )
    _add_file(doctor)
    doctor.add_argument("--probe", action="store_true", help="start the application once, and stop it")
    doctor.add_argument(
        "--timeout",
        type=_seconds,
        default=30.0,
        metavar="SECONDS",
        help="how long a step may take before it is given up (default: 30)",
    )
    doctor.add_argument("--json", action="store_true", help="as JSON")
    doctor.set_defaults(action=_calling("_doctor", "examine_all"))


def _add_run(subparsers: Any) -> None:
    run = _formatted(subparsers.add_parser, "run", help="run an application until it is told to stop", epilog=_RUN)
    run.add_argument("target", metavar="module:target", help="what to run; the working directory is searched first")
    _add_file(run)
    run.add_argument("--backend", choices=("asyncio", "trio"), default="asyncio", help="the event loop")
    run.set_defaults(action=_run)


def _add_file(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", metavar="FILE", help="a TOML file in the place of llmgine.toml")


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 < seconds < math.inf:
        raise argparse.ArgumentTypeError(f"{text} is no number of seconds above 0")
    return seconds


_seconds.__name__ = "number of seconds"  # argparse names it where the text is no number


def _run(parsed: argparse.Namespace) -> int:
    from llmgine_core._running import run_target

    return run_target(parsed.target, config=parsed.config, backend=parsed.backend)
