"""Stage 2: the arguments of the chosen tool.

The tool's JSON Schema is narrowed to the message: a string may be a run of its words, a number one of its numbers. What
fits the narrowed schema fits the schema, so the engine can enforce it, and a tiny model has little left to get wrong.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence, Set
from typing import Any, cast

import attrs

from llmgine_core.contracts import ToolDefinition
from llmgine_llm_local._arithmetic import arithmetic
from llmgine_llm_local._prompt import Prompt, Slot, chat
from llmgine_llm_local._words import numbers, spans, split_name, stems

__all__ = ["arguments_examples", "arguments_prompt", "narrow"]

Schema = Mapping[str, Any]

_SYSTEM = "Fill in the values from the message."
_EXAMPLES = (
    ("local hour: city\nWhat time is it in Paris?", {"city": "Paris"}),
    ("play: artist\nI would like to hear some Miles Davis please", {"artist": "Miles Davis"}),
    ("message: to, text\nTell Maria that dinner is ready", {"to": "Maria", "text": "dinner is ready"}),
    ("compute: expression\nCan you work out 17 + 5 for me?", {"expression": "17 + 5"}),
    ("forecast: location\nWill it snow in New Delhi tomorrow?", {"location": "New Delhi"}),
    ("order: amount, product\nI need 3 boxes of green tea", {"amount": 3, "product": "green tea"}),
    (
        "say in: text, language\nHow do you say good evening in Swedish?",
        {"text": "good evening", "language": "Swedish"},
    ),
    ("look up: query\nSearch the web for cheap flights", {"query": "cheap flights"}),
    ("open: room\nPlease unlock the door of the office", {"room": "office"}),
)
_MAX_TOKENS = 256
_LONGEST_FREE_STRING = 80


def arguments_prompt(tool: ToolDefinition, message: str, earlier: str = "") -> Prompt | None:
    """Ask for the tool's arguments; None where it takes none.

    Args:
        tool: the tool to call.
        message: what the user says.
        earlier: what the user said before; its words may be meant where the message names nothing.
    """
    schema = narrow(tool.parameters, message, earlier, known=stems(" ".join(split_name(tool.name))))
    if not schema.get("properties"):
        return None
    asked = f"{tool.name}: {', '.join(schema['properties'])}\n{message}"
    return _prompt(asked, _MAX_TOKENS, schema)


def arguments_examples() -> Prompt:
    """What every question for arguments begins with, as a prompt."""
    return _prompt("", 1, None)


def _prompt(asked: str, max_tokens: int, schema: Schema | None) -> Prompt:
    turns = [(shown, json.dumps(values, ensure_ascii=False)) for shown, values in _EXAMPLES]
    return Prompt(slot=Slot.ARGUMENTS, messages=chat(_SYSTEM, turns, asked), max_tokens=max_tokens, schema=schema)


def narrow(schema: Schema, message: str, earlier: str = "", known: Set[str] = frozenset()) -> dict[str, Any]:
    """The schema with what the message cannot mean taken away; whatever fits it fits the schema.

    An optional property stays only if the message says something of it, and is then required.

    Args:
        schema: JSON Schema of an object.
        message: what the user says.
        earlier: what the user said before; it counts for kinds of values of which the message has none.
        known: stems of words that name the tool and so are no value.
    """
    words = _Words.of(message, earlier, known)
    required: Sequence[str] = schema.get("required", ())
    parts: dict[str, Schema] = {name: _plain(part, schema) for name, part in schema.get("properties", {}).items()}
    alone = sum(part.get("type") == "string" for part in parts.values()) == 1
    kept = {
        name: words.narrowed(part, alone=alone)
        for name, part in parts.items()
        if name in required or words.speaks_of(part, alone=len(parts) == 1)
    }
    return {**schema, "properties": kept, "required": list(kept)}


def _plain(part: Schema, root: Schema) -> Schema:
    """A property's schema with its reference followed and, of alternatives, the first that is not null."""
    if str(part.get("$ref", "")).startswith("#/"):
        target: Any = root
        for key in str(part["$ref"]).removeprefix("#/").split("/"):
            target = target[key]
        return _plain(cast("Schema", target), root)
    options: Sequence[Schema] = part.get("anyOf") or part.get("oneOf") or ()
    return next((_plain(option, root) for option in options if option.get("type") != "null"), part)


def _values(message: str, known: Set[str]) -> list[str]:
    # "time", "today" or "me" is no value; what has no letters at all may be one.
    return [span for span in spans(message) if stems(span) - known or not any(map(str.isalpha, span))]


@attrs.frozen
class _Words:
    """What a message offers as values."""

    text: str
    sums: Sequence[str]
    strings: Sequence[str]
    numbers: Sequence[int | float]

    @classmethod
    def of(cls, message: str, earlier: str, known: Set[str]) -> _Words:
        """Those of the message, or those of the one before it."""
        strings = _values(message, known) or _values(earlier, known)
        return cls(message.lower(), arithmetic(message), strings, numbers(message) or numbers(earlier))

    def speaks_of(self, schema: Schema, *, alone: bool) -> bool:
        """Whether the message says something of an optional property; `alone` if the tool has no other."""
        if "enum" in schema:
            return bool(self._mentioned(schema["enum"]))
        if schema.get("type") in ("integer", "number"):
            return bool(self._fitting(schema))
        return alone and schema.get("type") == "string" and bool(self.strings)

    def narrowed(self, schema: Schema, *, alone: bool) -> Schema:
        """The property's schema, narrowed to what of the message can be meant; `alone` if no other is a string."""
        if "enum" in schema:
            return {**schema, "enum": self._mentioned(schema["enum"]) or schema["enum"]}
        if schema.get("type") in ("integer", "number"):
            return {"enum": fitting} if (fitting := self._fitting(schema)) else schema
        if schema.get("type") == "string" and not {"const", "format", "pattern"} & schema.keys():
            return self._string(schema, self.sums if alone and self.sums else [*self.sums, *self.strings])
        return schema

    def _string(self, schema: Schema, values: Sequence[str]) -> Schema:
        low, high = schema.get("minLength", 0), schema.get("maxLength", _LONGEST_FREE_STRING)
        fitting = [text for text in values if low <= len(text) <= high]
        return {"enum": fitting} if fitting else {**schema, "maxLength": max(low, min(high, _LONGEST_FREE_STRING))}

    def _mentioned(self, values: Sequence[Any]) -> list[Any]:
        return [value for value in values if str(value).lower().replace("_", " ") in self.text]

    def _fitting(self, schema: Schema) -> list[int | float]:
        whole = schema.get("type") == "integer"
        return [number for number in self.numbers if _within(number, schema) and (not whole or number == int(number))]


def _within(number: float, schema: Schema) -> bool:
    low: float = schema.get("minimum", number)
    high: float = schema.get("maximum", number)
    above: float = schema.get("exclusiveMinimum", number - 1)
    below: float = schema.get("exclusiveMaximum", number + 1)
    return low <= number <= high and above < number < below
