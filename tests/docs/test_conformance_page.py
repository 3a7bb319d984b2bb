"""The page of the conformance kits says what the kits hold."""

import re
from pathlib import Path
from typing import Any

import pytest

from llmgine_core.testing import MessageBusConformance

PAGE = (Path(__file__).parents[2] / "docs/reference/conformance.md").read_text(encoding="utf-8")
ROW = re.compile(r"^\| ([A-Z]+-\d+) \| (.+) \|$", re.MULTILINE)


def test_the_page_lists_every_clause_with_its_sentence() -> None:
    assert ROW.findall(PAGE) == [(clause.id, clause.sentence) for clause in MessageBusConformance.clauses()]


def test_the_pages_example_is_a_kit() -> None:
    namespace: dict[str, Any] = {"__name__": "test_my_bus"}
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    exec(compile(code, "page", "exec"), namespace)  # the page is ours
    kit: type[MessageBusConformance] = namespace["TestMyBus"]
    assert issubclass(kit, MessageBusConformance)
    assert kit.capabilities.backends == {"asyncio"}
    assert isinstance(kit.__dict__["make"], type(pytest.fixture(lambda: None)))
