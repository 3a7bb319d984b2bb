"""What it takes to have a bus at all: the import, the distributions, the disk."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from importlib import metadata
from pathlib import Path
from tempfile import TemporaryDirectory

from packaging.requirements import Requirement

from benchmarks.adapter import Adapter
from benchmarks.loops import Opening, Round, Size

__all__ = ["import_of_asyncio", "import_of_bus", "import_of_module", "megabytes", "requirements"]

PROGRAM = """
import time
start = time.process_time()
{statement}
print(time.process_time() - start)
"""
"""Its figure is the process's CPU time less that of the bare interpreter, which has started by then."""


def import_time(statement: str, bytecode: str) -> float:
    """CPU seconds of a statement that imports something, in a new interpreter.

    Args:
        statement: the statement.
        bytecode: the folder where the interpreter keeps what it has compiled.
    """
    program = PROGRAM.format(statement=statement)
    environment = {**os.environ, "PYTHONPYCACHEPREFIX": bytecode, "PYTHONDONTWRITEBYTECODE": ""}
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True, env=environment)
    return float(done.stdout)


@asynccontextmanager
async def importing(statement: str) -> AsyncGenerator[Round]:
    """Imports of what has been compiled before, as all imports but the first are, whatever this environment keeps."""
    with TemporaryDirectory() as bytecode:
        import_time(statement, bytecode)

        async def once() -> float:
            return import_time(statement, bytecode)

        yield once


def import_of_asyncio(_: Adapter, __: Size) -> Opening:
    """The import that no async program can do without."""
    return importing("import asyncio")


def import_of_module(adapter: Adapter, _: Size) -> Opening:
    """The import of the bus's module, with all that it imports."""
    return importing(f"import {adapter.module}")


def import_of_bus(adapter: Adapter, _: Size) -> Opening:
    """The import of what a program with a bus begins with, of a module that loads its names when they are asked for."""
    names = ", ".join(adapter.lazy_names)
    return importing(f"from {adapter.module} import {names}" if names else f"import {adapter.module}")


@asynccontextmanager
async def requirements(adapter: Adapter, _: Size) -> AsyncGenerator[Round]:
    """How many other distributions come with the bus."""

    async def once() -> float:
        return float(len(closure(adapter.distribution)) - 1)

    yield once


@asynccontextmanager
async def megabytes(adapter: Adapter, _: Size) -> AsyncGenerator[Round]:
    """The files of the bus's distribution and of those it requires, in MB; compiled bytecode is left out."""

    async def once() -> float:
        return sum(size_of(distribution) for distribution in closure(adapter.distribution)) / 1e6

    yield once


def closure(distribution: str) -> set[str]:
    """The distribution and all that it requires here, without extras; names as normalised by PEP 503."""
    found: set[str] = set()
    waiting = [distribution]
    while waiting:
        name = re.sub(r"[-_.]+", "-", waiting.pop()).lower()
        if name not in found:
            found.add(name)
            waiting += required(name)
    return found


def required(distribution: str) -> Iterator[str]:
    """The direct requirements that hold for this interpreter."""
    for line in metadata.requires(distribution) or ():
        requirement = Requirement(line)
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            yield requirement.name


def size_of(distribution: str) -> int:
    """Bytes of a distribution's files; of one that is installed as a link to its source, those of its modules."""
    listed = metadata.files(distribution) or []
    paths = {Path(str(file.locate())) for file in listed}
    for module in linked_modules(distribution, paths):
        paths.update(module.rglob("*"))
    return sum(path.stat().st_size for path in paths if path.is_file() and path.suffix != ".pyc")


def linked_modules(distribution: str, paths: set[Path]) -> Iterator[Path]:
    """The folders of packages that an editable installation leaves where their source is."""
    is_linked = any(path.suffix == ".pth" for path in paths)
    if is_linked and (spec := importlib.util.find_spec(distribution.replace("-", "_"))):
        yield from map(Path, spec.submodule_search_locations or ())
