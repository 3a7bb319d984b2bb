"""Computing what each call begins with before anybody asks."""

from __future__ import annotations

from llmgine_llm_local._answer import answer_examples
from llmgine_llm_local._arguments import arguments_examples
from llmgine_llm_local._engine import Engine
from llmgine_llm_local._talk import talk_examples

__all__ = ["warm"]


def warm(engine: Engine) -> None:
    """Let the engine read the examples of the stages that are the same for all tools.

    Those of the first stage depend on the tools, so the first turn with a set of tools reads them.
    """
    for prompt in (arguments_examples(), answer_examples(), talk_examples()):
        engine.complete(prompt, lambda _: False)
