"""Where a conversation may be cut."""

from __future__ import annotations

from collections.abc import Sequence

from llmgine_core.contracts import ChatMessage

__all__ = ["group_starts", "newest"]


def group_starts(messages: Sequence[ChatMessage]) -> list[int]:
    """Indices at which a group begins: a cut there parts no tool's result from its call.

    A result belongs to the nearest call of its id before it, since some models number their calls anew in each turn.
    One whose call is not among the messages stands alone.
    """
    calls: dict[str, int] = {}
    call_of: list[int] = []
    for index, message in enumerate(messages):
        call_of.append(min((calls.get(r.call_id, index) for r in message.tool_results), default=index))
        calls.update((call.id, index) for call in message.tool_calls)
    starts: list[int] = []
    needed = len(messages)
    for index in range(len(messages) - 1, -1, -1):
        needed = min(needed, call_of[index])
        if needed == index:
            starts.append(index)
    return starts[::-1]


def newest(messages: Sequence[ChatMessage], limit: int) -> Sequence[ChatMessage]:
    """At most `limit` messages, the newest, in whole groups; only a newest group that alone is larger is kept whole.

    Raises:
        ValueError: the limit is negative.
    """
    if limit < 0:
        raise ValueError(f"limit is {limit}; give 0 or more")
    if limit == 0 or len(messages) <= limit:
        return messages if limit else ()
    starts = group_starts(messages)
    return messages[next((s for s in starts if s >= len(messages) - limit), starts[-1]) :]
