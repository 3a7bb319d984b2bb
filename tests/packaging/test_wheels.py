"""What a user installs: the built wheels."""

import configparser

import pytest

from tests.packaging.workspace import CORE, PACKAGES, PLUGINS, ROOT, Package, Wheel


def core_bound() -> str:
    """What every plugin requires of the core: this minor version and no other."""
    major, minor, _ = CORE.project["version"].split(".")
    return f"llmgine-core>={major}.{minor},<{major}.{int(minor) + 1}"


def test_a_wheel_tells_type_checkers_that_it_is_typed(wheel: Wheel) -> None:
    assert f"{wheel.package.module}/py.typed" in wheel.files


def test_a_wheel_holds_one_module_of_its_own_name(wheel: Wheel) -> None:
    assert {name.split("/")[0] for name in wheel.files} == {wheel.package.module, wheel.info}


def test_a_wheel_holds_every_file_of_the_source(wheel: Wheel) -> None:
    source = wheel.package.source
    files = {f for f in source.rglob("*") if f.is_file() and "__pycache__" not in f.parts}
    assert {f.relative_to(source.parent).as_posix() for f in files} <= wheel.files


def test_a_wheel_carries_its_license(wheel: Wheel) -> None:
    assert wheel.metadata["License-Expression"] == "Apache-2.0"
    assert wheel.metadata.get_all("License-File") == ["LICENSE"]
    assert f"{wheel.info}/licenses/LICENSE" in wheel.files


def test_a_wheel_describes_itself(wheel: Wheel) -> None:
    assert wheel.metadata["Summary"]
    assert f"# {wheel.package.name}" in str(wheel.metadata.get_payload())
    assert wheel.metadata["Requires-Python"] == ">=3.11"


def test_all_wheels_have_one_version(wheels: dict[str, object], wheel: Wheel) -> None:
    assert wheel.metadata["Version"] == CORE.project["version"]
    assert set(wheels) == {package.name for package in PACKAGES}


def test_entry_points_are_those_declared_and_lead_into_the_wheel(wheel: Wheel) -> None:
    parser = configparser.ConfigParser(delimiters=("=",))
    parser.read_string(wheel.entry_points)
    assert {group: dict(parser[group]) for group in parser.sections()} == wheel.package.entry_points
    for target in (target for group in wheel.package.entry_points.values() for target in group.values()):
        path = target.split(":")[0].replace(".", "/")
        assert {f"{path}.py", f"{path}/__init__.py"} & wheel.files, f"{target} is not in the wheel"


@pytest.mark.parametrize("package", PLUGINS, ids=repr)
def test_a_plugin_requires_this_minor_version_of_the_core(package: Package) -> None:
    siblings = [r for r in package.requirements if r.startswith("llmgine")]
    assert siblings == [core_bound()]


def test_the_core_requires_no_sibling_but_the_kits_where_tests_are_written() -> None:
    assert not [r for r in CORE.project["dependencies"] if r.startswith("llmgine")]
    siblings = [r for r in CORE.requirements if r.startswith("llmgine")]
    assert [r.partition(">=")[0] for r in siblings] == ["llmgine-conformance"]


@pytest.mark.parametrize("package", PACKAGES, ids=repr)
def test_every_package_has_the_text_of_the_license(package: Package) -> None:
    assert (package.folder / "LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()
