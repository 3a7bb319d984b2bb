"""The field that every Result, Response and End event has."""

from __future__ import annotations

from typing import Any

import attrs

from llmgine_core.contracts import Outcome

__all__ = ["outcome_field"]


def outcome_field() -> Any:
    """How it ended; a stored word becomes an `Outcome` where the event is made."""
    return attrs.field(default=Outcome.OK, converter=_to_outcome)


def _to_outcome(value: Any) -> Outcome:
    return value if type(value) is Outcome else Outcome(value)  # to ask the class costs more than to make the event
