"""How work ends: its outcome, what it raised as data, and how often it is tried again."""

from __future__ import annotations

import traceback
from enum import StrEnum

import attrs

from llmgine_core.contracts.message import CONTENT

__all__ = ["ErrorInfo", "Outcome", "Retry"]


class Outcome(StrEnum):
    """How something ended."""

    OK = "ok"
    ERROR = "error"
    CANCELLED = "cancelled"
    TIMEOUT = "timeout"


def exception_name(kind: type[BaseException]) -> str:
    """The bare name of a builtin exception, else `module.Class`."""
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def exception_message(error: BaseException) -> str:
    """What an exception says; it is a user's, and its text must not cost us the event."""
    try:
        return str(error)
    except Exception as failure:
        return f"<its message cannot be read: {type(failure).__name__}>"


@attrs.frozen
class ErrorInfo:
    """An exception as data; no event holds a live one.

    Attributes:
        type: its class: the bare name of a builtin, else `module.Class`.
        message: what it said.
        stack: its traceback as text.
    """

    type: str
    message: str = attrs.field(default="", metadata=CONTENT)
    stack: str = attrs.field(default="", metadata=CONTENT, repr=False)

    @classmethod
    def from_exception(cls, error: BaseException) -> ErrorInfo:
        """Take down an exception; one whose `__str__` fails is named without its message."""
        return cls(exception_name(type(error)), exception_message(error), "".join(traceback.format_exception(error)))


@attrs.frozen(kw_only=True)
class Retry:
    """How often an event handler is tried again.

    Attributes:
        attempts: tries in all; 1 means no retry.
        delay: seconds before the second try.
        factor: by how much each further delay grows.
        max_delay: longest delay, in seconds.
        jitter: share of the delay that is drawn by chance, 0 to 1.
    """

    attempts: int = attrs.field(default=1, validator=attrs.validators.ge(1))
    delay: float = attrs.field(default=0.1, validator=attrs.validators.ge(0))
    factor: float = attrs.field(default=2.0, validator=attrs.validators.ge(1))
    max_delay: float = attrs.field(default=30.0, validator=attrs.validators.ge(0))
    jitter: float = attrs.field(default=0.1, validator=[attrs.validators.ge(0), attrs.validators.le(1)])
