"""A model that says what a test tells it to."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import aclosing, asynccontextmanager

import anyio.lowlevel

from llmgine_core.contracts import (
    ChatMessage,
    FinishReason,
    LLMCompleted,
    LLMRequest,
    LLMResponse,
    LLMStreamEvent,
    LLMTextDelta,
    LLMToolCallDelta,
    ToolCall,
    Usage,
)
from llmgine_core.errors import LanguageModelError

__all__ = ["Answer", "ScriptedModel"]

Answer = str | ToolCall | Sequence[ToolCall] | ChatMessage | Exception | Callable[[LLMRequest], "Answer"]
"""What a scripted model says: words, calls, a whole message, an error to raise, or a function of the request."""


class ScriptedModel:
    """A language model that says what a test tells it to, one answer for each request.

    Args:
        *answers: the answers, in order.

    Attributes:
        requests: what it was asked, in order.
    """

    provider = "scripted"
    model = "scripted"

    def __init__(self, *answers: Answer) -> None:
        self._answers = list(answers)
        self.requests: list[LLMRequest] = []

    async def generate(self, request: LLMRequest) -> LLMResponse:
        """The next answer.

        Raises:
            LanguageModelError: the script is at its end.
            Exception: the one that the script says.
        """
        await anyio.lowlevel.checkpoint()
        self.requests.append(request)
        if not self._answers:
            raise LanguageModelError(self.model, f"the script has no answer to request {len(self.requests)}")
        return self._response(self._answers.pop(0), request)

    @asynccontextmanager
    async def stream(self, request: LLMRequest) -> AsyncGenerator[AsyncIterator[LLMStreamEvent]]:
        """The next answer, word by word; raises as `generate` does."""
        response = await self.generate(request)
        async with aclosing(_steps(response)) as steps:
            yield steps

    def _response(self, answer: Answer, request: LLMRequest) -> LLMResponse:
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, str):
            message = ChatMessage.assistant(answer)
        elif isinstance(answer, ChatMessage):
            message = answer
        elif isinstance(answer, ToolCall):
            message = ChatMessage.assistant(tool_calls=(answer,))
        elif callable(answer):
            return self._response(answer(request), request)
        else:
            message = ChatMessage.assistant(tool_calls=tuple(answer))
        reason = FinishReason.TOOL_CALLS if message.tool_calls else FinishReason.STOP
        number = len(self.requests)
        usage = Usage(input_tokens=len(request.messages), output_tokens=1)
        return LLMResponse(
            id=f"scripted-{number}", model=self.model, message=message, finish_reason=reason, usage=usage
        )


async def _steps(response: LLMResponse) -> AsyncGenerator[LLMStreamEvent]:
    words = response.message.text.split(" ")
    for number, word in enumerate(words if response.message.text else ()):
        yield LLMTextDelta(word if number == len(words) - 1 else f"{word} ")
    for number, call in enumerate(response.message.tool_calls):
        yield LLMToolCallDelta(number, call.id, call.name, call.arguments)
    yield LLMCompleted(response)
