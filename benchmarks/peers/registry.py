"""The other buses, and which of them are installed here. Nothing is imported of one that is not."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from importlib import metadata
from typing import Final

from benchmarks.adapter import Adapter
from benchmarks.loops import Size
from benchmarks.measures import Measure
from benchmarks.running import Row, run

__all__ = ["PEERS", "figures", "load"]

PEERS: Final = {
    "llmgine": "llmgine_published",
    "bubus": "bubus_peer",
    "autogen-core": "autogen_peer",
    "llama-index-workflows": "workflows_peer",
    "faststream": "faststream_peer",
    "lahja": "lahja_peer",
    "python-cqrs": "cqrs_peer",
    "diator": "diator_peer",
    "python-mediator": "mediator_peer",
    "blinker": "blinker_peer",
}
"""The module of each adapter, by the distribution it needs; each has its adapter as `PEER`."""

MOST_OPERATIONS: Final = 1_000
MOST_LIVE: Final = 5_000
MOST_ROUNDS: Final = 5
DEADLINE: Final = 120.0
"""Seconds for one measure of one peer."""


def load() -> tuple[list[Adapter], dict[str, str]]:
    """The adapters of the distributions that are installed; and for each other peer why it is not measured."""
    adapters: list[Adapter] = []
    absent: dict[str, str] = {}
    for name, module in PEERS.items():
        if not is_installed(name):
            absent[name] = "not installed"
            continue
        try:
            adapters.append(importlib.import_module(f"benchmarks.peers.{module}").PEER)
        except Exception as error:  # another version of it than the adapter was written for
            absent[name] = f"{type(error).__name__}: {error}"
    return adapters, absent


def is_installed(distribution: str) -> bool:
    """Whether a distribution is installed."""
    try:
        metadata.distribution(distribution)
    except metadata.PackageNotFoundError:
        return False
    return True


def figures(peer: Adapter, measures: Sequence[Measure], size: Size, repeat: int) -> list[Row]:
    """What a peer comes to, a row for each measure; a measure on which it fails says how.

    Some peers take milliseconds for what takes us microseconds, so their rounds are smaller and fewer.
    """
    smaller = Size(operations=min(size.operations, MOST_OPERATIONS), live=min(size.live, MOST_LIVE))
    rows: list[Row] = []
    for measure in measures:
        print(f"{peer.name}: {measure.name}", file=sys.stderr, flush=True)
        try:
            rows.append(run(measure, peer, smaller, min(repeat, MOST_ROUNDS), deadline=DEADLINE))
        except TimeoutError:
            rows.append(Row(measure=measure, note=f"not done after {DEADLINE:.0f} s"))
        except Exception as error:  # whatever another bus does must not end the comparison
            rows.append(Row(measure=measure, note=f"{type(error).__name__}: {error}"))
    return rows
