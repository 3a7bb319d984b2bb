"""What a tool returned, in words for the model."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import PurePosixPath
from typing import Any
from uuid import UUID

import pytest

from llmgine_tools._results import shortened, to_text
from tests.tools.shapes import Colour, Level, Point, Tree


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("words", "words"),
        (None, "null"),
        (True, "true"),
        (1.5, "1.5"),
        ({"a": [1, "ü"]}, '{"a": [1, "ü"]}'),
        (Point(1, 2), '{"x": 1, "y": 2}'),
        ([Tree(1, [Tree(2)])], '[{"value": 1, "children": [{"value": 2, "children": []}]}]'),
        ({1}, "[1]"),
        (Colour.RED, '"red"'),
        (Level.LOW, "1"),
        (datetime(2026, 1, 31, tzinfo=UTC), '"2026-01-31T00:00:00+00:00"'),
        (timedelta(minutes=1), "60.0"),
        (Decimal("0.10"), '"0.10"'),
        (UUID(int=1), '"00000000-0000-0000-0000-000000000001"'),
        (PurePosixPath("/a"), '"/a"'),
        (b"hi", '"aGk="'),
    ],
    ids=repr,
)
def test_a_result_becomes_text(value: Any, text: str) -> None:
    assert to_text(value) == text


def test_a_result_that_json_cannot_say_is_named() -> None:
    with pytest.raises(TypeError, match="it returned a object, which JSON cannot say"):
        to_text([object()])


def test_a_long_text_is_cut_with_a_note() -> None:
    assert shortened("x" * 100, 10) == "xxxxxxxxxx\n[cut: these are the first 10 of 100 characters]"


def test_a_text_that_could_not_be_encoded_is_mended() -> None:
    assert shortened("ü\ud800", 10) == "ü?"
