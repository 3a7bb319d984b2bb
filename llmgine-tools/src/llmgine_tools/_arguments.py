"""What a model wrote as arguments, read."""

from __future__ import annotations

from typing import Any

from llmgine_core.errors import ToolArgumentsError
from llmgine_tools._json import MAX_DEPTH, MalformedJsonError, parse
from llmgine_tools._schema import Reading, Record

__all__ = ["read_arguments"]


def read_arguments(text: str, record: Record, *, tool: str, max_chars: int) -> dict[str, Any]:
    """The arguments that a JSON text states, as the function takes them.

    Args:
        text: what the model wrote.
        record: reads the function's parameters.
        tool: the tool's name, for the error.
        max_chars: characters of the longest text that is read.

    Raises:
        ToolArgumentsError: the text does not fit; the error lists every fault with its path.
    """
    reading = Reading()
    try:
        values = record.read(_document(text, max_chars), "$", reading)
    except MalformedJsonError as error:
        raise ToolArgumentsError(tool, (str(error),)) from error
    except RecursionError as error:  # documents within strings within documents
        raise ToolArgumentsError(tool, (f"nested more than {MAX_DEPTH} levels deep",)) from error
    if reading.failed:
        more = reading.failed - len(reading.faults)
        tail = (f"and {more} more",) if more else ()
        raise ToolArgumentsError(tool, (*map(str, reading.faults), *tail))
    arguments: dict[str, Any] = values
    return arguments


def _document(text: str, max_chars: int) -> Any:
    if len(text) > max_chars:
        raise MalformedJsonError(f"the arguments have {len(text)} characters, {max_chars} are allowed")
    document: Any = parse(text) if text.strip() else {}
    # Models that have nothing to say say it in several ways; a string with JSON in it the record reads by itself.
    return {} if document is None or (isinstance(document, str) and not document.strip()) else document
