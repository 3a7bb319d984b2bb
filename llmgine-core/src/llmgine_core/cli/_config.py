"""`llmgine config show`: every value of the configuration, where it was said, and what is wrong."""

from __future__ import annotations

import argparse
import json
from typing import Any

import attrs

from llmgine_core.cli._choice import read_choice
from llmgine_core.cli._output import complain, print_json, print_table
from llmgine_core.config import Value

__all__ = ["show_config"]


def show_config(parsed: argparse.Namespace) -> int:
    """Show what could be read, then the notes, then the faults.

    Returns:
        The exit code: 0, or 1 if there are faults.
    """
    choice = read_choice(parsed.config)
    values, notes = (choice.config.values, choice.config.notes) if choice.config else ((), ())
    if parsed.json:
        print_json({"values": list(map(attrs.asdict, values)), "notes": notes, "faults": choice.faults})
    else:
        print_table(("KEY", "VALUE", "SOURCE"), list(map(_row, values)), {0: "bold", 2: "dim"})
        for note in notes:
            print(f"note: {note}")
        for fault in choice.faults:
            complain(f"config: {fault}")
    return 1 if choice.faults else 0


def _row(value: Value) -> tuple[str, ...]:
    over = f" (over {', '.join(value.overrides)})" if value.overrides else ""
    return (value.key, _shown(value.value), f"{value.where}{over}")


def _shown(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)
