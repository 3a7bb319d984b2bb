"""Changes the bus in small ways, one at a time, and counts how many of them its tests notice.

`uv run --group mutation python tests/mutation/bus.py --sample 150`, as docs/explanation/testing.md explains.
"""

from __future__ import annotations

import argparse
import importlib
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs

# Only the group `mutation` has it, so no checker knows its types.
mutating: Any = importlib.import_module("cosmic_ray.mutating")
plugins: Any = importlib.import_module("cosmic_ray.plugins")
syntax: Any = importlib.import_module("cosmic_ray.ast")
testing: Any = importlib.import_module("cosmic_ray.testing")
items: Any = importlib.import_module("cosmic_ray.work_item")
tree: Any = importlib.import_module("parso.python.tree")

ROOT = Path(__file__).parents[2]
SOURCE = Path("llmgine-core/src/llmgine_core")
BUS = (
    *("_acceptance", "_answering", "_backlog", "_calls", "_delivery", "_engine", "_frames", "_handlers", "_herald"),
    *("_keeper", "_letters", "_link", "_registry", "_subscriptions"),
    *("_room", "_scopes", "_session", "_stream", "_transport", "_verbs", "_watchers", "_workers"),
)
TESTS = ("test_bounds", "test_bus", "test_delivery", "test_session", "test_transport")
MEMORY = 8 * 2**30
"""Bytes that the tests may have: a mutant can do the same for ever."""


class StatementRemover:
    """Puts `pass` in the place of a call, an assignment, a `raise` or a `del`; the library removes no statements."""

    KINDS = ("atom_expr", "expr_stmt", "raise_stmt", "del_stmt")

    @classmethod
    def arguments(cls) -> tuple[()]:
        """It has no options."""
        return ()

    def mutation_positions(self, node: Any) -> Iterator[tuple[Any, Any]]:
        """Where the statement is, if the node is one."""
        if node.type != "simple_stmt":
            return
        statement = node.children[0]
        if statement.type in self.KINDS and not _is_bare_annotation(statement):
            yield statement.start_pos, statement.end_pos

    def mutate(self, node: Any, _: int) -> Any:
        """The node without the statement."""
        statement = node.children[0]
        node.children[0] = tree.Keyword("pass", statement.start_pos, statement.get_first_leaf().prefix)
        return node


def _is_bare_annotation(statement: Any) -> bool:
    last = statement.children[-1]
    return last.type == "annassign" and "=" not in last.children


plugins.OPERATOR_PROVIDERS["llmgine"] = {"StatementRemover": StatementRemover}


def changes(path: Path) -> Iterator[Any]:
    """Every change that can be made to a module."""
    module = syntax.get_ast_from_path(path)
    for name in plugins.operator_names():
        operator = plugins.get_operator(name)
        # `|` stands in annotations, which nobody evaluates
        if operator.arguments() or "Operator_BitOr_" in name:
            continue
        places = (place for node in syntax.ast_nodes(module) for place in operator().mutation_positions(node))
        for occurrence, (start, end) in enumerate(places):
            yield items.MutationSpec(path, name, occurrence, start, end)


def one_of_each_place(found: Iterator[Any], chance: random.Random) -> list[Any]:
    """One change of a kind at a place: `<` has a dozen replacements, which would outweigh all else."""
    places: dict[Any, list[Any]] = {}
    for change in found:
        kind = change.operator_name.partition("_")[0]
        places.setdefault((change.module_path, kind, change.start_pos, change.end_pos), []).append(change)
    return [chance.choice(alike) for alike in places.values()]


@attrs.frozen
class Tests:
    """The tests, as a command, and how long they may take."""

    command: str
    timeout: float

    @classmethod
    def measured(cls) -> Tests:
        """The tests, which pass as long as nothing is changed.

        Raises:
            SystemExit: they do not.
        """
        files = " ".join([*(f"tests/core/{name}.py" for name in TESTS), "tests/contracts/test_bus_conformance.py"])
        command = f"{sys.executable} -m pytest -x -q -p no:cacheprovider {files}"
        began = time.monotonic()
        outcome, said = testing.run_tests(command, 600)
        if outcome != items.TestOutcome.SURVIVED:
            raise SystemExit(f"the tests fail on the bus as it is:\n{said}")
        return cls(command, 10 + 3 * (time.monotonic() - began))

    def survivor(self, change: Any) -> str | None:
        """The change as a diff if the tests pass all the same, else None.

        Raises:
            RuntimeError: the change could not be made.
        """
        result = mutating.mutate_and_test([change], self.command, self.timeout)
        if result.worker_outcome != items.WorkerOutcome.NORMAL:
            raise RuntimeError(f"{change}: {result.output}")
        return None if result.is_killed else str(result.diff)


def enter_copy(folder: str) -> None:
    """Work on a copy, which comes before the installed packages; what is edited meanwhile does not matter."""
    for part in ("llmgine-core/src", "tests"):
        shutil.copytree(ROOT / part, Path(folder, part), ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", folder)
    os.environ["PYTHONPATH"] = str(Path(folder, "llmgine-core/src"))
    os.chdir(folder)


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description="Counts which small changes to the bus its tests notice.")
    parser.add_argument(
        "--sample", type=int, help="so many changes, drawn at random; by default all, which takes hours"
    )
    parser.add_argument("--seed", type=int, default=0, help="of the draw, 0 by default")
    parser.add_argument("--only", nargs="+", choices=BUS, default=BUS, help="modules to change, by default all")
    options = parser.parse_args()
    chance = random.Random(options.seed)
    with tempfile.TemporaryDirectory() as folder:
        enter_copy(folder)
        # in the background a shell has it ignored, and tests of interrupts would wait for ever
        signal.signal(signal.SIGINT, signal.default_int_handler)
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        tests = Tests.measured()
        found = one_of_each_place((c for name in options.only for c in changes(SOURCE / f"{name}.py")), chance)
        drawn = chance.sample(found, min(options.sample or len(found), len(found)))
        survived = 0
        for number, change in enumerate(drawn, 1):
            if (diff := tests.survivor(change)) is not None:
                survived += 1
                print(f"{number}: {change.operator_name}\n{diff}\n", flush=True)
        noticed = len(drawn) - survived
        print(f"{noticed} of {len(drawn)} changes noticed ({noticed / len(drawn):.0%}), of {len(found)} that there are")


if __name__ == "__main__":
    main()
