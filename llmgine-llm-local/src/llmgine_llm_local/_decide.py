"""Stage 1: which tool does the message need, if any?

The model is shown utterances with their labels as turns of a chat, then the message, and the probabilities of the
labels are read off instead of a word being written. Two corrections make a tiny model's probabilities worth having:

- What it says to a message without content shows how it leans; part of that is taken off (contextual calibration, Zhao
  et al. 2021, https://arxiv.org/abs/2102.09690).
- A label gains by each word that the message shares with its tool's name, description and examples.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from statistics import fmean

from llmgine_core.contracts import ToolDefinition
from llmgine_llm_local._examples import IDLE, NO_TOOL, example_turns, labels_of, takes_numbers
from llmgine_llm_local._prompt import Prompt, Slot, Turn, chat
from llmgine_llm_local._words import numbers, split_name, stems

__all__ = ["Leaning", "choose", "decide_prompt", "leaning_of", "leaning_prompts", "offered"]

Leaning = Mapping[str, float]
"""How likely the model finds each label when a message says nothing."""

_SYSTEM = "Name the tool that the message needs, or none."
_EMPTY_MESSAGES = ("...", "Hmm")
_LIKELY = 2000

# Measured together on 20 sets of tools and 626 questions; the optimum is flat.
_LEANING_SHARE = 0.5
_WORD_GAIN = 3.0
_MOST_WORDS = 3
_NO_TOOL_GAIN = 3.0


def offered(tools: Sequence[ToolDefinition], message: str) -> tuple[ToolDefinition, ...]:
    """The tools that the message may be for: those that need a number only if it names one."""
    named = bool(numbers(message))
    return tuple(tool for tool in tools if named or not takes_numbers(tool))


def decide_prompt(tools: Sequence[ToolDefinition], message: str, earlier: Sequence[Turn] = ()) -> Prompt:
    """Ask for the label of the message, after the examples and the labels of the user's earlier messages."""
    messages = chat(_SYSTEM, [*example_turns(tools), *earlier], message)
    return Prompt(slot=Slot.DECIDE, messages=messages, max_tokens=1, likely=_LIKELY)


def leaning_prompts(tools: Sequence[ToolDefinition]) -> list[Prompt]:
    """Ask for the label of messages that say nothing."""
    return [decide_prompt(tools, message) for message in _EMPTY_MESSAGES]


def leaning_of(tools: Sequence[ToolDefinition], answers: Sequence[Mapping[str, float]]) -> Leaning:
    """How the model leans, from its answers to `leaning_prompts`."""
    scores = [_label_scores(tools, likely) for likely in answers]
    return {label: fmean(score[label] for score in scores) for label in scores[0]}


def choose(
    tools: Sequence[ToolDefinition],
    candidates: Sequence[ToolDefinition],
    message: str,
    likely: Mapping[str, float],
    leaning: Leaning,
    *,
    required: bool = False,
) -> ToolDefinition | None:
    """The tool that the message needs, or None.

    Args:
        tools: all tools, as they were shown to the model.
        candidates: those that may be chosen.
        message: what the user says.
        likely: the model's answer to `decide_prompt`.
        leaning: its answer to messages that say nothing.
        required: whether a tool must be chosen.
    """
    labels, likely_labels = labels_of(tools), _label_scores(tools, likely)
    words = _shared_words(tools, message)

    def score(name: str) -> float:
        label = labels.get(name, NO_TOOL)
        return likely_labels[label] - _LEANING_SHARE * leaning[label] + _WORD_GAIN * min(words[name], _MOST_WORDS)

    best = max(candidates, key=lambda tool: score(tool.name), default=None)
    if best is None or required:
        return best
    return best if score(best.name) > score(NO_TOOL) + _NO_TOOL_GAIN else None


def _label_scores(tools: Sequence[ToolDefinition], likely: Mapping[str, float]) -> dict[str, float]:
    # What is not among the likeliest is less likely than the last of them.
    floor = min(likely.values(), default=0.0)
    return {label: _first_token(label, likely, floor) for label in [*labels_of(tools).values(), NO_TOOL]}


def _first_token(label: str, likely: Mapping[str, float], floor: float) -> float:
    heads = (label[:length] for length in range(len(label), 0, -1))
    return next((likely[head] for head in heads if head in likely), floor)


def _shared_words(tools: Sequence[ToolDefinition], message: str) -> dict[str, float]:
    known = {tool.name: _vocabulary(tool) for tool in tools}
    known[NO_TOOL] = stems(" ".join(IDLE))
    # A word that several know sets none of them apart.
    shared = Counter(word for words in known.values() for word in words)
    said = stems(message)
    return {name: sum(1 / shared[word] for word in said & words) for name, words in known.items()}


def _vocabulary(tool: ToolDefinition) -> frozenset[str]:
    # Names inside an example belong to the example, not to the tool.
    examples = re.sub(
        r"(?<=\s)[A-Z]\w+", "", " ".join(f" {example[:1].lower()}{example[1:]}" for example in tool.examples)
    )
    return stems(" ".join(split_name(tool.name))) | stems(tool.description) | stems(examples)
