"""One call of the model: the stages in their order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any
from uuid import uuid4

import attrs

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
    ToolDefinition,
    Usage,
)
from llmgine_core.errors import LanguageModelError
from llmgine_llm_local._answer import answer_prompt
from llmgine_llm_local._arguments import arguments_prompt
from llmgine_llm_local._conversation import Conversation
from llmgine_llm_local._decide import Leaning, choose, decide_prompt, leaning_of, leaning_prompts, offered
from llmgine_llm_local._engine import Engine, OnText, Stopped
from llmgine_llm_local._examples import NO_TOOL, example_turns, labels_of
from llmgine_llm_local._prompt import Completion, Prompt, Turn
from llmgine_llm_local._talk import talk_prompt

__all__ = ["Emit", "Leanings", "ModelTurn"]

Emit = Callable[[LLMStreamEvent], None]
Leanings = dict[tuple[Turn, ...], Leaning]
"""How the model leans, by the examples that it was shown."""

_EARLIER_TURNS = 2
_MOST_LEANINGS = 64
_SPEECHLESS = "I have no answer to that."


@attrs.define
class ModelTurn:
    """Answers one request, on a worker thread.

    Attributes:
        model: the model's name.
        engine: what completes prompts.
        request: what is asked.
        max_output_tokens: most tokens of the answer if the request names no limit.
        leanings: how the model leans for each set of tools met so far; shared by all turns.
        emit: told of each step.
        stopped: says whether anybody still wants the answer.
    """

    model: str
    engine: Engine
    request: LLMRequest
    max_output_tokens: int
    leanings: Leanings
    emit: Emit
    stopped: Callable[[], bool]
    usage: Usage = attrs.field(factory=Usage)

    def run(self) -> LLMResponse:
        """Call a tool, tell what the tools gave, or talk.

        Raises:
            Stopped: nobody wants the answer any more.
            LanguageModelError: there is none.
        """
        talk = self._conversation()
        tool = None if talk.results else self._decide(talk)
        response = self._call(tool, talk) if tool else self._say(talk)
        self.emit(LLMCompleted(response))
        return response

    def _conversation(self) -> Conversation:
        try:
            return Conversation.of(self.request.messages)
        except ValueError as error:
            raise LanguageModelError(self.model, str(error)) from error

    # ── stage 1 ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def _decide(self, talk: Conversation) -> ToolDefinition | None:
        tools, choice = self.request.tools, self.request.tool_choice
        if choice not in ("auto", "none", "required"):
            return self._named(choice)
        if choice == "none" or not tools:
            return None
        candidates = tools if choice == "required" else offered(tools, talk.question)
        return self._chosen(candidates, talk) if candidates else None

    def _named(self, name: str) -> ToolDefinition:
        found = next((tool for tool in self.request.tools if tool.name == name), None)
        if found is None:
            known = ", ".join(tool.name for tool in self.request.tools) or "none"
            raise LanguageModelError(self.model, f"tool_choice names the tool {name}; the request offers {known}")
        return found

    def _chosen(self, candidates: Sequence[ToolDefinition], talk: Conversation) -> ToolDefinition | None:
        tools = self.request.tools
        leaning = self._leaning(tools)
        likely = self._complete(decide_prompt(tools, talk.question, self._earlier(talk))).likely
        required = self.request.tool_choice == "required"
        return choose(tools, candidates, talk.question, likely, leaning, required=required)

    def _leaning(self, tools: tuple[ToolDefinition, ...]) -> Leaning:
        key = tuple(example_turns(tools))
        if key not in self.leanings:
            if len(self.leanings) >= _MOST_LEANINGS:
                self.leanings.clear()
            self.leanings[key] = leaning_of(tools, [self._complete(each).likely for each in leaning_prompts(tools)])
        return self.leanings[key]

    def _earlier(self, talk: Conversation) -> list[Turn]:
        labels = labels_of(self.request.tools)
        latest = talk.earlier[-_EARLIER_TURNS:]
        return [(exchange.message, labels.get(exchange.tool or "", NO_TOOL)) for exchange in latest]

    # ── stage 2 ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def _call(self, tool: ToolDefinition, talk: Conversation) -> LLMResponse:
        earlier = talk.earlier[-1].message if talk.earlier else ""
        prompt = arguments_prompt(tool, talk.question, earlier)
        arguments = self._complete(prompt).text if prompt else "{}"
        call = ToolCall(f"call_{uuid4().hex}", tool.name, arguments)
        self.emit(LLMToolCallDelta(0, call.id, call.name, call.arguments))
        return self._response(ChatMessage.assistant(tool_calls=(call,)), FinishReason.TOOL_CALLS)

    # ── stage 3 ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def _say(self, talk: Conversation) -> LLMResponse:
        limits: dict[str, Any] = {
            "max_tokens": self.request.max_output_tokens or self.max_output_tokens,
            "schema": self.request.response_format,
            "options": self._options(),
        }
        prompt = (
            answer_prompt(talk.question, talk.results, talk.system, **limits)
            if talk.results
            else talk_prompt(talk.talk, talk.system, **limits)
        )
        said = self._complete(prompt, self._on_text)
        reason = FinishReason.LENGTH if said.cut else FinishReason.STOP
        return self._response(ChatMessage.assistant(said.text or self._speechless()), reason)

    def _speechless(self) -> str:
        # A tiny model can end before its first word; an empty message would be a hole in the history.
        self.emit(LLMTextDelta(_SPEECHLESS))
        return _SPEECHLESS

    def _options(self) -> dict[str, Any]:
        request = self.request
        asked = {
            "temperature": request.temperature,
            "top_p": request.top_p,
            "seed": request.seed,
            "stop": list(request.stop) or None,
        }
        return {**{name: value for name, value in asked.items() if value is not None}, **request.extra}

    def _on_text(self, text: str) -> bool:
        if not self.stopped():
            self.emit(LLMTextDelta(text))
        return self.stopped()

    # ── all stages ───────────────────────────────────────────────────────────────────────────────────────────────────

    def _complete(self, prompt: Prompt, on_text: OnText | None = None) -> Completion:
        if self.stopped():
            raise Stopped
        done = self.engine.complete(prompt, on_text or (lambda _: self.stopped()))
        self.usage += Usage(done.input_tokens, done.output_tokens, done.cached_tokens)
        return done

    def _response(self, message: ChatMessage, reason: FinishReason) -> LLMResponse:
        return LLMResponse(
            id=f"local_{uuid4().hex}", model=self.model, message=message, finish_reason=reason, usage=self.usage
        )
