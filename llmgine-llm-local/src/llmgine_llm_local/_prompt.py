"""Prompts as data: what one call of the engine is asked, and what it said."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import IntEnum
from typing import Any

import attrs

__all__ = ["Completion", "Prompt", "Slot", "Turn", "chat"]

Turn = tuple[str, str]
"""What a user says and what the assistant answers."""


class Slot(IntEnum):
    """The engine's slots. Each stage keeps its own, so that its prefix stays computed from call to call."""

    DECIDE = 0
    ARGUMENTS = 1
    ANSWER = 2
    TALK = 3


@attrs.frozen(kw_only=True)
class Prompt:
    """One call of the engine.

    Attributes:
        slot: where it runs.
        messages: role and content, as chat completion APIs take them.
        max_tokens: most tokens to write.
        likely: how many of the likeliest first tokens to report; 0 for none.
        schema: JSON Schema that what is written must fit; None for free text.
        grammar: GBNF that what is written must fit; not together with a schema.
        options: sampling options, under llama.cpp's names.
    """

    slot: Slot
    messages: tuple[Mapping[str, str], ...]
    max_tokens: int
    likely: int = 0
    schema: Mapping[str, Any] | None = None
    grammar: str | None = None
    options: Mapping[str, Any] = attrs.field(factory=dict[str, Any])


@attrs.frozen(kw_only=True)
class Completion:
    """What the engine wrote.

    Attributes:
        text: all of it.
        cut: whether `max_tokens` ended it.
        likely: logarithms of the probabilities of the first token, where the prompt asked for them.
        input_tokens: tokens read, cached ones included.
        cached_tokens: how many of those were still computed from an earlier call.
        output_tokens: tokens written.
    """

    text: str = ""
    cut: bool = False
    likely: Mapping[str, float] = attrs.field(factory=dict[str, float])
    input_tokens: int = 0
    cached_tokens: int = 0
    output_tokens: int = 0


def chat(system: str, turns: Iterable[Turn], last: str) -> tuple[Mapping[str, str], ...]:
    """The messages of a conversation that shows by example what to answer to its last message."""
    shown = (
        {"role": role, "content": content}
        for user, assistant in turns
        for role, content in (("user", user), ("assistant", assistant))
    )
    return ({"role": "system", "content": system}, *shown, {"role": "user", "content": last})
