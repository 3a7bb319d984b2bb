"""The language model: requests in, answers out, the engine's threads in between."""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Generator
from contextlib import asynccontextmanager, contextmanager
from types import TracebackType

import anyio
import attrs
from anyio import from_thread, to_thread
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

from llmgine_core.contracts import LLMRequest, LLMResponse, LLMStreamEvent
from llmgine_core.errors import LanguageModelError
from llmgine_llm_local._engine import LlamaEngine, Stopped
from llmgine_llm_local._turn import Emit, Leanings, ModelTurn
from llmgine_llm_local._warm import warm
from llmgine_llm_local._weights import DEMONSTRATION_MODEL, find_weights
from llmgine_llm_local.settings import LocalSettings

__all__ = ["LocalLanguageModel"]

_Step = LLMStreamEvent | Exception


class LocalLanguageModel:
    """A model that llama.cpp runs inside the process; a `LanguageModel`. Enter it to load its weights.

    Args:
        settings: which model, and how it runs.
        logger: told what is loaded.
    """

    provider = "llama.cpp"

    def __init__(self, settings: LocalSettings | None = None, *, logger: logging.Logger | None = None) -> None:
        self._settings = settings or LocalSettings()
        self._logger = logger or logging.getLogger(__name__)
        self._engine: LlamaEngine | None = None
        self._leanings: Leanings = {}
        self._running: set[_Call] = set()

    @property
    def model(self) -> str:
        """The name of the file with the weights, without its suffix."""
        return self._settings.path.stem if self._settings.path else DEMONSTRATION_MODEL

    async def __aenter__(self) -> LocalLanguageModel:
        """Load the weights.

        Raises:
            WeightsNotFoundError: there are none.
            LanguageModelError: llama.cpp cannot load them.
        """
        try:
            await to_thread.run_sync(self._load)
        except BaseException:
            # Cancelled while the thread was loading: what it loaded must not stay.
            await self.__aexit__(None, None, None)
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop what is still running and free the memory."""
        engine, self._engine = self._engine, None
        for call in tuple(self._running):
            call.stopped.set()
        if engine is not None:
            with anyio.CancelScope(shield=True):
                await to_thread.run_sync(self._wait_and_close, engine)

    def _load(self) -> None:
        weights = find_weights(self._settings.path)
        self._engine = LlamaEngine(weights, n_ctx=self._settings.n_ctx, threads=self._settings.threads)
        if self._settings.path is None:
            self._logger.info(
                "%s is a tiny demonstration model; set `path` to use another in GGUF form", DEMONSTRATION_MODEL
            )
        if self._settings.warm:
            warm(self._engine)

    def _wait_and_close(self, engine: LlamaEngine) -> None:
        for call in tuple(self._running):
            call.ended.wait()
        engine.close()

    async def generate(self, request: LLMRequest) -> LLMResponse:
        """Answer in one piece; see `LanguageModel`.

        Raises:
            LanguageModelError: the model is not loaded, or cannot answer; `ContextLengthError` if the conversation is
                too long for it.
            TimeoutError: the request's timeout is up.
        """
        with anyio.fail_after(request.timeout), _Call() as call:
            return await to_thread.run_sync(self._answer, request, call, _ignore, abandon_on_cancel=True)

    @asynccontextmanager
    async def stream(self, request: LLMRequest) -> AsyncGenerator[AsyncIterator[LLMStreamEvent], None]:
        """Answer step by step; see `LanguageModel`.

        Raises:
            LanguageModelError: as `generate` does, while iterating.
            TimeoutError: the request's timeout is up, while iterating.
        """
        send, receive = anyio.create_memory_object_stream[_Step](math.inf)
        failure: Exception | None = None
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._feed, request, send)
            with receive:
                try:
                    yield _Steps(receive)
                except Exception as error:
                    failure = error  # the task group would wrap it
            tasks.cancel_scope.cancel()
        if failure is not None:
            raise failure

    async def _feed(self, request: LLMRequest, send: MemoryObjectSendStream[_Step]) -> None:
        with send:
            try:
                with anyio.fail_after(request.timeout), _Call() as call:
                    await to_thread.run_sync(self._answer, request, call, call.emitter(send), abandon_on_cancel=True)
            except Exception as error:
                send.send_nowait(error)

    def _answer(self, request: LLMRequest, call: _Call, emit: Emit) -> LLMResponse:
        engine = self._engine
        if engine is None:
            raise LanguageModelError(self.model, "it is not loaded; enter it with `async with`")
        limit = self._settings.max_output_tokens
        turn = ModelTurn(self.model, engine, request, limit, self._leanings, emit, call.stopped.is_set)
        with call.listed(self._running):
            try:
                return turn.run()
            except Stopped:
                raise LanguageModelError(self.model, "it was closed while it answered") from None


class _Call:
    """A call, as seen by the task that wants its answer and by the thread that works on it."""

    def __init__(self) -> None:
        self.stopped, self.ended = threading.Event(), threading.Event()

    def __enter__(self) -> _Call:
        return self

    def __exit__(self, *_: object) -> None:
        """Nobody waits any longer."""
        self.stopped.set()

    @contextmanager
    def listed(self, running: set[_Call]) -> Generator[None, None, None]:
        """On the thread: say that it works, and when it has ended."""
        running.add(self)
        try:
            yield
        finally:
            running.discard(self)
            self.ended.set()

    def emitter(self, send: MemoryObjectSendStream[_Step]) -> Emit:
        """Hands the thread's steps to the task."""

        def emit(step: LLMStreamEvent) -> None:
            try:
                from_thread.run_sync(send.send_nowait, step)
            except (anyio.ClosedResourceError, anyio.BrokenResourceError, RuntimeError):
                # The reader, or its whole event loop, has just gone; an error inside llama.cpp's callback helps nobody.
                self.stopped.set()

        return emit


@attrs.frozen
class _Steps:
    """The steps of a streamed answer, as they arrive from the thread."""

    receive: MemoryObjectReceiveStream[_Step]

    def __aiter__(self) -> _Steps:
        return self

    async def __anext__(self) -> LLMStreamEvent:
        try:
            step = await self.receive.receive()
        except anyio.EndOfStream:
            raise StopAsyncIteration from None
        if isinstance(step, Exception):
            raise step
        return step


def _ignore(_: LLMStreamEvent) -> None:
    """What `generate` does with steps."""
