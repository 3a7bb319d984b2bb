"""Faults of the configuration."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from llmgine_core.config._model import LISTS

__all__ = ["Faults"]


class Faults(list[str]):
    """What is wrong, in the order in which it was found.

    Attributes:
        hides_denial: whether something is wrong that may hide which distributions must not be imported.
    """

    hides_denial: bool = False

    def add_hiding(self, fault: str) -> None:
        """Note a fault that may hide what is denied."""
        self.append(fault)
        self.hides_denial = True

    def add_unknown_key(self, where: str, key: str, known: Sequence[str]) -> None:
        """Note that a key is not known, with the nearest that is."""
        near = difflib.get_close_matches(key, known, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        self.append(f"{where}: unknown key {key!r}{hint}; known: {', '.join(sorted(known))}")
        self.hides_denial |= bool(near) and near[0].lower().endswith(LISTS)
