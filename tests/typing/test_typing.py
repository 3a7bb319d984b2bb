"""What users write: the checkers accept the files in `accept/`, and in `refuse/` exactly the lines marked `# E:`."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
FILES = sorted([*HERE.glob("accept/*.py"), *HERE.glob("refuse/*.py")])

# What a checker says, by file and line.
Complaints = dict[Path, dict[int, str]]


def output(*command: str | Path) -> str:
    """What a checker prints; that it complains is no failure here."""
    root = HERE.parents[1]
    return subprocess.run(command, cwd=root, capture_output=True, text=True, check=False, timeout=300).stdout


def by_file(complaints: list[tuple[str, int, str]]) -> Complaints:
    """Complaints (file, line, text) in order."""
    found: Complaints = {file: {} for file in FILES}
    for file, line, text in complaints:
        found[HERE.parents[1] / file][line] = text
    return found


@pytest.fixture(scope="module")
def mypy() -> Complaints:
    """What mypy says of all files, as strict as with the project's own."""
    said = output(sys.executable, "-m", "mypy", "--no-error-summary", *FILES)
    found = re.findall(r"^(.+?):(\d+): error: (.+)$", said, re.MULTILINE)
    return by_file([(file, int(line), text) for file, line, text in found])


@pytest.fixture(scope="module")
def pyright() -> Complaints:
    """What pyright says of all files; they have a configuration of their own, since the project's leaves them out."""
    checker = (sys.executable, "-m", "pyright", "--pythonpath", sys.executable)
    said = json.loads(output(*checker, "--project", HERE, "--outputjson"))
    assert said["summary"]["filesAnalyzed"] == len(FILES)
    found = [each for each in said["generalDiagnostics"] if each["severity"] == "error"]
    return by_file([(each["file"], each["range"]["start"]["line"] + 1, each["message"]) for each in found])


def marked_lines(file: Path) -> set[int]:
    """The lines that must be refused."""
    lines = file.read_text(encoding="utf-8").splitlines()
    return {number for number, text in enumerate(lines, 1) if "# E:" in text}


@pytest.mark.parametrize("checker", ["mypy", "pyright"])
@pytest.mark.parametrize("file", FILES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_the_checkers_refuse_the_marked_lines_and_no_others(
    request: pytest.FixtureRequest, checker: str, file: Path
) -> None:
    complaints: Complaints = request.getfixturevalue(checker)
    assert {n: text for n, text in complaints[file].items() if n not in marked_lines(file)} == {}
    assert marked_lines(file) - set(complaints[file]) == set()


def test_lines_are_marked_in_every_file_to_refuse_and_in_no_other() -> None:
    assert {file.parent.name for file in FILES} == {"accept", "refuse"}
    assert {file for file in FILES if marked_lines(file)} == {f for f in FILES if f.parent.name == "refuse"}
