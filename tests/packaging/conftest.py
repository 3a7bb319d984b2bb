"""Wheels, built once for all tests of this folder."""

from pathlib import Path

import pytest

from tests.packaging.workspace import PACKAGES, Package, Wheel, uv


@pytest.fixture(scope="session")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The path of each package's wheel, by the package's name."""
    folder = tmp_path_factory.mktemp("wheels")
    uv("build", "--quiet", "--all-packages", "--wheel", "--out-dir", folder)
    return {path.name.split("-")[0].replace("_", "-"): path for path in folder.glob("*.whl")}


@pytest.fixture(params=PACKAGES, ids=repr)
def wheel(request: pytest.FixtureRequest, wheels: dict[str, Path]) -> Wheel:
    """Each wheel in turn."""
    package: Package = request.param
    return Wheel(package, wheels[package.name])
