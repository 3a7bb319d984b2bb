"""Making a conversation fit into a model's context window."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise, takewhile

from llmgine_context._groups import group_starts
from llmgine_core.contracts import ChatMessage, Role

__all__ = ["fit"]


def fit(
    messages: Sequence[ChatMessage], max_tokens: int, count: Callable[[ChatMessage], int]
) -> tuple[ChatMessage, ...]:
    """The system prompt and as many of the newest messages as fit, in whole groups: no tool's result without its call.

    The newest group stays even if it does not fit, since without it there would be nothing to answer.

    Args:
        messages: the conversation, oldest first; the system messages at its head are the system prompt.
        max_tokens: tokens that the result may have.
        count: tokens of one message.

    Returns:
        The messages kept, in their order.
    """
    system = tuple(takewhile(lambda message: message.role is Role.SYSTEM, messages))
    rest = messages[len(system) :]
    left = max_tokens - sum(map(count, system))
    bounds = [*group_starts(rest), len(rest)]
    kept = len(rest)
    for start, stop in reversed(list(pairwise(bounds))):
        left -= sum(map(count, rest[start:stop]))
        if left < 0 and kept < len(rest):
            break
        kept = start
    return (*system, *rest[kept:])
