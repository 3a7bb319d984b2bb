"""What the packages need is what they say they need, and the core needs little."""

import ast
import os
import sys
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from tests.packaging.workspace import CORE, PACKAGES, Package, normalized, uv

# The core stays this small: so many distributions besides itself, and megabytes with all of them.
CORE_DISTRIBUTIONS = 6
CORE_MEGABYTES = 2.5


def imported_modules(path: Path) -> Iterator[str]:
    """The absolute names of the modules that a file imports anywhere."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


@pytest.mark.parametrize("package", PACKAGES, ids=repr)
def test_a_package_declares_every_distribution_that_it_imports(package: Package) -> None:
    imported = {name for file in package.source.rglob("*.py") for name in imported_modules(file)}
    third_party = {name.split(".")[0] for name in imported} - sys.stdlib_module_names - {package.module}
    # A namespace such as opentelemetry belongs to many distributions: one declared owner is enough.
    owners = {**packages_distributions(), **{each.module: [each.name] for each in PACKAGES}}
    assert not {m for m in third_party if package.required_names.isdisjoint(map(normalized, owners.get(m, ())))}


@pytest.fixture(scope="module")
def core_alone(wheels: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site-packages of an environment with nothing but the core and what it requires, as locked."""
    folder = tmp_path_factory.mktemp("core")
    locked, environment = folder / "locked.txt", folder / "env"
    export = ("export", "--quiet", "--frozen", "--no-hashes", "--no-default-groups", "--no-emit-workspace")
    uv(*export, "--package", CORE.name, "--output-file", locked)
    uv("venv", "--quiet", "--python", sys.executable, environment)
    uv("pip", "install", "--quiet", "--python", environment, "--constraint", locked, wheels[CORE.name])
    return next(environment.glob("[Ll]ib*/**/site-packages"))


def test_the_core_brings_few_distributions(core_alone: Path) -> None:
    found = {path.name.rsplit("-")[0] for path in core_alone.glob("*.dist-info")} - {CORE.module}
    assert len(found) <= CORE_DISTRIBUTIONS, sorted(found)


def test_the_core_is_small(core_alone: Path) -> None:
    files = [Path(folder, name) for folder, _, names in os.walk(core_alone) for name in names]
    size = sum(file.stat().st_size for file in files if "__pycache__" not in file.parts)
    assert size <= CORE_MEGABYTES * 1e6
