"""Asking whether a call may be made."""

from __future__ import annotations

from functools import partial
from typing import Any

from llmgine_core.abc import BusSession
from llmgine_core.contracts import Approval, ApproveToolCall, ToolCall, ToolDefinition
from llmgine_core.errors import HandlerNotFoundError
from llmgine_tools._attempt import Attempt, attempt
from llmgine_tools._ending import Ending

__all__ = ["refusal"]


async def refusal(
    session: BusSession, call: ToolCall, definition: ToolDefinition, *, timeout: float | None
) -> Ending | None:
    """Have the call approved.

    Only an `Approval` that says so allows it: silence, a fault and an answer of another kind all deny.

    Args:
        session: where `ApproveToolCall` is executed.
        call: the call.
        definition: the tool's definition.
        timeout: seconds to wait for the answer; None for no limit.

    Returns:
        How the call ended for want of approval; None if it may be made.
    """
    command = ApproveToolCall(call, definition)
    answer: Attempt[Any] = await attempt(partial(session.execute, command, timeout=timeout), timeout=None)
    name = definition.name
    if isinstance(answer.error, HandlerNotFoundError):
        return Ending.denied(name, "it needs approval, and nobody is there to give it", answer.error)
    if isinstance(answer.error, TimeoutError):
        return Ending.denied(name, "nobody approved it in time", answer.error)
    if answer.error is not None:
        return Ending.denied(name, "asking for its approval failed", answer.error)
    for approval in answer.value:
        if not isinstance(approval, Approval):
            reason = f"its approval was answered with {type(approval).__name__}, not Approval"
            return Ending.denied(name, reason)
        if not approval.approved:
            return Ending.denied(name, approval.reason or "it was not approved")
    return None
