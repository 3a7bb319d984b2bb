"""What an import loads: nothing that its user did not ask for."""

import sys

import pytest

from tests.packaging.workspace import PACKAGES, run

# Libraries that cost time or memory, so they are loaded where they are first needed.
HEAVY = {"cattrs", "docstring_parser", "opentelemetry", "pytest", "sqlite3", "structlog", "trio", "xllamacpp"}

PLUGIN_MODULES = sorted(
    target
    for package in PACKAGES
    for group, entries in package.entry_points.items()
    if group not in {"console_scripts", "llmgine.commands"}
    for target in entries.values()
)


def loaded_by(statement: str) -> set[str]:
    """The modules in a fresh interpreter after one statement."""
    return set(run(sys.executable, "-c", f"{statement}\nimport sys\nprint(*sys.modules)").split())


def test_importing_the_core_loads_no_heavy_library() -> None:
    assert not loaded_by("import llmgine_core") & HEAVY


def test_importing_the_core_loads_neither_its_conformance_kits_nor_its_command() -> None:
    assert not loaded_by("import llmgine_core") & {"llmgine_core.testing", "llmgine_core.cli", "argparse"}


@pytest.mark.parametrize("module", PLUGIN_MODULES)
def test_importing_a_plugin_loads_no_heavy_library(module: str) -> None:
    assert not loaded_by(f"import {module}") & HEAVY
