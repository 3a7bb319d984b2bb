"""Example utterances: those of a tool, given or derived, and those that need no tool."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from llmgine_core.contracts import ToolDefinition
from llmgine_llm_local._words import split_name

__all__ = ["IDLE", "NO_TOOL", "example_turns", "label_of", "labels_of", "takes_numbers", "utterances"]

NO_TOOL = "none"
"""The label of a message that needs no tool."""

# Greetings, knowledge, chit-chat, statements: the first ones are shown to the model, the words of all of them count.
IDLE = (
    "Hello!",
    "Who painted the Mona Lisa?",
    "I like dogs.",
    "Thank you very much!",
    "What is your name?",
    "Tell me a story.",
    "What is the capital of Spain?",
    "How are you?",
    "We went to Italy last summer.",
    "Good night",
    "Why do birds sing?",
    "I bought 4 apples.",
    "Hi, nice to meet you",
    "Goodbye, thanks for your help",
    "That is great",
    "Who are you and what can you do?",
    "Write a poem or a song about love",
    "Do you know a joke?",
    "Explain why the sky is blue",
    "Who wrote this book?",
    "Good morning",
    "I think I am a bit sad",
    "What is the meaning of life?",
    "Yes, okay, I understand. Sorry!",
)
# "get_time" is about the time: the label of a tool is the word that sets it apart.
_FETCHING = frozenset({"check", "fetch", "find", "get", "look", "lookup", "query", "read", "retrieve", "show"})
_CITIES = ("London", "Madrid", "Oslo", "Cairo")
_AMOUNTS = ("7", "42", "15", "300")
# What stands in an utterance for a parameter whose name contains the word.
_FILLERS: Mapping[str, Sequence[str]] = {
    "city": _CITIES,
    "location": _CITIES,
    "place": _CITIES,
    "town": _CITIES,
    "country": ("France", "Japan", "Brazil", "Kenya"),
    "person": ("Anna", "Tom", "Maria", "Ben"),
    "language": ("French", "German", "Spanish", "Greek"),
    "expression": ("3 + 4", "12 * 5", "100 / 8", "9 - 2"),
    "formula": ("3 + 4", "12 * 5", "100 / 8", "9 - 2"),
}
_TURNS = 22
_LEAST_IDLE = 5


def label_of(name: str) -> str:
    """How a tool's name reads in words, without a leading verb that says nothing of its subject."""
    words = split_name(name)
    return " ".join(words[1:] if len(words) > 1 and words[0] in _FETCHING else words) or name


def labels_of(tools: Sequence[ToolDefinition]) -> dict[str, str]:
    """Each tool's label by its name; a tool whose label another has taken keeps its name."""
    labels: dict[str, str] = {}
    for tool in tools:
        label = label_of(tool.name)
        labels[tool.name] = tool.name if label == NO_TOOL or label in labels.values() else label
    return labels


def takes_numbers(tool: ToolDefinition) -> bool:
    """Whether nothing can be asked of the tool without a number: it requires one, or every example names one."""
    required = set(tool.parameters.get("required", ()))
    if any(kind in ("integer", "number") for name, kind in _kinds(tool).items() if name in required):
        return True
    return bool(tool.examples) and all(any(mark.isdigit() for mark in example) for example in tool.examples)


def _kinds(tool: ToolDefinition) -> dict[str, Any]:
    properties: Mapping[str, Mapping[str, Any]] = tool.parameters.get("properties", {})
    return {name: schema.get("type") for name, schema in properties.items()}


def utterances(tool: ToolDefinition) -> list[str]:
    """What a user might say for the tool: its own examples, then what its name and description suggest."""
    derived = _about(tool) if label_of(tool.name) != " ".join(split_name(tool.name)) else _doing(tool)
    return list(dict.fromkeys([*tool.examples, *derived]))


def _about(tool: ToolDefinition) -> list[str]:
    thing, whole, first = label_of(tool.name), " ".join(split_name(tool.name)), _told(tool)
    fill = _fillers(tool)
    where = [f" in {value}" if value else "" for value in fill]
    return [
        f"What is the {thing}{where[0]}?",
        f"{thing} {fill[1]}".strip(),
        f"Tell me {first}" if first else f"Tell me the {thing}{where[1]}",
        f"{whole} {fill[2]}".strip(),
        f"Do you know the {thing}{where[3]}?",
    ]


def _doing(tool: ToolDefinition) -> list[str]:
    whole, fill = " ".join(split_name(tool.name)), _fillers(tool)
    said = [
        f"{whole} {fill[0]}",
        f"Can you {whole} {fill[1]}",
        tool.description,
        f"Please {whole} {fill[2]}",
        f"I want to {whole} {fill[3]}",
    ]
    return [text.strip() for text in said if text.strip()]


def _told(tool: ToolDefinition) -> str:
    sentence = tool.description.split(". ")[0].strip().rstrip(".")
    return sentence[:1].lower() + sentence[1:]


def _fillers(tool: ToolDefinition) -> Sequence[str]:
    kinds = _kinds(tool)
    if not kinds:
        return ("",) * 4
    if any(kind in ("integer", "number") for kind in kinds.values()):
        return _AMOUNTS
    name = next(iter(kinds))
    words = split_name(name)
    return next((_FILLERS[word] for word in words if word in _FILLERS), (f"the {' '.join(words)}",) * 4)


def example_turns(tools: Sequence[ToolDefinition]) -> list[tuple[str, str]]:
    """Utterances with their labels, as many for each label, evenly mixed: a tiny model leans to what it saw last."""
    each = max(2, round(_TURNS / (len(tools) + 1.5))) if len(tools) > 1 else _TURNS // 2
    labels = labels_of(tools)
    rows = [[(said, labels[tool.name]) for said in utterances(tool)[:each]] for tool in tools]
    rows.append([(said, NO_TOOL) for said in IDLE[: max(each, _LEAST_IDLE)]])
    placed = [((place + 0.5) / len(row), turn) for row in rows for place, turn in enumerate(row)]
    return [turn for _, turn in sorted(placed, key=lambda entry: entry[0])]
