"""Model calls go through the bus: the handlers of the two generate commands, and their caller's side."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager

import attrs

from llmgine_core import abc
from llmgine_core.contracts import (
    ErrorInfo,
    Event,
    GenerateCommand,
    LLMCompleted,
    LLMRequest,
    LLMResponse,
    LLMStreamEvent,
    Outcome,
    StreamGenerateCommand,
    Usage,
    lifecycle_header,
)
from llmgine_core.errors import LanguageModelError, PluginNotFoundError
from llmgine_core.events import LLMRequestEvent, LLMResponseEvent, LLMStreamChunkEvent

__all__ = ["BusModel", "ModelHandlers"]


@attrs.frozen
class BusModel:
    """A configured model as applications see it: each call is a command on the bus."""

    bus: abc.MessageBus
    name: str
    provider: str
    model: str

    async def generate(self, request: LLMRequest) -> LLMResponse:
        """Answer in one piece; see `LanguageModel`."""
        return await self.bus.execute(GenerateCommand(request, self.name), timeout=request.timeout)

    def stream(self, request: LLMRequest) -> AbstractAsyncContextManager[AsyncIterator[LLMStreamEvent]]:
        """Answer step by step; see `LanguageModel`."""
        return self.bus.stream(StreamGenerateCommand(request, self.name), timeout=request.timeout)


class ModelHandlers:
    """Handles the two commands, with events before and after each call.

    Args:
        bus: where the events go.
        models: the configured models, by name.
        account: told of each call's usage and session.
    """

    def __init__(
        self,
        bus: abc.MessageBus,
        models: Mapping[str, abc.LanguageModel],
        account: Callable[[str | None, Usage], None],
    ) -> None:
        self._bus, self._models, self._account = bus, models, account

    def register(self) -> None:
        """Register both handlers."""
        self._bus.register_command_handler(GenerateCommand, self.generate)
        self._bus.register_command_handler(StreamGenerateCommand, self.stream)

    def find(self, name: str) -> abc.LanguageModel:
        """The model configured under that name.

        Raises:
            PluginNotFoundError: there is none.
        """
        if name in self._models:
            return self._models[name]
        package = None if self._models else "llmgine-llm-local"
        raise PluginNotFoundError("language model", name, tuple(self._models), package=package, selected=True)

    async def generate(self, command: GenerateCommand) -> LLMResponse:
        """Answer in one piece."""
        model = self.find(command.llm)
        call = _Call(self._bus, command, model, stream=False)
        try:
            response = await model.generate(command.request)
        except BaseException as error:
            call.failed(error)
            raise
        self._ended(call, command, response)
        return response

    async def stream(self, command: StreamGenerateCommand) -> AsyncIterator[LLMStreamEvent]:
        """Answer step by step."""
        model = self.find(command.llm)
        call = _Call(self._bus, command, model, stream=True)
        try:
            async with model.stream(command.request) as steps:
                async for step in steps:
                    call.step(step)
                    if isinstance(step, LLMCompleted):
                        self._ended(call, command, step.response)
                    yield step
            if not call.over:
                raise LanguageModelError(call.model, "its stream ended without the answer")
        except BaseException as error:
            call.failed(error)
            raise

    def _ended(self, call: _Call, command: GenerateCommand | StreamGenerateCommand, response: LLMResponse) -> None:
        self._account(command.session_id, response.usage)
        call.answered(response)


class _Call:
    """Tells of one model call: a request event now, exactly one response event later."""

    def __init__(
        self,
        bus: abc.MessageBus,
        command: GenerateCommand | StreamGenerateCommand,
        model: abc.LanguageModel,
        *,
        stream: bool,
    ) -> None:
        self._bus, self._command = bus, command
        asked = command.request.model or model.model
        self._names: tuple[str, str, str, str] = (command.id, command.llm, model.provider, asked)
        self._began = time.perf_counter()
        self._first: float | None = None
        self._steps = 0
        self.model, self.over = asked, False
        if bus.listens(LLMRequestEvent):
            self._emit(LLMRequestEvent(*self._names, stream, command.request))

    def step(self, step: LLMStreamEvent) -> None:
        if self._first is None:
            self._first = time.perf_counter() - self._began
        if self._bus.listens(LLMStreamChunkEvent, exactly=True):
            self._emit(LLMStreamChunkEvent(self._command.id, self._steps, step))
        self._steps += 1

    def answered(self, response: LLMResponse) -> None:
        self._tell(Outcome.OK, response, None)

    def failed(self, error: BaseException) -> None:
        late = isinstance(error, TimeoutError)
        outcome = Outcome.TIMEOUT if late else Outcome.ERROR if isinstance(error, Exception) else Outcome.CANCELLED
        self._tell(outcome, None, error)

    def _tell(self, outcome: Outcome, response: LLMResponse | None, error: BaseException | None) -> None:
        was_over, self.over = self.over, True
        if was_over or not self._bus.listens(LLMResponseEvent):
            return
        seconds, info = time.perf_counter() - self._began, None if error is None else ErrorInfo.from_exception(error)
        self._emit(LLMResponseEvent(*self._names, outcome, seconds, self._first, response, info, self._steps))

    def _emit(self, event: Event) -> None:
        self._bus.emit(event.with_header(lifecycle_header(self._command)))
