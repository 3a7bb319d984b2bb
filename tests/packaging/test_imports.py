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


def test_importing_the_core_loads_nothing_until_a_name_is_asked_for() -> None:
    loaded = loaded_by("import llmgine_core")
    assert {name for name in loaded if name.startswith("llmgine_core")} == {"llmgine_core", "llmgine_core._lazy"}
    assert not loaded & {"anyio", "asyncio", "attrs", "inspect", "pluggy"}


def test_a_contract_loads_no_bus_and_no_plugin_host() -> None:
    loaded = loaded_by("from llmgine_core import Command, Event, ToolCall")
    assert "llmgine_core.contracts" in loaded
    assert not loaded & (HEAVY | {"anyio", "asyncio", "pluggy", "llmgine_core._bus", "llmgine_core.events"})


def test_the_bus_loads_no_plugin_host_and_of_anyio_only_what_is_light() -> None:
    loaded = loaded_by("from llmgine_core import MessageBus")
    assert "llmgine_core._engine" in loaded
    above = {"llmgine_core.observability", "llmgine_core.config", "llmgine_core.hookspecs", "llmgine_core.bootstrap"}
    assert not loaded & (HEAVY | above | {"anyio.from_thread", "importlib.metadata", "pluggy", "typing_extensions"})


@pytest.mark.parametrize("statement", ["from llmgine_core import ApplicationBootstrap", "from llmgine_core import *"])
def test_the_whole_core_loads_no_heavy_library_and_neither_its_conformance_kits_nor_its_command(statement: str) -> None:
    loaded = loaded_by(statement)
    assert "llmgine_core.bootstrap" in loaded
    assert not loaded & (HEAVY | {"llmgine_core.testing", "llmgine_core.cli", "argparse"})


@pytest.mark.parametrize("module", PLUGIN_MODULES)
def test_importing_a_plugin_loads_no_heavy_library(module: str) -> None:
    assert not loaded_by(f"import {module}") & HEAVY
