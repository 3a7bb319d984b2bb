"""JSON data as text and back, with limits, and with the path of what cannot be said."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import Any, Final, TypeGuard

from llmgine_core.errors import SerializationError

__all__ = ["MAX_DOCUMENT", "from_text", "is_list", "is_object", "naming_the_path", "refuse_foreign", "to_text"]

MAX_DOCUMENT: Final = 64 * 1024 * 1024
"""Characters of the largest document that is read."""

_SURROGATES = re.compile("[\ud800-\udfff]")


def is_object(data: object) -> TypeGuard[Mapping[str, Any]]:
    """Whether the data is an object of JSON."""
    return isinstance(data, Mapping)


def is_list(data: object) -> TypeGuard[list[Any] | tuple[Any, ...]]:
    """Whether the data is a list of JSON."""
    return isinstance(data, (list, tuple))


def to_text(data: Any) -> str:
    """JSON data as one line that every encoding of Unicode can carry.

    Raises:
        SerializationError: JSON cannot say it; the error names the path.
    """
    with naming_the_path("$"):
        refuse_foreign(data, "$")
        text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    # half a character, as models and file names leave behind, is no UTF-8: it must be escaped
    return _SURROGATES.sub(lambda half: f"\\u{ord(half[0]):04x}", text)


def from_text(text: str) -> Any:
    """The JSON data that the text says.

    Raises:
        SerializationError: the text is no JSON, or is too deep or too large.
    """
    if len(text) > MAX_DOCUMENT:
        raise SerializationError(f"the document has {len(text)} characters, {MAX_DOCUMENT} are allowed")
    try:
        return json.loads(text, parse_constant=_refuse_constant, parse_float=_finite)
    except (ValueError, RecursionError) as error:
        raise SerializationError(f"not a JSON document: {error}") from error


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no number in JSON")


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ValueError(f"{text} is too large a number")
    return number


@contextmanager
def naming_the_path(path: str) -> Generator[None]:
    """Turn whatever is raised inside, by cattrs or by a value's own conversion, into a `SerializationError`.

    Args:
        path: where what is converted stands in the document.
    """
    try:
        yield
    except SerializationError:
        raise
    except RecursionError as error:
        raise SerializationError("it is nested too deeply", path) from error
    except Exception as error:
        from cattrs import transform_error

        reason, _, place = transform_error(error, path=path, format_exception=_said)[0].rpartition(" @ ")
        if " @ $" in reason:  # a document within the document
            reason, _, inner = reason.rpartition(" @ $")
            place += inner
        raise SerializationError(reason, place) from error


def _said(error: BaseException, kind: Any) -> str:
    from cattrs.v import format_exception

    return str(error) if isinstance(error, (SerializationError, TypeError)) else format_exception(error, kind)


def refuse_foreign(value: Any, path: str) -> None:
    """Name the first place that holds something JSON cannot say.

    Raises:
        SerializationError: there is one.
    """
    if isinstance(value, float) and not math.isfinite(value):
        raise SerializationError(f"{value!r} cannot be written as JSON", path)
    if value is None or isinstance(value, (str, int, float)):
        return
    if is_object(value):
        for key, item in value.items():
            if not isinstance(key, str):
                raise SerializationError(f"a key must be a string, not {key!r}", path)
            refuse_foreign(item, f"{path}.{key}")
    elif is_list(value):
        for index, item in enumerate(value):
            refuse_foreign(item, f"{path}[{index}]")
    else:
        raise SerializationError(f"{type(value).__qualname__} cannot be written as JSON", path)
