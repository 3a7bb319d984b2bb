"""Buses that break what is promised to those who look on."""

# Who breaks a bus reaches into it.
# pyright: reportPrivateUsage=false, reportUnknownArgumentType=false, reportUnknownLambdaType=false

from collections.abc import Generator
from typing import Any

import attrs

from llmgine_core import BusStats, MessageBus
from tests.contracts.broken_buses.table import breaks, spoil


@breaks("EVENT-5")
class CountsNoUnmatched(MessageBus):
    def stats(self) -> BusStats:
        return attrs.evolve(super().stats(), unmatched=0)


@breaks("EVENT-18")
class CountsNoAbandonedThreads(MessageBus):
    def stats(self) -> BusStats:
        return attrs.evolve(super().stats(), abandoned_threads=0)


@breaks("BOOKS-2")
class MiscountsInsideHandlers(MessageBus):
    def stats(self) -> BusStats:
        stats = super().stats()
        if self._engine.frame() is None:
            return stats
        return attrs.evolve(stats, total=attrs.evolve(stats.total, pending=stats.total.pending + 1))


@breaks("BOOKS-3")
class TakesTheExpiredForDropped(MessageBus):
    def stats(self) -> BusStats:
        stats = super().stats()
        total = attrs.evolve(stats.total, dropped=stats.total.dropped + stats.total.expired, expired=0)
        return attrs.evolve(stats, total=total)


@breaks("BOOKS-4")
class ForgetsTheBooksOfTheGone(MessageBus):
    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        spoil(self._engine.registry, retire=self._engine.registry._leaving.discard)


@breaks("TAP-1")
class ShowsAfterwards(MessageBus):
    def add_tap(self, tap: Any) -> Any:
        async def later(event: Any) -> None:
            tap(event)

        return super().add_tap(lambda event: self._engine.spawn(later, event))


@breaks("TAP-2")
class SuffersFromTaps(MessageBus):
    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        engine = self._engine

        def show(event: Any) -> None:
            for tap in engine._taps:
                tap.function(event)

        spoil(engine, show=show)


@breaks("IDLE-1")
class IsAlwaysIdle(MessageBus):
    async def wait_idle(self, *, timeout: float | None = None) -> None:
        pass


class Here:
    """What was expected and came long ago."""

    def __init__(self, event: Any) -> None:
        self._event = event

    def __await__(self) -> Generator[Any, Any, Any]:
        return self._event
        yield


@breaks("EXPECT-1")
class ExpectsThePast(MessageBus):
    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._past: list[Any] = []

    async def publish(self, event: Any, *, ttl: float | None = None) -> None:
        self._past.append(event)
        await super().publish(event, ttl=ttl)

    def expect(self, event_type: Any, *, where: Any = None, timeout: float | None = None) -> Any:
        for event in self._past:
            if isinstance(event, event_type) and (where is None or where(event)):
                return Here(event)
        return super().expect(event_type, where=where, timeout=timeout)


@breaks("EXPECT-2")
class ExpectsForEver(MessageBus):
    def expect(self, event_type: Any, *, where: Any = None, timeout: float | None = None) -> Any:
        return super().expect(event_type, where=where)


@breaks("SCHEDULE-1")
class PublishesAtOnce(MessageBus):
    def schedule(self, event: Any, *, delay: float) -> Any:
        return super().schedule(event, delay=0)


class Unstoppable:
    """A scheduled event that comes, whatever is asked."""

    def cancel(self) -> None:
        pass


@breaks("SCHEDULE-2")
class PublishesWhatWasCancelled(MessageBus):
    def schedule(self, event: Any, *, delay: float) -> Any:
        super().schedule(event, delay=delay)
        return Unstoppable()
