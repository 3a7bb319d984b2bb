"""The service of the page answers, starts and stops with its application."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "how-to" / "embed-in-a-service.md").read_text(encoding="utf-8")
FILE = re.compile(r"^```python\n# (\w+\.py)\n(.*?)^```$", re.MULTILINE | re.DOTALL)

CLIENT = """
from fastapi.testclient import TestClient
from service import api

with TestClient(api) as client:
    answer = client.post("/summaries/ada", params={"text": "It rained. Then it stopped."})
    print(answer.status_code, answer.text)
    print(client.get("/health").json())
    app = api.state.llmgine
    print(app.name, app.bus.stats().sessions)
print(app.bus.stats().total.pending)
"""


def test_the_service_answers_and_ends_with_its_application(tmp_path: Path) -> None:
    for name, text in FILE.findall(PAGE):
        (tmp_path / name).write_text(text, encoding="utf-8")
    command = [sys.executable, "-W", "error::DeprecationWarning:llmgine_core", "-c", CLIENT]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[:3] == ['200 {"summary":"It rained."}', "{'ok': True}", "summaries 0"]
    assert done.stdout.splitlines()[-1] == "0"
