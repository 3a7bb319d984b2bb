"""Buses that break what is promised of room, and of handlers that use their own bus."""

# Who breaks a bus reaches into it.
# pyright: reportPrivateUsage=false, reportUnknownArgumentType=false, reportUnknownLambdaType=false

from typing import Any

from llmgine_core import BusSession, MessageBus, StopReport
from tests.contracts.broken_buses.table import OtherSessions, breaks, spoil


@breaks("BOUND-1", "STOP-9")
class KnowsNoBounds(MessageBus):
    def __init__(self, capacity: int = 10_000, **options: Any) -> None:
        super().__init__(**options)


@breaks("BOUND-2")
class LosesATurn(MessageBus):
    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        gate = self._engine.room.gate
        above = gate.enter

        async def enter(frame: Any, count: int) -> bool:
            try:
                return await above(frame, count)
            except BaseException:
                gate.promised += count
                raise

        spoil(gate, enter=enter)


@breaks("BOUND-3")
class LetsNewcomersPass(MessageBus):
    async def publish(self, event: Any, *, ttl: float | None = None) -> None:
        if self._engine.room.gate.waiting:
            self.emit(event)
        else:
            await super().publish(event, ttl=ttl)


_SWAPPED: dict[Any, Any] = {"drop_newest": "drop_oldest", "drop_oldest": "drop_newest"}


@breaks("BOUND-4", "BOUND-5", "BOUND-10")
class SwapsTheEnds(MessageBus):
    def __init__(self, overflow: Any = "wait", **options: Any) -> None:
        super().__init__(overflow=_SWAPPED.get(overflow, overflow), **options)

    def register_event_handler(self, event_type: Any, handler: Any, *, overflow: Any = None, **options: Any) -> Any:
        return super().register_event_handler(
            event_type,
            handler,
            overflow=_SWAPPED.get(overflow, overflow),
            **options,
        )


@breaks("BOUND-6", "BOOKS-1")
class DropsWhereItShouldRaise(MessageBus):
    def __init__(self, overflow: Any = "wait", **options: Any) -> None:
        super().__init__(overflow="drop_newest" if overflow == "raise" else overflow, **options)


@breaks("BOUND-7")
class HasOnePolicyForAll(MessageBus):
    def register_event_handler(self, event_type: Any, handler: Any, **options: Any) -> Any:
        options.pop("overflow", None)
        return super().register_event_handler(event_type, handler, **options)


@breaks("BOUND-8")
class DropsFromAnybody(MessageBus):
    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        spoil(self._engine.room, drops_oldest=lambda subscription: True)


@breaks("BOUND-9")
class BoundsNoLanes(MessageBus):
    def register_event_handler(self, event_type: Any, handler: Any, **options: Any) -> Any:
        options.pop("capacity", None)
        return super().register_event_handler(event_type, handler, **options)


@breaks("BOUND-14")
class TakesAnyOption(MessageBus):
    def __init__(self, capacity: int = 10_000, overflow: Any = "wait") -> None:
        super().__init__(capacity=max(capacity, 1), overflow="wait" if overflow == "forget" else overflow)


# ── re-entrance ──────────────────────────────────────────────────────────────────────────────────────────────────────


class Judges(MessageBus):
    """Judges wrongly who may wait for room."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        above = self._engine.room.judge

        def judge(plan: Any, session_id: str | None, *, urgent: bool, **options: Any) -> Any:
            return above(plan, session_id, urgent=self.is_urgent(urgent), **options)

        spoil(self._engine.room, judge=judge)

    def is_urgent(self, urgent: bool) -> bool:
        raise NotImplementedError


@breaks("REENTRANT-1", "REENTRANT-3", "REENTRANT-4")
class LetsEventHandlersWait(Judges):
    def is_urgent(self, urgent: bool) -> bool:
        return False


@breaks("REENTRANT-2")
class HasAnEndlessReserve(MessageBus):
    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        spoil(self._engine.room, has_reserve=lambda count: True)


@breaks("REENTRANT-5")
class GivesCommandHandlersTheReserve(Judges):
    def is_urgent(self, urgent: bool) -> bool:
        return urgent or self._engine.frame() is not None


class StaysForAMoment(BusSession):
    """Gives its queued events less time, so that one that waits for itself does not for long."""

    def __init__(self, engine: Any, id: str | None, *, join: bool, drain: float) -> None:
        super().__init__(engine, id, join=join, drain=min(drain, 0.4))


@breaks("REENTRANT-6", "OWNED-10")
class WaitsForTheSessionItIsIn(OtherSessions):
    kind = StaysForAMoment

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        spoil(self._engine.keeper, is_inside=lambda state: False)


@breaks("REENTRANT-7")
class WaitsForItsOwnStop(MessageBus):
    async def stop(self, *, drain: float = 10.0) -> StopReport:
        report = await super().stop(drain=min(drain, 0.1))
        await self._engine._stopped.wait()
        return report


@breaks("REENTRANT-8", "REENTRANT-9")
class WaitsForItsOwnIdleness(MessageBus):
    async def wait_idle(self, *, timeout: float | None = None) -> None:
        await self._engine.idle.wait_until(self._engine._is_idle)


class ClosesLater(BusSession):
    async def aclose(self) -> None:
        self._engine.keeper.close_soon(self._scope, None)


@breaks("REENTRANT-11", "SESSION-20")
class DoesNotWaitForTheEnd(OtherSessions):
    kind = ClosesLater


@breaks("REENTRANT-12")
class KnowsNotWhoIsInside(MessageBus):
    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        spoil(self._engine, frame=lambda: None)


@breaks("BOUND-15")
class TakesFromTheShortestLane(MessageBus):
    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        dispatcher = self._engine.dispatcher

        def drop_oldest(subscription: Any, session_id: str | None, *, own_lane: bool) -> bool:
            backlog = dispatcher.backlog
            return backlog._drop_head(min((lane for lane in backlog.lanes if lane), key=len))

        spoil(dispatcher, drop_oldest=drop_oldest)
