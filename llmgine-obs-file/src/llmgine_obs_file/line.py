"""An event record as one line of JSON, whatever its fields hold."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from llmgine_core.observability import EventRecord

__all__ = ["line_of"]


def line_of(record: EventRecord) -> bytes:
    """The record as one line of strict JSON (RFC 8259) in UTF-8, with its end.

    What JSON cannot say is written as text: NaN and the infinities as `"NaN"`, `"Infinity"`, `"-Infinity"`,
    an object as its `repr`. Fields too deep to write are given up, the rest of the record is not.
    """
    document = record.to_document()
    try:
        return _encoded(document)
    except (
        ValueError,
        TypeError,
    ):  # NaN, a lone surrogate, a foreign value or key: rare, so looked for only now
        pass
    except RecursionError:
        return _encoded({**document, "data": {"unwritable": "nested too deeply"}})
    try:
        return _encoded(_sayable(document), ascii_only=True)
    except (ValueError, RecursionError) as error:
        return _encoded({**_sayable({**document, "data": None}), "data": {"unwritable": repr(error)}}, ascii_only=True)


def _encoded(document: Mapping[str, Any], *, ascii_only: bool = False) -> bytes:
    text = json.dumps(document, ensure_ascii=ascii_only, allow_nan=False, separators=(",", ":"))
    return text.encode() + b"\n"


def _sayable(value: Any) -> Any:
    """The value, with text in the place of what JSON cannot say."""
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if value is None or isinstance(value, (str, int, float)):
        return value
    if isinstance(value, Mapping):
        return {str(key): _sayable(item) for key, item in value.items()}  # pyright: ignore[reportUnknownVariableType,reportUnknownArgumentType]
    if isinstance(value, (list, tuple)):
        return [_sayable(item) for item in value]  # pyright: ignore[reportUnknownVariableType]
    return repr(value)
