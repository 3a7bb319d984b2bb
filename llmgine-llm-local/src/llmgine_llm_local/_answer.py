"""Stage 3: the answer from what a tool gave."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from llmgine_core.contracts import ToolResult
from llmgine_llm_local._prompt import Prompt, Slot, chat

__all__ = ["answer_examples", "answer_prompt", "keeping"]

_SYSTEM = "Answer the question in one short sentence. Use the result."
_EXAMPLES = (
    ("What time is it in Oslo?\nResult: 09:30", "It is 09:30 in Oslo."),
    ("How much is 6 * 7?\nResult: 42", "That makes 42."),
    ("Is it cold in Cairo?\nResult: sunny, 31 degrees", "It is sunny in Cairo, with 31 degrees."),
    ("Roll a die with 8 sides\nResult: 5", "The die shows 5."),
    ("time Atlantis\nResult: unknown", "Sorry, the time in Atlantis is unknown."),
    ("Send Bob an email\nResult: sent", "The email to Bob is sent."),
)
# 21:04, -3.5, $12, 31 °C; what has more words, the model keeps better when it may put them in its own order.
_FIGURE = re.compile(r"[^\w\s]?\d\S*(?: \S+)?")
_LONGEST_FIGURE = 40


def answer_prompt(question: str, results: Sequence[ToolResult], system: str, **limits: Any) -> Prompt:
    """Ask for the answer that the results give to the question.

    Args:
        question: what the user said.
        results: what the tools gave for it.
        system: what the model is told before the conversation.
        **limits: further fields of the prompt.
    """
    told = "\n".join(f"Result: {result.content}" for result in results)
    messages = chat("\n".join(filter(None, (_SYSTEM, system))), _EXAMPLES, f"{question}\n{told}")
    grammar = None if limits.get("schema") else keeping(results)
    return Prompt(slot=Slot.ANSWER, messages=messages, grammar=grammar, **limits)


def answer_examples() -> Prompt:
    """What every answer begins with, as a prompt."""
    return answer_prompt("", (), "", max_tokens=1)


def keeping(results: Sequence[ToolResult]) -> str | None:
    """A grammar (GBNF) of sentences that say the result as it is, where it is one figure.

    A tiny model that has begun with other digits goes on with them, so the figure's are the first that it may write.
    """
    if len(results) != 1 or not results[0].ok:
        return None
    figure = results[0].content.strip()
    if len(figure) > _LONGEST_FIGURE or not _FIGURE.fullmatch(figure):
        return None
    return f"root ::= [^0-9.!?\\n]{{0,80}} {json.dumps(figure, ensure_ascii=False)} [^\\n]{{0,80}}"
