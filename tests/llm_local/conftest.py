"""The real model, loaded once."""

from collections.abc import Iterator

import anyio
import pytest

from llmgine_llm_local import LocalLanguageModel, LocalSettings
from llmgine_llm_local._engine import LlamaEngine
from llmgine_llm_local._weights import find_weights

# Tests that run beside others on a small machine.
THREADS = 1


@pytest.fixture(scope="session")
def model() -> Iterator[LocalLanguageModel]:
    """A loaded model. It belongs to no event loop, so tests on asyncio and on trio share it."""
    shared = LocalLanguageModel(LocalSettings(threads=THREADS, warm=False))
    anyio.run(shared.__aenter__)
    yield shared
    anyio.run(shared.__aexit__, None, None, None)


@pytest.fixture(scope="session")
def engine() -> Iterator[LlamaEngine]:
    """A loaded engine."""
    loaded = LlamaEngine(find_weights(), n_ctx=2048, threads=THREADS)
    yield loaded
    loaded.close()
