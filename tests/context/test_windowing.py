"""Conversations are cut between groups only."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmgine_context import fit
from llmgine_context._groups import group_starts, newest
from llmgine_core import ChatMessage, ToolCall, ToolResult

SYSTEM = ChatMessage.system("rules")
ids = st.sampled_from(["1", "2", "3"])
messages = st.one_of(
    st.just(ChatMessage.user("u")),
    st.just(ChatMessage.assistant("a")),
    st.lists(ids, min_size=1, max_size=2, unique=True).map(
        lambda names: ChatMessage.assistant(tool_calls=tuple(ToolCall(name, "t") for name in names))
    ),
    ids.map(lambda name: ChatMessage.tool(ToolResult(name, "t", "r"))),
)
conversations = st.lists(messages, max_size=12)


def one(_: ChatMessage) -> int:
    return 1


def parted(conversation: list[ChatMessage], start: int) -> bool:
    """Whether a cut before `start` leaves a result there whose call, before it, is gone."""
    called: dict[str, int] = {}
    for index, message in enumerate(conversation):
        if index >= start and any(called.get(r.call_id, index) < start for r in message.tool_results):
            return True
        called.update((call.id, index) for call in message.tool_calls)
    return False


@given(conversations)
def test_a_group_begins_wherever_a_cut_parts_nothing(conversation: list[ChatMessage]) -> None:
    expected = [index for index in range(len(conversation)) if not parted(conversation, index)]
    assert group_starts(conversation) == expected


@given(conversations, st.integers(0, 12))
def test_the_newest_groups_within_the_limit_are_kept(conversation: list[ChatMessage], limit: int) -> None:
    kept = newest(conversation, limit)
    starts = group_starts(conversation)
    assert list(kept) == conversation[len(conversation) - len(kept) :]
    assert not kept or not parted(conversation, len(conversation) - len(kept))
    assert len(kept) <= limit or len(kept) == len(conversation) - starts[-1]


@given(conversations, st.integers(0, 15))
def test_what_fits_keeps_the_system_prompt_and_whole_groups(conversation: list[ChatMessage], size: int) -> None:
    kept = fit([SYSTEM, *conversation], size, one)
    assert kept[0] == SYSTEM
    rest = list(kept[1:])
    start = len(conversation) - len(rest)
    assert rest == conversation[start:]
    assert not parted(conversation, start)
    starts = [*group_starts(conversation), len(conversation)]
    assert len(kept) <= size or start == starts[-2 if conversation else -1]
    earlier = [s for s in starts if s < start]
    assert not earlier or 1 + len(conversation) - earlier[-1] > size


@pytest.mark.parametrize(("size", "kept"), [(3, 3), (4, 3), (5, 5), (6, 6), (100, 6)])
def test_a_call_and_its_results_stay_or_go_together(size: int, kept: int) -> None:
    call = ChatMessage.assistant(tool_calls=(ToolCall("1", "clock"),))
    result = ChatMessage.tool(ToolResult("1", "clock", "21:04"))
    user: Any = ChatMessage.user
    conversation = [SYSTEM, user("old"), call, result, ChatMessage.assistant("21:04"), user("thanks")]
    assert fit(conversation, size, one) == (SYSTEM, *conversation[len(conversation) - kept + 1 :])


def test_the_newest_group_stays_even_if_it_is_too_large() -> None:
    assert fit([SYSTEM, ChatMessage.user("a"), ChatMessage.user("b")], 0, one) == (SYSTEM, ChatMessage.user("b"))


def test_of_nothing_there_is_nothing_to_keep() -> None:
    assert fit([], 10, one) == ()
    assert fit([SYSTEM], 0, one) == (SYSTEM,)
