"""How a tool manager treats its tools unless a tool says otherwise."""

from __future__ import annotations

from typing import Any

import attrs

__all__ = ["ToolSettings"]

_positive: Any = attrs.validators.gt(0)
_positive_or_none: Any = attrs.validators.optional(_positive)


@attrs.frozen(kw_only=True)
class ToolSettings:
    """Limits on what models may send and on what tools may take.

    Attributes:
        default_timeout: seconds that a call may take where its tool sets no `timeout`; None for no limit.
        approval_timeout: seconds that whoever approves a call has; afterwards it is denied. None for no limit.
        max_argument_chars: characters of the longest arguments that are read.
        max_result_chars: characters of a result that the model is shown; a longer one is cut, with a note.
        max_threads: plain functions that run at the same time, in all sessions together.
        max_abandoned: threads left behind by timeouts and still running, past which plain functions are refused.
    """

    default_timeout: float | None = attrs.field(default=60.0, validator=_positive_or_none)
    approval_timeout: float | None = attrs.field(default=300.0, validator=_positive_or_none)
    max_argument_chars: int = attrs.field(default=1_000_000, validator=_positive)
    max_result_chars: int = attrs.field(default=100_000, validator=_positive)
    max_threads: int = attrs.field(default=32, validator=_positive)
    max_abandoned: int = attrs.field(default=8, validator=_positive)
