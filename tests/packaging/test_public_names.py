"""`__all__` says what is public, all of it."""

import ast
import importlib
import pkgutil
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import TypeVar

import pytest

from tests.packaging.workspace import CORE, PACKAGES


def is_public(name: str) -> bool:
    """Whether no part of a dotted name is private."""
    return not any(part.startswith("_") for part in name.split("."))


def public_packages() -> Iterator[str]:
    """Each package and its public subpackages."""
    for package in PACKAGES:
        yield package.module
        found = pkgutil.walk_packages([str(package.source)], f"{package.module}.")
        yield from (each.name for each in found if each.ispkg and is_public(each.name))


def bound_names(module: ModuleType) -> set[str]:
    """The public names that a module's own statements bind, modules and type variables left out."""
    assert module.__file__ is not None
    body = ast.parse(Path(module.__file__).read_text(encoding="utf-8")).body
    names = {name for statement in body for name in _bound(statement) if is_public(name)}
    return {name for name in names if not isinstance(getattr(module, name), ModuleType | TypeVar)}


def _bound(statement: ast.stmt) -> Iterator[str]:
    match statement:
        case ast.ImportFrom(module=str(origin), names=names) if origin.startswith("llmgine_"):
            yield from (alias.asname or alias.name for alias in names)
        # What is loaded when first asked for is imported for type checkers alone.
        case ast.If(test=ast.Name(id="TYPE_CHECKING"), body=body):
            yield from (name for each in body for name in _bound(each))
        case ast.ClassDef(name=name) | ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
            yield name
        case ast.Assign(targets=targets):
            yield from (target.id for target in targets if isinstance(target, ast.Name))
        case ast.AnnAssign(target=ast.Name(id=name)):
            yield name
        case _:
            pass


# Their order is the linter's affair (RUF022).
@pytest.mark.parametrize("name", sorted(public_packages()))
def test_a_package_lists_every_public_name_once(name: str) -> None:
    module = importlib.import_module(name)
    assert sorted(getattr(module, "__all__", ())) == sorted(bound_names(module))


@pytest.mark.parametrize("name", ["errors", "events"])
def test_the_core_re_exports_every_error_and_event(name: str) -> None:
    core, module = importlib.import_module(CORE.module), importlib.import_module(f"{CORE.module}.{name}")
    assert sorted(set(module.__all__) - set(core.__all__)) == []


def test_the_core_lists_its_names_before_they_are_loaded_and_knows_no_others() -> None:
    core = importlib.import_module(CORE.module)
    assert set(core.__all__) <= set(dir(core))
    assert dir(core) == sorted(dir(core))
    with pytest.raises(AttributeError, match="module 'llmgine_core' has no attribute 'MesageBus'"):
        _ = core.MesageBus
