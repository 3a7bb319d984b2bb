"""The tools that `llmgine chat` offers."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from llmgine_agent.demo_tools import calculate, get_time, roll_dice
from llmgine_core import ToolFailure


@pytest.mark.parametrize(
    ("city", "zone"),
    [
        ("Tokyo", "Asia/Tokyo"),
        ("new york", "America/New_York"),
        ("New_York", "America/New_York"),
        ("Munich", "Europe/Berlin"),
    ],
)
def test_the_time_is_that_of_the_citys_zone(city: str, zone: str) -> None:
    """Cities are found by their time zone's name or by an alias, in any case."""
    before = datetime.now(UTC).astimezone(ZoneInfo(zone)).strftime("%H:%M")
    told = get_time(city)
    after = datetime.now(UTC).astimezone(ZoneInfo(zone)).strftime("%H:%M")
    assert told in (before, after)


def test_an_unknown_city_is_told_to_the_model() -> None:
    """A city without a zone is a failure in words."""
    with pytest.raises(ToolFailure, match="no time zone for 'Atlantis'"):
        get_time("Atlantis")


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("12*7", "84"),
        ("(3 + 4) * 5", "35"),
        ("100 / 8", "12.5"),
        ("-2 ** 2", "-4"),
        ("7 // 2", "3"),
        ("2 ** -1", "0.5"),
    ],
)
def test_arithmetic_is_right(expression: str, value: str) -> None:
    """Expressions have the value that Python gives them."""
    assert calculate(expression) == value


@pytest.mark.parametrize(
    "expression", ["1/0", "9**9**9", "__import__('os')", "a + 1", "1 +", "(-8) ** 0.5", "'a' * 3", "1" + "+1" * 50_000]
)
def test_what_cannot_be_calculated_is_told_to_the_model(expression: str) -> None:
    """Nothing but arithmetic is evaluated, and nothing endless."""
    with pytest.raises(ToolFailure, match="cannot be calculated"):
        calculate(expression)


def test_dice_show_what_they_can() -> None:
    """Each die shows 1 to its sides, several are added up."""
    rolls, _, total = roll_dice(3, 6).partition(" (total ")
    numbers = [int(n) for n in rolls.split(", ")]
    assert len(numbers) == 3
    assert all(1 <= n <= 6 for n in numbers)
    assert total == f"{sum(numbers)})"
    assert 1 <= int(roll_dice()) <= 6


@pytest.mark.parametrize(("count", "sides"), [(0, 6), (101, 6), (1, 1), (1, 1001)])
def test_impossible_dice_are_refused(count: int, sides: int) -> None:
    """Out of range is a failure in words."""
    with pytest.raises(ToolFailure, match="1 to 100 dice"):
        roll_dice(count, sides)
