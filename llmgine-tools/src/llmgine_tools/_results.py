"""What a tool returned, in words for the model."""

from __future__ import annotations

import base64
import json
from datetime import timedelta
from decimal import Decimal
from enum import Enum
from functools import cache
from pathlib import PurePath
from typing import TYPE_CHECKING, Any
from uuid import UUID

if TYPE_CHECKING:
    from cattrs import Converter

__all__ = ["shortened", "to_text"]


def to_text(value: Any) -> str:
    """A string as it is, anything else as JSON; None is `null`.

    Raises:
        TypeError: it holds something that JSON cannot say.
        ValueError: it contains itself.
        RecursionError: it is nested too deeply.
    """
    if isinstance(value, str) and not isinstance(value, Enum):
        return value
    return json.dumps(value, ensure_ascii=False, default=_unstructured)


def shortened(text: str, max_chars: int) -> str:
    """The text without what cannot be encoded, and cut, with a note, to what the model is shown."""
    if len(text) > max_chars:
        text = f"{text[:max_chars]}\n[cut: these are the first {max_chars} of {len(text)} characters]"
    # A lone surrogate would break whoever stores or sends the result.
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


def _unstructured(value: Any) -> Any:
    """What `json` has no words for: classes, dates, sets. cattrs is loaded for those alone."""
    result = _converter().unstructure(value)
    if result is value:
        raise TypeError(f"it returned a {type(value).__qualname__}, which JSON cannot say")
    return result


@cache
def _converter() -> Converter:
    from cattrs.preconf.json import make_converter

    converter = make_converter()
    converter.register_unstructure_hook(bytes, lambda data: base64.b64encode(data).decode("ascii"))
    converter.register_unstructure_hook(timedelta, lambda duration: duration.total_seconds())
    for kind in (Decimal, PurePath, UUID):
        converter.register_unstructure_hook(kind, str)
    return converter
