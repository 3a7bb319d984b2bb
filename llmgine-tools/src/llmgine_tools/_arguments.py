"""What a model wrote as JSON, read: the arguments of a call, or an answer."""

from __future__ import annotations

from typing import Any

from llmgine_core.errors import ToolArgumentsError
from llmgine_tools._json import MAX_DEPTH, MalformedJsonError, parse
from llmgine_tools._schema import Reader, Reading

__all__ = ["read_arguments", "read_text"]

# Models that have nothing to say say it in several ways.
_NOTHING = ("", '""', "null")


def read_arguments(text: str, reader: Reader, *, tool: str, max_chars: int) -> dict[str, Any]:
    """The arguments that a JSON text states, as the function takes them; no text means no arguments.

    Args:
        text: what the model wrote.
        reader: reads the function's parameters.
        tool: the tool's name, for the error.
        max_chars: characters of the longest text that is read.

    Raises:
        ToolArgumentsError: the text does not fit; the error lists every fault with its path.
    """
    text = "{}" if len(text) <= max_chars and text.strip() in _NOTHING else text
    values: dict[str, Any] = read_text(text, reader, tool=tool, max_chars=max_chars)
    return values


def read_text(text: str, reader: Reader, *, tool: str, max_chars: int) -> Any:
    """The value that a JSON text states.

    Args:
        text: what the model wrote.
        reader: reads the value.
        tool: what the value is for, for the error.
        max_chars: characters of the longest text that is read.

    Raises:
        ToolArgumentsError: the text does not fit; the error lists every fault with its path.
    """
    if len(text) > max_chars:
        raise ToolArgumentsError(tool, (f"the text has {len(text)} characters, {max_chars} are allowed",))
    reading = Reading()
    try:
        value = reader(parse(text), "$", reading)
    except MalformedJsonError as error:
        raise ToolArgumentsError(tool, (str(error),)) from error
    except RecursionError as error:  # documents within strings within documents
        raise ToolArgumentsError(tool, (f"nested more than {MAX_DEPTH} levels deep",)) from error
    if reading.failed:
        more = reading.failed - len(reading.faults)
        tail = (f"and {more} more",) if more else ()
        raise ToolArgumentsError(tool, (*map(str, reading.faults), *tail))
    return value
