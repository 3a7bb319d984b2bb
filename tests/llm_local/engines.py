"""Engines that stand in for llama.cpp."""

from collections.abc import Callable, Iterable, Mapping

import attrs

from llmgine_llm_local._engine import Stopped
from llmgine_llm_local._prompt import Completion, Prompt


@attrs.define
class ScriptedEngine:
    """Answers prompts from a list and keeps them."""

    answers: list[Completion]
    prompts: list[Prompt] = attrs.field(factory=list[Prompt])

    def complete(self, prompt: Prompt, on_text: Callable[[str], bool]) -> Completion:
        self.prompts.append(prompt)
        answer = self.answers.pop(0)
        if any(on_text(word) for word in answer.text.split()):
            raise Stopped
        return answer


def likely(scores: Mapping[str, float]) -> Completion:
    """The answer of an engine that finds these first tokens likely."""
    return Completion(likely=dict(scores), input_tokens=10, output_tokens=1)


def deciding(*labels: str) -> Iterable[Completion]:
    """Answers of an engine that leans nowhere and then finds one label after the other the likeliest."""
    even = {"none": -3.0, "time": -3.0, "weather": -3.0}
    return [likely(even), likely(even), *(likely({**even, label: -0.1}) for label in labels)]
