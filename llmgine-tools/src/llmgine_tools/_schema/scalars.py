"""Types whose values have no parts: numbers, words, dates."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path, PurePath
from typing import Any, Final
from uuid import UUID

from llmgine_tools._schema.shape import UNFIT, Shape, scalar

__all__ = ["ANYTHING", "KEYS", "NULL", "SCALARS"]

_WHOLE = r"^(0|-?[1-9][0-9]*)$"
_DECIMAL = r"^-?[0-9]+(\.[0-9]+)?$"
_BASE64 = r"^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$"


def _string(value: Any) -> Any:
    return value if type(value) is str else UNFIT


def _integer(value: Any) -> Any:
    if type(value) is int:
        return value
    # JSON knows one kind of number: 3.0 is an integer (JSON Schema 2020-12 core, §4.2.3).
    return int(value) if type(value) is float and value.is_integer() else UNFIT


def _number(value: Any) -> Any:
    if type(value) is float:
        return value
    try:
        return float(value) if type(value) is int else UNFIT
    except OverflowError:
        return UNFIT


def _boolean(value: Any) -> Any:
    return value if type(value) is bool else UNFIT


def _null(value: Any) -> Any:
    return None if value is None else UNFIT


def _decimal(value: Any) -> Any:
    if type(value) is int:
        return Decimal(value)
    if type(value) is float:
        return Decimal(repr(value))  # the digits that were written, not the binary fraction nearest to them
    return Decimal(value) if type(value) is str and re.fullmatch(_DECIMAL, value) else UNFIT


def _bytes(value: Any) -> Any:
    try:
        return base64.b64decode(value, validate=True) if type(value) is str else UNFIT
    except (binascii.Error, ValueError):
        return UNFIT


def _datetime(text: str) -> datetime:
    if len(text) <= len("2026-01-31"):
        raise ValueError("a date alone: reading it as midnight would make up a time")
    return datetime.fromisoformat(text)


def _seconds(value: Any) -> Any:
    number = _number(value)
    try:
        return UNFIT if number is UNFIT else timedelta(seconds=number)
    except OverflowError:
        return UNFIT


def _whole(text: str) -> int:
    if not re.fullmatch(_WHOLE, text):
        raise ValueError("not a whole number in its one spelling")
    return int(text)


def _from_text(convert: Callable[[str], Any]) -> Callable[[Any], Any]:
    def exact(value: Any) -> Any:
        try:
            return convert(value) if type(value) is str else UNFIT
        except ValueError:
            return UNFIT

    return exact


def _text(noun: str, convert: Callable[[str], Any], **keywords: Any) -> Shape:
    return scalar({"type": "string", **keywords}, noun, _from_text(convert))


ANYTHING: Final = Shape({}, lambda value, path, reading: value, "anything", nullable=True)  # noqa: ARG005
NULL: Final = scalar({"type": "null"}, "null", _null, nullable=True)

SCALARS: Final[dict[Any, Shape]] = {
    str: scalar({"type": "string"}, "a string", _string),
    int: scalar({"type": "integer"}, "an integer", _integer),
    float: scalar({"type": "number"}, "a number", _number),
    bool: scalar({"type": "boolean"}, "true or false", _boolean),
    bytes: scalar({"type": "string", "contentEncoding": "base64", "pattern": _BASE64}, "bytes in Base64", _bytes),
    datetime: _text("a date and time (2026-01-31T12:00:00Z)", _datetime, format="date-time"),
    date: _text("a date (2026-01-31)", date.fromisoformat, format="date"),
    time: _text("a time (12:00:00)", time.fromisoformat, format="time"),
    timedelta: scalar({"type": "number", "description": "In seconds."}, "a number of seconds", _seconds),
    UUID: _text("a UUID", UUID, format="uuid"),
    Decimal: scalar(
        {"anyOf": [{"type": "number"}, {"type": "string", "pattern": _DECIMAL}]}, "a decimal number", _decimal
    ),
    Path: _text("a path", Path, format="path"),
    PurePath: _text("a path", PurePath, format="path"),
}
"""Shapes by Python type. Dates and times are read in every form of ISO 8601 that Python knows."""

KEYS: Final[dict[Any, Shape]] = {
    **{kind: SCALARS[kind] for kind in (str, date, UUID)},
    int: _text("a whole number in quotes", _whole, pattern=_WHOLE),
}
"""Shapes of the keys of maps, which are strings in JSON."""
