"""The engine: llama.cpp inside the process, through xllamacpp."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Protocol

import attrs

from llmgine_core.errors import ContextLengthError, LanguageModelError
from llmgine_llm_local._prompt import Completion, Prompt, Slot

__all__ = ["Engine", "LlamaEngine", "OnText", "Stopped"]

OnText = Callable[[str], bool]
"""Told of each piece of text as it is written; says whether to stop."""

_FIRST = Prompt(slot=Slot.TALK, messages=({"role": "system", "content": ""},), max_tokens=1)


class Stopped(Exception):  # noqa: N818 - nothing went wrong
    """Nobody wants the rest of the answer."""


class Engine(Protocol):
    """Completes prompts. Its calls block, and may come from several threads at a time."""

    def complete(self, prompt: Prompt, on_text: OnText) -> Completion:
        """Write what follows the prompt.

        Raises:
            Stopped: `on_text` said so.
            ContextLengthError: the prompt does not fit the window.
            LanguageModelError: the prompt cannot be completed.
        """
        ...


class _Server(Protocol):
    """What is used of `xllamacpp.Server`, which has no type hints."""

    def handle_chat_completions(
        self, body: Mapping[str, Any], on_chunk: Callable[[dict[str, Any]], bool] | None = None, /
    ) -> dict[str, Any] | None: ...


class LlamaEngine:
    """A model in memory, from construction until the last reference goes.

    Args:
        weights: the model in GGUF form.
        n_ctx: the window in tokens, which the slots share.
        threads: threads of computation.

    Raises:
        LanguageModelError: llama.cpp cannot load the file.
    """

    def __init__(self, weights: Path, *, n_ctx: int, threads: int = 1) -> None:
        self._model = weights.stem
        # A port on 127.0.0.1 would be open to every user of the machine; a socket in this folder is open to nobody.
        self._folder = TemporaryDirectory(prefix="llmgine-", ignore_cleanup_errors=True)
        try:
            self._server: _Server | None = _serve(weights, Path(self._folder.name), n_ctx, threads)
        except (RuntimeError, ValueError) as error:
            self._folder.cleanup()
            raise LanguageModelError(self._model, f"llama.cpp cannot load {weights}") from error
        # xllamacpp hangs for good if it is let go before its own thread has begun, as it has once it has answered.
        self.complete(_FIRST, lambda _: False)

    def close(self) -> None:
        """Free the memory as soon as no call is running any more."""
        self._server = None
        self._folder.cleanup()

    def complete(self, prompt: Prompt, on_text: OnText) -> Completion:
        """Write what follows the prompt; see `Engine`."""
        if self._server is None:
            raise LanguageModelError(self._model, "it is closed")
        answer = _Answer(self._model, on_text)
        try:
            whole = self._server.handle_chat_completions(_body(prompt), answer.read)
        except ValueError as error:
            raise LanguageModelError(self._model, f"llama.cpp refuses the request: {error}") from error
        if whole is not None:
            answer.read(whole)
        return answer.completion()


def _serve(weights: Path, folder: Path, n_ctx: int, threads: int) -> _Server:
    # Imported when it is needed, for its size; by name, for it has no type hints.
    xllamacpp: Any = import_module("xllamacpp")
    params: Any = xllamacpp.CommonParams()
    params.model.path = str(weights)
    params.hostnames = [str(folder / "llama.sock")]
    params.n_ctx = n_ctx
    params.n_parallel = len(Slot)
    params.kv_unified = True
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = threads
    params.cache_ram_mib = 0
    params.verbosity = -1
    server: _Server = xllamacpp.Server(params)
    return server


def _body(prompt: Prompt) -> dict[str, Any]:
    body: dict[str, Any] = {
        "temperature": 0,
        "seed": 0,
        **prompt.options,
        "messages": list(prompt.messages),
        "max_tokens": prompt.max_tokens,
        "id_slot": int(prompt.slot),
        "cache_prompt": True,
    }
    if prompt.schema is not None:
        named = {"name": "answer", "schema": prompt.schema}
        body["response_format"] = {"type": "json_schema", "json_schema": named}
    if prompt.grammar is not None:
        body["grammar"] = prompt.grammar
    if prompt.likely:
        return {**body, "logprobs": True, "top_logprobs": prompt.likely}
    return {**body, "stream": True, "stream_options": {"include_usage": True}}


@attrs.define
class _Answer:
    """Puts the chunks of a stream, or a whole answer, together."""

    model: str
    on_text: OnText
    pieces: list[str] = attrs.field(factory=list[str])
    likely: dict[str, float] = attrs.field(factory=dict[str, float])
    usage: Mapping[str, Any] = attrs.field(factory=dict[str, Any])
    finish: str | None = None
    error: Mapping[str, Any] | None = None
    stopped: bool = False

    def read(self, chunk: Mapping[str, Any]) -> bool:
        """Take one chunk in; whether to stop."""
        self.error = chunk.get("error", self.error)
        self.usage = chunk.get("usage") or self.usage
        for choice in chunk.get("choices", ()):
            self._read_choice(choice)
        return self.stopped

    def _read_choice(self, choice: Mapping[str, Any]) -> None:
        self.finish = choice.get("finish_reason") or self.finish
        if choice.get("logprobs"):
            self._read_likely(choice["logprobs"]["content"])
        said: Mapping[str, str | None] = choice["delta"] if "delta" in choice else choice["message"]
        if text := said.get("content"):
            self.pieces.append(text)
            self.stopped = self.stopped or self.on_text(text)

    def _read_likely(self, tokens: list[Mapping[str, Any]]) -> None:
        # Several tokens can read alike; the likeliest comes first and counts.
        for entry in tokens[0]["top_logprobs"] if tokens else ():
            self.likely.setdefault(entry["token"], entry["logprob"])

    def completion(self) -> Completion:
        """What was put together.

        Raises:
            Stopped: it was left unfinished on request.
            LanguageModelError: llama.cpp reported an error.
        """
        if self.stopped:
            raise Stopped
        if self.error is not None:
            raise self._failure(self.error)
        details: Mapping[str, int] = self.usage.get("prompt_tokens_details", {})
        return Completion(
            text="".join(self.pieces),
            cut=self.finish == "length",
            likely=self.likely,
            input_tokens=self.usage.get("prompt_tokens", 0),
            cached_tokens=details.get("cached_tokens", 0),
            output_tokens=self.usage.get("completion_tokens", 0),
        )

    def _failure(self, error: Mapping[str, Any]) -> LanguageModelError:
        reason = str(error.get("message", "llama.cpp failed"))
        if error.get("type") == "exceed_context_size_error":
            return ContextLengthError(self.model, reason, error.get("n_ctx"))
        return LanguageModelError(self.model, reason)
