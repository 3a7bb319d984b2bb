"""JSON from a hand that is not trusted."""

from __future__ import annotations

import json
from typing import Any, NoReturn

__all__ = ["MAX_DEPTH", "MalformedJsonError", "parse"]

MAX_DEPTH = 64
"""Levels of arrays and objects in the deepest document that is read."""

_CONTEXT_CHARS = 16


class MalformedJsonError(ValueError):
    """The text is not JSON, or JSON that has no one meaning."""


def parse(text: str) -> Any:
    """The value that a JSON text states.

    Stricter than `json.loads`: no NaN, no infinities (an overflowing `1e999` included), no object with a key twice.

    Raises:
        MalformedJsonError: the text is not such JSON, or nested more than `MAX_DEPTH` levels deep.
    """
    try:
        value = _decoder.decode(text)
    except json.JSONDecodeError as error:
        near = text[max(0, error.pos - _CONTEXT_CHARS) : error.pos + _CONTEXT_CHARS]
        raise MalformedJsonError(f"not JSON: {error.msg} at character {error.pos}, near {near!r}") from error
    except RecursionError as error:
        raise MalformedJsonError(_DEPTH_REASON) from error
    except MalformedJsonError:
        raise
    except ValueError as error:  # an integer of more digits than Python converts
        raise MalformedJsonError("a number has too many digits") from error
    # Counting brackets costs little and clears nearly every document.
    if text.count("[") + text.count("{") > MAX_DEPTH and _too_deep(value):
        raise MalformedJsonError(_DEPTH_REASON)
    return value


_DEPTH_REASON = f"nested more than {MAX_DEPTH} levels deep"


def _refuse_constant(name: str) -> NoReturn:
    raise MalformedJsonError(f"{name} is not a JSON number")


def _finite(digits: str) -> float:
    number = float(digits)
    if number in (float("inf"), float("-inf")):
        raise MalformedJsonError(f"{digits[:_CONTEXT_CHARS]} is too large a number")
    return number


def _unambiguous(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for i, key in enumerate(keys) if key in keys[:i])
        raise MalformedJsonError(f"the key {twice[:_CONTEXT_CHARS]!r} stands twice in one object")
    return result


def _too_deep(value: Any) -> bool:
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [child for node in level for child in _children(node) if isinstance(child, (dict, list))]
        if not level:
            return False
    return True


def _children(node: Any) -> list[Any]:
    if isinstance(node, dict):
        return list(node.values())  # pyright: ignore[reportUnknownArgumentType,reportUnknownVariableType]
    return node if isinstance(node, list) else []  # pyright: ignore[reportUnknownVariableType]


_decoder = json.JSONDecoder(parse_constant=_refuse_constant, parse_float=_finite, object_pairs_hook=_unambiguous)
