"""The two commands that README gives a newcomer are the ones that `.ci/run` runs."""

import re

import pytest

from tests.packaging.workspace import ROOT


@pytest.mark.parametrize("name", ["chat_command", "test_command"])
def test_readme_gives_the_command_that_ci_runs(name: str) -> None:
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    (command,) = re.findall(rf"^{name}='(.+)'$", script, re.MULTILINE)
    lines = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    assert f"pip install uv && {command}" in [line.removeprefix("$ ") for line in lines]
