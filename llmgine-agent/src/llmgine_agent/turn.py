"""The turn loop: history in, model, tool calls, history out.

A turn writes to the history in whole groups only: what the user said together with the model's calls and all their
results, or with the answer. So a turn that fails leaves no question without an answer, and one that is cancelled
leaves no call without a result.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Any

import anyio
import attrs

from llmgine_core import (
    ChatMessage,
    FinishReason,
    LanguageModelError,
    LLMCompleted,
    LLMRequest,
    LLMResponse,
    LLMTextDelta,
    PluginNotFoundError,
    RunTurn,
    StoppedBy,
    StreamTurn,
    ToolArgumentsError,
    ToolCall,
    ToolCallPart,
    ToolDefinition,
    ToolOutcome,
    ToolResult,
    ToolSchemaError,
    TurnCompleted,
    TurnResult,
    TurnStreamEvent,
    TurnTextDelta,
    TurnToolCall,
    TurnToolResult,
    UnknownType,
    Usage,
    abc,
)

__all__ = ["TurnHandlers"]

_STOPPED_BY = {
    FinishReason.LENGTH: StoppedBy.LENGTH,
    FinishReason.CONTENT_FILTER: StoppedBy.CONTENT_FILTER,
    FinishReason.REFUSAL: StoppedBy.REFUSAL,
}


class TurnHandlers:
    """The handlers of `RunTurn` and `StreamTurn`.

    Args:
        app: the application whose models, tools and histories the turns use.
    """

    def __init__(self, app: abc.Application) -> None:
        self._app = app

    def register(self) -> None:
        """Register both on the application's bus."""
        self._app.bus.register_command_handler(RunTurn, self.run)
        self._app.bus.register_command_handler(StreamTurn, self.stream)

    async def run(self, command: RunTurn) -> TurnResult:
        """Answer in one piece.

        Raises:
            ValueError: the command belongs to no session.
            LanguageModelError: the model cannot answer.
            TimeoutError: the turn's time is up.
        """
        async with aclosing(_Turn(self._app, command, streamed=False).events()) as events:
            async for event in events:
                if isinstance(event, TurnCompleted):
                    return event.result
        raise AssertionError("a turn ends with its result or an exception")

    async def stream(self, command: StreamTurn) -> AsyncIterator[TurnStreamEvent]:
        """Answer step by step; raises as `run` does."""
        async with aclosing(_Turn(self._app, command, streamed=True).events()) as events:
            async for event in events:
                yield event


class _Clock:
    """What is left of a turn's time. No scope is held open across a `yield`; each single wait gets one."""

    def __init__(self, seconds: float | None) -> None:
        self._end = None if seconds is None else anyio.current_time() + seconds

    def limit(self) -> Any:
        """A block that raises TimeoutError when the turn's time is up."""
        return anyio.fail_after(None if self._end is None else max(0.0, self._end - anyio.current_time()))


class _Turn:
    """One turn.

    Args:
        app: the application.
        command: what is asked.
        streamed: whether the model is asked for its answer step by step.
    """

    def __init__(self, app: abc.Application, command: RunTurn | StreamTurn, *, streamed: bool) -> None:
        self._session = app.session_of(command)
        self._model = app.llm(command.llm)
        self._command, self._streamed = command, streamed
        self._clock = _Clock(command.timeout)
        self._added: list[ChatMessage] = []
        self._unsaved: list[ChatMessage] = [ChatMessage.user(command.text)]
        self._usage = Usage()
        if isinstance(command.output, UnknownType):
            raise ToolSchemaError(str(command.output.document), "no type of that name is imported where the turn runs")
        self._format = None if command.output is None else self._session.tools.output_format(command.output)
        self._output: Any = None
        self._asides: tuple[ChatMessage, ...] = ()  # the round of repair, which the history does without

    async def events(self) -> AsyncGenerator[TurnStreamEvent]:
        """The turn's events; the last is `TurnCompleted`."""
        for step in range(1, self._command.max_steps + 1):
            request = await self._request(may_call=step < self._command.max_steps)
            answer: LLMResponse | None = None
            async with aclosing(self._ask(request)) as steps:
                async for event in steps:
                    if isinstance(event, LLMResponse):
                        answer = event
                    else:
                        yield event
            assert answer is not None
            self._usage += answer.usage
            if answer.message.tool_calls and step < self._command.max_steps:
                for call in answer.message.tool_calls:
                    yield TurnToolCall(call)
                for result in await self._call_tools(answer.message):
                    yield TurnToolResult(result)
            elif self._is_final(answer, step):
                await self._save(_without_calls(answer.message))
                yield TurnCompleted(self._result(answer, step))
                return

    # structured answers

    def _is_final(self, answer: LLMResponse, step: int) -> bool:
        """Whether the answer has the form that was asked for; one that has not gets one round of repair.

        Raises:
            LanguageModelError: the repaired answer, or one without time for a repair, does not fit either.
        """
        if self._format is None:
            return True
        try:
            self._output = self._format.read(answer.message.text)
        except ToolArgumentsError as error:
            if self._asides or step == self._command.max_steps:
                reason = f"the answer is no {self._output_name}: {'; '.join(error.faults)}"
                raise LanguageModelError(answer.model, reason) from error
            faults = "\n".join(error.faults)
            repair = (
                f"That does not fit the schema:\n{faults}\nAnswer again, with the whole corrected JSON document only."
            )
            self._asides = (_without_calls(answer.message), ChatMessage.user(repair))
            return False
        return True

    @property
    def _output_name(self) -> str:
        return getattr(self._command.output, "__name__", str(self._command.output))

    # asking the model

    async def _request(self, *, may_call: bool) -> LLMRequest:
        with self._clock.limit():
            history = await self._session.history.messages()
        command = self._command
        system = (ChatMessage.system(command.system),) if command.system else ()
        return LLMRequest(
            messages=(*system, *history, *self._unsaved, *self._asides),
            tools=self._tools(),
            tool_choice="auto" if may_call and not self._asides else "none",
            response_format=None if self._format is None else self._format.schema,
            max_output_tokens=command.max_tokens,
        )

    def _tools(self) -> tuple[ToolDefinition, ...]:
        """What the model may call; nothing where the application has no tool manager, and so no tools."""
        try:
            return self._session.tools.definitions()
        except PluginNotFoundError:
            return ()

    async def _ask(self, request: LLMRequest) -> AsyncGenerator[TurnTextDelta | LLMResponse]:
        if not self._streamed:
            with self._clock.limit():
                response = await self._model.generate(request)
            yield response
            return
        async with self._model.stream(request) as steps:
            while True:
                with self._clock.limit():
                    step = await anext(steps, None)
                if step is None:
                    raise LanguageModelError(self._model.model, "its stream ended without the answer")
                if isinstance(step, LLMCompleted):
                    yield step.response
                    return
                if isinstance(step, LLMTextDelta):
                    yield TurnTextDelta(step.text)

    # calling tools

    async def _call_tools(self, message: ChatMessage) -> list[ToolResult]:
        """Make the calls in parallel and save them with their results; calls that a cancellation cuts short say so."""
        calls = message.tool_calls
        results: dict[int, ToolResult] = {}
        try:
            with self._clock.limit():
                async with anyio.create_task_group() as tasks:
                    for index, call in enumerate(calls):
                        tasks.start_soon(self._call_tool, index, call, results)
        finally:
            ordered = [results.get(i) or _cancelled(call) for i, call in enumerate(calls)]
            with anyio.CancelScope(shield=True):
                await self._save(message, ChatMessage.tool(*ordered))
        return ordered

    async def _call_tool(self, index: int, call: ToolCall, results: dict[int, ToolResult]) -> None:
        results[index] = await self._session.tools.execute_tool_call(call)

    # writing down

    async def _save(self, *messages: ChatMessage) -> None:
        self._unsaved += [m for m in messages if m.parts]
        self._added += self._unsaved
        saved, self._unsaved = self._unsaved, []
        await self._session.history.add_all(saved)

    def _result(self, answer: LLMResponse, steps: int) -> TurnResult:
        unmade = answer.message.tool_calls
        reason = StoppedBy.MAX_STEPS if unmade else _STOPPED_BY.get(answer.finish_reason, StoppedBy.ANSWER)
        return TurnResult(
            text=answer.message.text,
            output=self._output,
            messages=tuple(self._added),
            usage=self._usage,
            steps=steps,
            stopped_by=reason,
        )


def _without_calls(message: ChatMessage) -> ChatMessage:
    """The answer without calls that nobody will make any more."""
    if not message.tool_calls:
        return message
    return attrs.evolve(message, parts=tuple(p for p in message.parts if not isinstance(p, ToolCallPart)))


def _cancelled(call: ToolCall) -> ToolResult:
    return ToolResult(call.id, call.name, "the call was cancelled", ToolOutcome.CANCELLED)
