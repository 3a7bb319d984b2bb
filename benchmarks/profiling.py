"""Says which functions a measure spends its time in."""

from __future__ import annotations

import asyncio
import cProfile
import gc
import io
import pstats

from benchmarks.adapter import Adapter
from benchmarks.loops import Size
from benchmarks.measures import Measure

__all__ = ["profile"]


def profile(measure: Measure, adapter: Adapter, size: Size, *, lines: int = 30) -> str:
    """The functions of one round, those that take most of it by themselves first.

    cProfile counts the calls truly and exaggerates the time of small functions; compare within a profile only.

    Args:
        measure: what to measure.
        adapter: the bus.
        size: of the round.
        lines: how many functions to name.
    """
    profiler = cProfile.Profile()
    asyncio.run(one_round(measure, adapter, size, profiler))
    text = io.StringIO()
    pstats.Stats(profiler, stream=text).strip_dirs().sort_stats("tottime").print_stats(lines)
    return text.getvalue().strip()


async def one_round(measure: Measure, adapter: Adapter, size: Size, profiler: cProfile.Profile) -> None:
    """Run a round under the profiler, after one without, which fills the caches."""
    async with measure.subject(adapter, size) as once:
        await once()
        gc.collect()
        with profiler:
            await once()
