"""Arithmetic in words, in symbols."""

import pytest

from llmgine_llm_local._arithmetic import arithmetic


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("How much is 12 times 7?", ["12 * 7"]),
        ("what's 8 plus 5", ["8 + 5"]),
        ("100 divided by 8 please", ["100 / 8"]),
        ("Compute (2 + 3) * 4.", ["(2 + 3) * 4"]),
        ("2 to the power of 10", ["2 ** 10"]),
        ("15 - 7 and 1.5*2", ["15 - 7", "1.5*2"]),
    ],
)
def test_a_calculation_is_found_in_symbols(text: str, found: list[str]) -> None:
    assert arithmetic(text) == found


@pytest.mark.parametrize("text", ["on 2026-11-23", "rooms 10-12", "a 20-sided die", "three times a day", "5 times"])
def test_dates_ranges_and_prose_are_no_calculation(text: str) -> None:
    assert arithmetic(text) == []
