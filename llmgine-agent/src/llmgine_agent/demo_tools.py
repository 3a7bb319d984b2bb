"""The tools that `llmgine chat` offers out of the box: small, real, and in need of no network."""

from __future__ import annotations

import ast
import operator
import random
from datetime import UTC, datetime
from functools import cache
from typing import Any, cast
from zoneinfo import ZoneInfo, available_timezones

from llmgine_core import ToolFailure, tool

__all__ = ["DEMO_TOOLS", "calculate", "get_time", "roll_dice"]

# Large cities that give no time zone its name.
_ALIASES = {
    "bangalore": "Asia/Kolkata",
    "barcelona": "Europe/Madrid",
    "beijing": "Asia/Shanghai",
    "boston": "America/New_York",
    "cape town": "Africa/Johannesburg",
    "delhi": "Asia/Kolkata",
    "frankfurt": "Europe/Berlin",
    "geneva": "Europe/Zurich",
    "hamburg": "Europe/Berlin",
    "houston": "America/Chicago",
    "kyoto": "Asia/Tokyo",
    "miami": "America/New_York",
    "milan": "Europe/Rome",
    "montreal": "America/Toronto",
    "mumbai": "Asia/Kolkata",
    "munich": "Europe/Berlin",
    "new delhi": "Asia/Kolkata",
    "osaka": "Asia/Tokyo",
    "rio de janeiro": "America/Sao_Paulo",
    "san francisco": "America/Los_Angeles",
    "seattle": "America/Los_Angeles",
    "washington": "America/New_York",
}
_MAX_POWER = 10_000
_MAX_EXPONENT = 100


def _divide(left: float, right: float) -> float:
    return left / right


def _floor_divide(left: float, right: float) -> float:
    return left // right


def _power(base: float, exponent: float) -> float:
    if abs(base) > _MAX_POWER or abs(exponent) > _MAX_EXPONENT:
        raise ValueError("the power is too large")
    if base < 0 and exponent != int(exponent):
        raise ValueError("a negative number has no such power")
    result: float = base**exponent
    return result


_OPERATORS: dict[type[ast.AST], Any] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: _divide,
    ast.FloorDiv: _floor_divide,
    ast.Mod: operator.mod,
    ast.Pow: _power,
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
}


@cache
def _zones() -> dict[str, str]:
    """Time zones by the name of the city that they are called after, in lower case."""
    zones = {name.rpartition("/")[2].replace("_", " ").lower(): name for name in sorted(available_timezones())}
    return {**zones, **_ALIASES}


@tool(examples=("What time is it in Paris?", "Tell me the current time in New York", "What's the time in Cairo now?"))
def get_time(city: str) -> str:
    """The current local time in a city.

    Args:
        city: the city's name.
    """
    zone = _zones().get(" ".join(city.replace("_", " ").lower().split()))
    if zone is None:
        raise ToolFailure(f"I know no time zone for {city!r}; name a large city near it")
    return datetime.now(UTC).astimezone(ZoneInfo(zone)).strftime("%H:%M")


@tool(examples=("What is 12 times 7?", "Calculate (3 + 4) * 5", "How much is 100 / 8?"))
def calculate(expression: str) -> str:
    """The value of an arithmetic expression.

    Args:
        expression: numbers, parentheses and + - * / // % **.
    """
    try:
        value = _evaluate(ast.parse(expression.strip(), mode="eval").body)
    except (SyntaxError, ValueError, ArithmeticError, RecursionError, MemoryError) as error:
        raise ToolFailure(f"{expression!r} cannot be calculated: {error}") from error
    return f"{value:.10g}" if value != int(value) else str(int(value))


def _evaluate(node: ast.AST) -> float:
    match node:
        case ast.Constant(value=int() | float() as number):
            return number
        case ast.UnaryOp(op=op, operand=operand) if type(op) in _OPERATORS:
            return cast("float", _OPERATORS[type(op)](_evaluate(operand)))
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
            return cast("float", _OPERATORS[type(op)](_evaluate(left), _evaluate(right)))
        case _:
            raise ValueError("only numbers, parentheses and + - * / // % ** are understood")


@tool(examples=("Roll a 20-sided die", "Roll 2 dice with 6 sides", "Throw 3 dice for me"))
def roll_dice(count: int = 1, sides: int = 6) -> str:
    """Roll dice.

    Args:
        count: how many dice, 1 to 100.
        sides: how many sides each has, 2 to 1000.
    """
    if not (1 <= count <= 100 and 2 <= sides <= 1000):
        raise ToolFailure("I can roll 1 to 100 dice with 2 to 1000 sides")
    rolls = [random.randint(1, sides) for _ in range(count)]
    return ", ".join(map(str, rolls)) + (f" (total {sum(rolls)})" if count > 1 else "")


DEMO_TOOLS = (get_time, calculate, roll_dice)
"""What `llmgine chat` offers unless told otherwise."""
