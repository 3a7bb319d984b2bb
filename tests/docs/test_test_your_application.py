"""The tests that the page on testing shows are tests that pass."""

import subprocess
import sys
from pathlib import Path

from tests.docs.test_examples import ROOT, blocks

PAGE = ROOT / "docs" / "how-to" / "test-your-application.md"


def test_the_tests_of_the_page_pass_on_both_loops(tmp_path: Path) -> None:
    code = [text for language, text in blocks(PAGE) if language == "python"]
    (tmp_path / "test_page.py").write_text("\n\n".join(code), encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-W", "error", "-p", "no:cacheprovider", "test_page.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{2 * ''.join(code).count('async def test_')} passed" in done.stdout
