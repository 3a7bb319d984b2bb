"""Talk, where no tool is needed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from llmgine_llm_local._prompt import Prompt, Slot, chat

__all__ = ["talk_examples", "talk_prompt"]

_SYSTEM = "You are a friendly assistant. Answer in one or two short sentences."
_EXAMPLES = (
    ("Hello!", "Hello! How can I help you today?"),
    ("What is the capital of Spain?", "The capital of Spain is Madrid."),
    ("Who are you?", "I am a small language model that runs on this computer."),
    ("I like dogs.", "Dogs are wonderful friends. Do you have one?"),
    ("Thank you!", "You are welcome!"),
    ("Goodbye", "Goodbye! Have a nice day."),
)


def talk_prompt(messages: Sequence[Mapping[str, str]], system: str, **limits: Any) -> Prompt:
    """Ask for the next words of the conversation.

    Args:
        messages: the conversation, without what the system says.
        system: what the model is told before it; where nothing is, examples show it how to be brief.
        **limits: further fields of the prompt.
    """
    *opening, _ = chat(_SYSTEM, _EXAMPLES, "")
    begin = [{"role": "system", "content": system}] if system else opening
    return Prompt(slot=Slot.TALK, messages=(*begin, *messages), **limits)


def talk_examples() -> Prompt:
    """What talk begins with, as a prompt."""
    return talk_prompt([{"role": "user", "content": ""}], "", max_tokens=1)
