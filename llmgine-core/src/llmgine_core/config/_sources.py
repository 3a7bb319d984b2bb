"""The sources that are not the environment: what code gives, files, defaults."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from os.path import lexists
from pathlib import Path
from typing import Any, cast

from llmgine_core.config._environment import FILE_VARIABLE
from llmgine_core.config._faults import Faults
from llmgine_core.config._model import DEFAULT
from llmgine_core.config._statements import Layer

__all__ = ["constructor", "default_layers", "file_layers"]

# With their distributions, so that another one that offers the same name does not stop whoever never asked for it.
_BUS = {"bus": "memory@llmgine-core"}
_OPTIONAL = {"context_store": "memory@llmgine-context", "tool_manager": "default@llmgine-tools"}
_FILE, _PROJECT_FILE = "llmgine.toml", "pyproject.toml"


def constructor(given: Mapping[str, Any]) -> Layer:
    """What the constructor was told; None means nothing."""
    values = {key: value for key, value in given.items() if value is not None}
    return Layer(source="the constructor", values=values, code=True)


def default_layers(defaults: Mapping[str, Any], *, discover: bool) -> list[Layer]:
    """What counts where nothing else is said."""
    built_in = _BUS | (_OPTIONAL if discover else {})
    return [
        Layer(source="the application's defaults", values=defaults, fallback=True),
        Layer(source=DEFAULT, values=built_in, fallback=True),
    ]


def file_layers(
    file: str | Path | Mapping[str, Any] | None, environment: Mapping[str, str], faults: Faults, *, discover: bool
) -> list[Layer]:
    """What the configuration file says, and below it the project file.

    The configuration file is the one given, else the one that the environment names, else `llmgine.toml`.
    """
    layers: list[Layer] = []
    named = environment.get(FILE_VARIABLE, "") if discover else ""
    if isinstance(file, Mapping):
        layers.append(Layer(source="the configuration given", values=file))
    elif file is not None and not isinstance(file, (str, Path)):
        faults.add_hiding(f"the constructor: config is a file, a mapping or a Config, not {file!r}")
    elif file is not None or named:
        layers.append(_file_layer(Path(file or named), faults))
    elif discover and lexists(_FILE):
        layers.append(_file_layer(Path(_FILE), faults))
    if discover and lexists(_PROJECT_FILE) and _PROJECT_FILE not in {layer.source for layer in layers}:
        layers.append(_file_layer(Path(_PROJECT_FILE), faults))
    return layers


def _file_layer(path: Path, faults: Faults) -> Layer:
    if path.name == _PROJECT_FILE:
        return Layer(source=str(path), values=_project_table(path, faults), prefix="tool.llmgine.")
    return Layer(source=str(path), values=_read_toml(path, faults))


def _project_table(file: Path, faults: Faults) -> dict[str, Any]:
    table, path = _read_toml(file, faults), ""
    for key in ("tool", "llmgine"):
        inner, path = table.get(key, {}), f"{path}.{key}".lstrip(".")
        if not isinstance(inner, dict):
            faults.add_hiding(f"{file}: {path} is a table, not {inner!r}")
            return {}
        table = cast("dict[str, Any]", inner)
    return table


def _read_toml(path: Path, faults: Faults) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        faults.add_hiding(f"{path}: there is no such file")
    except (OSError, ValueError, RecursionError) as error:  # ValueError: no UTF-8, no TOML, a number beyond all limits
        faults.add_hiding(f"{path}: cannot be read: {error}")
    return {}
