"""What a child process tells of each step, one JSON document a line."""

from __future__ import annotations

import json
from typing import Any

import attrs

__all__ = ["PLUGIN_STEPS", "PROBE_STEPS", "READY", "Step", "dumped", "loaded"]

READY = "start of the process"
"""What is told before the first step: the process has started, and the time of steps begins."""

PLUGIN_STEPS = ("import", "register", "settings", "build")
PROBE_STEPS = ("start", "health", "stop")


@attrs.frozen(kw_only=True)
class Step:
    """How a step went.

    Attributes:
        step: its name.
        ok: whether it succeeded.
        seconds: how long it took.
        error: what went wrong; empty if nothing did.
        facts: what it found out.
    """

    step: str
    ok: bool
    seconds: float
    error: str = ""
    facts: dict[str, Any] = attrs.field(factory=dict[str, Any])


def dumped(step: Step) -> str:
    """The line that tells of it."""
    return json.dumps(attrs.asdict(step), default=str)


def loaded(line: str) -> Step | None:
    """The step that a line tells of; None where the line is no such thing, but something that a plugin wrote there."""
    try:
        return Step(**json.loads(line))
    except (ValueError, TypeError):
        return None
