"""How a call ended."""

from __future__ import annotations

from typing import Final

import attrs

from llmgine_core.contracts import ErrorInfo, Outcome, ToolFailure, ToolOutcome
from llmgine_core.errors import ToolArgumentsError, ToolExecutionError, ToolNotFoundError

__all__ = ["Ending"]

_EVENT_OUTCOMES: Final = {
    ToolOutcome.OK: Outcome.OK,
    ToolOutcome.TIMEOUT: Outcome.TIMEOUT,
    ToolOutcome.CANCELLED: Outcome.CANCELLED,
}


@attrs.frozen
class Ending:
    """The end of a call.

    Attributes:
        content: what the model is told.
        outcome: how it ended.
        error: what was raised, if anything.
    """

    content: str
    outcome: ToolOutcome = ToolOutcome.OK
    error: ErrorInfo | None = None

    @property
    def event_outcome(self) -> Outcome:
        """The outcome in the terms that all events share."""
        return _EVENT_OUTCOMES.get(self.outcome, Outcome.ERROR)

    @classmethod
    def not_found(cls, error: ToolNotFoundError) -> Ending:
        """There is no such tool."""
        return cls(str(error), ToolOutcome.NOT_FOUND, ErrorInfo.from_exception(error))

    @classmethod
    def invalid_arguments(cls, error: ToolArgumentsError) -> Ending:
        """The arguments do not fit."""
        return cls(str(error), ToolOutcome.INVALID_ARGUMENTS, ErrorInfo.from_exception(error))

    @classmethod
    def failed(cls, tool: str, error: BaseException) -> Ending:
        """The tool raised something; of a `ToolFailure` the model reads the text alone."""
        info = ErrorInfo.from_exception(error)
        if isinstance(error, ToolFailure):
            return cls(info.message, ToolOutcome.ERROR, info)
        words = f"{info.type}: {info.message}" if info.message else info.type
        return cls(str(ToolExecutionError(tool, words)), ToolOutcome.ERROR, info)

    @classmethod
    def timed_out(cls, tool: str, timeout: float | None) -> Ending:
        """The tool did not end in time."""
        text = f"{tool} did not finish within {timeout:g} s"
        return cls(text, ToolOutcome.TIMEOUT, ErrorInfo("TimeoutError", text))

    @classmethod
    def denied(cls, tool: str, reason: str, error: BaseException | None = None) -> Ending:
        """Nobody allowed the call."""
        info = None if error is None else ErrorInfo.from_exception(error)
        return cls(f"{tool} was not called: {reason}", ToolOutcome.DENIED, info)

    @classmethod
    def cancelled(cls, tool: str) -> Ending:
        """Whoever waited for the call does so no longer."""
        return cls(f"{tool} was cancelled", ToolOutcome.CANCELLED)
