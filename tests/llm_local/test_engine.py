"""llama.cpp inside the process."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from llmgine_core.errors import ContextLengthError, LanguageModelError
from llmgine_llm_local._engine import LlamaEngine, Stopped
from llmgine_llm_local._prompt import Completion, Prompt, Slot
from llmgine_llm_local._weights import find_weights


def prompt(text: str, max_tokens: int = 16, **fields: Any) -> Prompt:
    said = ({"role": "user", "content": text},)
    return Prompt(slot=Slot.TALK, messages=said, max_tokens=max_tokens, **fields)


def go_on(_: str) -> bool:
    return False


def test_it_writes_the_same_at_every_call_and_reports_each_piece(engine: LlamaEngine) -> None:
    pieces: list[str] = []

    def note(text: str) -> bool:
        pieces.append(text)
        return False

    first, second = (engine.complete(prompt("Count to ten."), note) for _ in range(2))
    assert first.text == second.text != ""
    assert "".join(pieces) == first.text + second.text
    assert len(pieces) > 10


def test_it_counts_tokens_and_says_when_the_text_was_cut(engine: LlamaEngine) -> None:
    done = engine.complete(prompt("Write a long poem about the sea.", 5), go_on)
    again = engine.complete(prompt("Write a long poem about the sea.", 5), go_on)
    assert done.cut
    assert done.output_tokens == 5
    assert 0 < again.cached_tokens < again.input_tokens


def test_it_reports_the_likeliest_first_tokens(engine: LlamaEngine) -> None:
    likely = engine.complete(prompt("Say yes or no.", 1, likely=50), go_on).likely
    assert len(likely) > 20
    assert all(score <= 0 for score in likely.values())


def test_what_it_writes_fits_the_schema(engine: LlamaEngine) -> None:
    schema = {
        "type": "object",
        "properties": {"city": {"enum": ["Rome", "Köln"]}, "days": {"enum": [3, 14]}},
        "required": ["city", "days"],
    }
    written = json.loads(engine.complete(prompt("Fourteen days in Köln", 64, schema=schema), go_on).text)
    assert written["city"] in ("Rome", "Köln")
    assert written["days"] in (3, 14)


def test_what_it_writes_fits_the_grammar(engine: LlamaEngine) -> None:
    assert engine.complete(prompt("Hello", grammar='root ::= "blue" | "green"'), go_on).text in ("blue", "green")


def test_it_stops_when_told(engine: LlamaEngine) -> None:
    pieces: list[str] = []

    def stop_at_three(text: str) -> bool:
        pieces.append(text)
        return len(pieces) == 3

    with pytest.raises(Stopped):
        engine.complete(prompt("Write a long poem about the sea.", 1000), stop_at_three)
    assert len(pieces) == 3


def test_a_prompt_longer_than_the_window_is_refused_with_the_windows_size(engine: LlamaEngine) -> None:
    with pytest.raises(ContextLengthError) as caught:
        engine.complete(prompt("word " * 5000), go_on)
    assert caught.value.limit == 2048


@pytest.mark.parametrize("fields", [{"schema": {"type": "objct"}}, {"options": {"messages": 1, "top_p": "x"}}])
def test_a_request_that_llama_cpp_refuses_is_a_language_model_error(
    engine: LlamaEngine, fields: dict[str, Any]
) -> None:
    with pytest.raises(LanguageModelError, match="SmolLM2"):
        engine.complete(prompt("Hello", **fields), go_on)


def test_several_threads_are_served(engine: LlamaEngine) -> None:
    def ask(slot: Slot) -> Completion:
        asked = Prompt(slot=slot, messages=({"role": "user", "content": "Hello"},), max_tokens=4)
        return engine.complete(asked, go_on)

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(ask, [*Slot, *Slot]))
    assert all(done.text for done in answers)


def test_no_port_is_opened(engine: LlamaEngine) -> None:
    address: str = vars(engine)["_server"].listening_address
    assert address.startswith("unix:")


def test_a_file_that_is_no_model_is_named(tmp_path: Path) -> None:
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(b"GGUF but not really")
    with pytest.raises(LanguageModelError, match=r"broken: llama\.cpp cannot load .*broken\.gguf"):
        LlamaEngine(broken, n_ctx=1024)


def test_a_closed_engine_says_so_and_leaves_no_folder() -> None:
    engine = LlamaEngine(find_weights(), n_ctx=1024, threads=1)
    folder = Path(vars(engine)["_folder"].name)
    assert folder.is_dir()
    engine.close()
    engine.close()
    assert not folder.exists()
    with pytest.raises(LanguageModelError, match="closed"):
        engine.complete(prompt("Hello"), go_on)
