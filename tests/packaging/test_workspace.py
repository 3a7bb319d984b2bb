"""Tools check every package: a new one must not be left out of a list that configures them."""

from collections.abc import Iterator
from typing import TypeAlias

from tests.packaging.workspace import PACKAGES, PLUGINS, ROOT, normalized, read_toml

Value: TypeAlias = "dict[str, Value] | list[Value] | str | float"


def lists(value: Value, path: str = "") -> Iterator[tuple[str, list[str]]]:
    """The lists in a document with the strings in them, each with its place."""
    if isinstance(value, dict):
        for key, each in value.items():
            yield from lists(each, f"{path}.{key}" if path else key)
    elif isinstance(value, list):
        yield path, [each for each in value if isinstance(each, str)]
        for index, each in enumerate(value):
            yield from lists(each, f"{path}.{index}")


def test_whatever_lists_the_plugins_lists_them_all() -> None:
    named = {
        path: {package.name for package in PLUGINS if any(package.name in normalized(each) for each in entries)}
        for path, entries in lists(read_toml(ROOT / "pyproject.toml"))
    }
    everyone = {package.name for package in PLUGINS}
    assert {path: everyone - found for path, found in named.items() if found and found != everyone} == {}
    assert {"project.dependencies", "tool.mypy.mypy_path", "tool.pyright.include"} < {p for p, f in named.items() if f}


def test_every_package_comes_from_the_workspace_and_shares_its_version() -> None:
    document = read_toml(ROOT / "pyproject.toml")
    assert set(document["tool"]["uv"]["sources"]) == {package.name for package in PACKAGES}
    assert {package.project["version"] for package in PACKAGES} == {document["project"]["version"]}
