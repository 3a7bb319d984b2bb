"""Computing what each call begins with before anybody asks."""

from llmgine_llm_local._prompt import Completion, Slot
from llmgine_llm_local._warm import warm
from tests.llm_local.engines import ScriptedEngine


def test_every_stage_that_is_the_same_for_all_tools_is_read_once() -> None:
    engine = ScriptedEngine([Completion()] * 3)
    warm(engine)
    assert [prompt.slot for prompt in engine.prompts] == [Slot.ARGUMENTS, Slot.ANSWER, Slot.TALK]
    assert {prompt.max_tokens for prompt in engine.prompts} == {1}
