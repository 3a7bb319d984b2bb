"""A request's messages as the stages need them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

import attrs

from llmgine_core.contracts import ChatMessage, ImagePart, Role, ToolResult

__all__ = ["Conversation", "Exchange"]


@attrs.frozen
class Exchange:
    """Something that the user said earlier, and the name of the tool that was called for it, if any."""

    message: str
    tool: str | None = None


@attrs.frozen(kw_only=True)
class Conversation:
    """A conversation up to the answer that is asked for.

    Attributes:
        system: what the model is told before the conversation.
        question: what the user said last.
        results: what the tools gave for it.
        earlier: what the user said before, oldest first.
        talk: the words of all messages but the system's, as chat completion APIs take them.
    """

    system: str
    question: str
    results: tuple[ToolResult, ...]
    earlier: tuple[Exchange, ...]
    talk: tuple[Mapping[str, str], ...]

    @classmethod
    def of(cls, messages: Sequence[ChatMessage]) -> Conversation:
        """Read a request's messages.

        Raises:
            ValueError: there is nothing to answer, or a message has an image.
        """
        if any(isinstance(part, ImagePart) for message in messages for part in message.parts):
            raise ValueError("it reads no images")
        asked = [place for place, message in enumerate(messages) if message.role is Role.USER]
        if not asked:
            raise ValueError("there is no message of a user to answer")
        return cls(
            system="\n".join(message.text for message in messages if message.role is Role.SYSTEM),
            question=messages[asked[-1]].text,
            results=tuple(result for message in messages[asked[-1] :] for result in message.tool_results),
            earlier=tuple(map(_exchange, *_between(messages, asked))),
            talk=tuple(
                {"role": message.role.value, "content": message.text}
                for message in messages
                if message.role in (Role.USER, Role.ASSISTANT) and message.text
            ),
        )


def _between(
    messages: Sequence[ChatMessage], asked: Sequence[int]
) -> tuple[list[ChatMessage], list[Sequence[ChatMessage]]]:
    pairs = list(pairwise(asked))
    return [messages[start] for start, _ in pairs], [messages[start + 1 : end] for start, end in pairs]


def _exchange(asked: ChatMessage, answers: Sequence[ChatMessage]) -> Exchange:
    called = (call.name for message in answers for call in message.tool_calls)
    return Exchange(asked.text, next(called, None))
