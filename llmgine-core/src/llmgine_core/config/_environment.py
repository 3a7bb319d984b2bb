"""What environment variables say.

`LLMGINE_BUS=nats` and `LLMGINE_OBSERVABILITY=console,otel` select plugins, `LLMGINE_BUS__CAPACITY=5` and
`LLMGINE_OBSERVABILITY__OTEL__ENDPOINT=…` change single settings of an instance, also in tables (`…__TLS__CERT=…`).
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from typing import Any

from llmgine_core.config._faults import Faults
from llmgine_core.config._model import KEYS, LISTS, MANY, ONE, SECONDS
from llmgine_core.config._statements import Leaf, Said, Statement, Tree
from llmgine_core.config._text import Text

__all__ = ["FILE_VARIABLE", "parse", "read_environment", "same_name"]

SOURCE = "the environment"
PREFIX = "LLMGINE_"
FILE_VARIABLE = "LLMGINE_CONFIG"


def same_name(name: str) -> str:
    """An instance's name as variables spell it."""
    return name.lower().replace("-", "_")


def read_environment(variables: Mapping[str, str], faults: Faults) -> Said:
    """Read what the variables say, noting every fault."""
    said = Said(source=SOURCE)
    trees: dict[tuple[str, str], tuple[str, Tree]] = {}
    for variable, value in sorted(variables.items()):
        if variable.startswith(PREFIX) and variable != FILE_VARIABLE:
            key, *path = variable[len(PREFIX) :].lower().split("__")
            if key not in KEYS or (path and not _goes_deep(key, path)):
                faults.add_unknown_key(SOURCE, variable, _known())
            elif path:
                name, inside = ("", path) if key in ONE else (path[0], path[1:])
                _, tree = trees.setdefault((key, name), (variable, {}))
                _plant(tree, inside, Leaf(Text(value), f"{SOURCE}: {variable}"), faults)
            else:
                _read_flat(said, key, value, f"{SOURCE}: {variable}", faults)
    for (key, name), (variable, tree) in trees.items():
        use, called = (_named(tree.pop(word, None), f"{SOURCE}: {variable}", faults) for word in ("use", "as"))
        statement = Statement(name=called or name, use=use, settings=tree, where=f"{SOURCE}: {variable}")
        said.statements.setdefault(key, []).append(statement)
    return said


def _goes_deep(key: str, path: list[str]) -> bool:
    named = key == "llm" or key in MANY
    return all(path) and (key in ONE or (named and len(path) > 1))


def _known() -> list[str]:
    return [FILE_VARIABLE, *(f"{PREFIX}{key.upper()}" for key in KEYS)]


def _named(said: Tree | Leaf | None, variable: str, faults: Faults) -> str:
    """The name that `…__USE` or `…__AS` says."""
    if isinstance(said, Leaf) and (name := str(said.value).strip()):
        return name
    if said is not None:
        faults.append(f"{said.where if isinstance(said, Leaf) else variable} is no name; give one, or unset it")
    return ""


def _plant(tree: Tree, path: list[str], leaf: Leaf, faults: Faults) -> None:
    for part in path[:-1]:
        inner = tree.setdefault(part, {})
        if isinstance(inner, Leaf):
            faults.append(f"{leaf.where} goes deeper than {inner.where}, which is no table; unset one of them")
            return
        tree = inner
    tree[path[-1]] = leaf


def _read_flat(said: Said, key: str, value: str, where: str, faults: Faults) -> None:
    if key in MANY:
        names = _split(value)
        said.statements[key] = [Statement(use=name, where=where) for name in names]
        said.selects.add(key)
    elif key in LISTS:
        said.options[key] = Leaf(_split(value), where)
    elif key == "content" or key in SECONDS:
        said.options[key] = Leaf(parse(value), where)
    elif value == "false" and key in ("context_store", "tool_manager"):
        said.statements[key] = [Statement(off=True, where=where)]
        said.selects.add(key)
    elif value.strip():
        said.statements[key] = [Statement(name="default" if key == "llm" else "", use=value.strip(), where=where)]
        said.selects.add(key)
    else:
        faults.append(f"{where} is empty; name a plugin, or unset it")


def _split(value: str) -> list[str]:
    return [item.strip() for item in value.split(",") if item.strip()]


def parse(text: str) -> Any:
    """What the text says, as TOML writes a value; the text itself where it is none."""
    try:
        document = tomllib.loads(f"value = {text}")
    except (ValueError, RecursionError):  # also a number, or a depth, beyond all limits
        return text
    # `12#3` is a text, not 12 with a comment; two lines are no value
    is_value = len(document) == 1 and ("#" not in text or not isinstance(document["value"], (bool, int, float)))
    return document["value"] if is_value else text
