"""Runs a measure beside its limit, and says how the figures stand to the goals."""

from __future__ import annotations

import asyncio
import gc
import math
from contextlib import AsyncExitStack
from typing import Literal

import attrs

from benchmarks.adapter import Adapter, NotOfferedError
from benchmarks.loops import Size
from benchmarks.measures import Measure

__all__ = ["Row", "Verdict", "missed", "run"]

Verdict = Literal["aim", "must", "missed", "reported"]

DEADLINE = 600.0
"""Seconds for one measure; a bus that loses an event is waited for no longer."""


@attrs.frozen(kw_only=True)
class Row:
    """What came out for one measure. Times are seconds.

    Attributes:
        measure: what was measured.
        limit: the limit's figure.
        value: the bus's figure; None where there is none.
        note: why there is none.
    """

    measure: Measure
    limit: float | None = None
    value: float | None = None
    note: str = ""

    @property
    def ratio(self) -> float | None:
        """The bus's figure, as a multiple of the limit's."""
        return None if self.value is None or not self.limit else self.value / self.limit

    @property
    def verdict(self) -> Verdict:
        """Which goal is met; a figure that is bound and could not be taken has missed."""
        measure = self.measure
        if measure.must is None:
            return "reported"
        figure = self.ratio if measure.bound == "ratio" else self.value
        if figure is None or math.isnan(figure) or figure > measure.must:
            return "missed"
        return "aim" if measure.aim is not None and figure <= measure.aim else "must"


def missed(rows: list[Row]) -> list[Row]:
    """The rows that do not reach what they must."""
    return [row for row in rows if row.verdict == "missed"]


def run(measure: Measure, adapter: Adapter, size: Size, repeat: int, *, deadline: float = DEADLINE) -> Row:
    """Measure one bus, and the limit in turns with it.

    Args:
        measure: what to measure.
        adapter: the bus.
        size: of a round.
        repeat: most rounds of each.
        deadline: seconds for all of them.

    Raises:
        TimeoutError: they took longer.
    """
    rounds = min(repeat, measure.rounds or repeat)
    try:
        limit, value = asyncio.run(asyncio.wait_for(take_turns(measure, adapter, size, rounds), deadline))
    except NotOfferedError as error:
        return Row(measure=measure, note=str(error))
    return Row(measure=measure, limit=limit, value=value)


async def take_turns(measure: Measure, adapter: Adapter, size: Size, rounds: int) -> tuple[float | None, float]:
    """The figures of limit and subject; they take turns, so that both see the machine in the same state."""
    async with AsyncExitStack() as stack:
        subjects = [measure.limit, measure.subject] if measure.limit else [measure.subject]
        contestants = [await stack.enter_async_context(subject(adapter, size)) for subject in subjects]
        figures: list[list[float]] = [[] for _ in contestants]
        for _ in range(rounds):
            for once, taken in zip(contestants, figures, strict=True):
                gc.collect()  # each pays for its own garbage, not for that of the one before
                taken.append(await once())
    keep = min if measure.keep == "best" else max
    *limit, value = (keep(taken) for taken in figures)
    return (limit[0] if limit else None), value
