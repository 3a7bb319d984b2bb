"""Buses that break what events promise: who gets them, in which order, in which context."""

# Who breaks a bus reaches into it.
# pyright: reportPrivateUsage=false, reportUnknownArgumentType=false, reportUnknownLambdaType=false

import contextvars
from collections import deque
from collections.abc import Iterable
from inspect import iscoroutinefunction
from typing import Any

import anyio

from llmgine_core import (
    BusSession,
    EventDroppedEvent,
    EventHandlerFailedEvent,
    MessageBus,
    QueueFullError,
    SessionStartEvent,
)
from llmgine_core._loop import run_in_context
from llmgine_core._subscriptions import Plan
from llmgine_core.contracts import current_handling
from tests.contracts.broken_buses.commands import Sticks
from tests.contracts.broken_buses.table import OtherSessions, WrapsHandlers, breaks, called, spoil

# ── who gets an event ────────────────────────────────────────────────────────────────────────────────────────────────


class ChangesPlans(MessageBus):
    """Gives events to others than it should."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        above = self._engine.registry._make_plan

        def make_plan(kind: Any, scope: Any) -> Plan:
            plan = above(kind, scope)
            return Plan(self.changed(kind, plan.subscriptions), plan.generation)

        spoil(self._engine.registry, _make_plan=make_plan)

    def changed(self, kind: Any, subscriptions: tuple[Any, ...]) -> tuple[Any, ...]:
        raise NotImplementedError


@breaks("EVENT-1")
class KnowsNoBaseClasses(ChangesPlans):
    def changed(self, kind: Any, subscriptions: tuple[Any, ...]) -> tuple[Any, ...]:
        return tuple(s for s in subscriptions if s.event_type is kind)


@breaks("EVENT-6")
class CallsTheLastFirst(ChangesPlans):
    def changed(self, kind: Any, subscriptions: tuple[Any, ...]) -> tuple[Any, ...]:
        return subscriptions[::-1]


@breaks("EVENT-2")
class FiltersAtDelivery(MessageBus):
    def register_event_handler(self, event_type: Any, handler: Any, *, where: Any = None, **options: Any) -> Any:
        async def filtered(event: Any) -> None:
            if where is None or where(event):
                await called(handler, event)

        return super().register_event_handler(event_type, filtered, **options)


@breaks("EVENT-3")
class HidesFailuresOfFilters(MessageBus):
    def register_event_handler(self, event_type: Any, handler: Any, *, where: Any = None, **options: Any) -> Any:
        def quiet(event: Any) -> bool:
            try:
                return where is None or bool(where(event))
            except ArithmeticError:
                return False

        return super().register_event_handler(event_type, handler, where=quiet, **options)


@breaks("EVENT-4")
class HandlesBeforeItReturns(MessageBus):
    async def publish(self, event: Any, *, ttl: float | None = None) -> None:
        await super().publish(event, ttl=ttl)
        await self.wait_idle()


@breaks("EVENT-7")
class ReplaysToNewcomers(MessageBus):
    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._past: list[Any] = []

    async def publish(self, event: Any, *, ttl: float | None = None) -> None:
        self._past.append(event)
        await super().publish(event, ttl=ttl)

    def register_event_handler(self, event_type: Any, handler: Any, **options: Any) -> Any:
        for event in self._past:
            self._engine.spawn(handler, event)
        return super().register_event_handler(event_type, handler, **options)


@breaks("EVENT-8", "EVENT-9", "GROUP-5", "RETRY-4", "BOUND-13", "REENTRANT-10")
class KeepsEventHandlers(MessageBus):
    def register_event_handler(self, event_type: Any, handler: Any, **options: Any) -> Any:
        return Sticks(super().register_event_handler(event_type, handler, **options))


@breaks("EVENT-10")
class StopsAtTheFirstFailure(WrapsHandlers):
    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._spoilt: set[str] = set()

    def wrapped(self, handler: Any) -> Any:
        async def unless_spoilt(event: Any) -> None:
            if event.id not in self._spoilt:
                self._spoilt.add(event.id)
                await called(handler, event)
                self._spoilt.remove(event.id)

        return unless_spoilt


@breaks("EVENT-11")
class KeepsAllAlive(MessageBus):
    async def publish(self, event: Any, *, ttl: float | None = None) -> None:
        await super().publish(event)


@breaks("EVENT-13")
class UsesNoThreads(MessageBus):
    def register_event_handler(self, event_type: Any, handler: Any, **options: Any) -> Any:
        options.pop("in_thread", None)
        return super().register_event_handler(event_type, handler, **options)


@breaks("EVENT-14")
class LetsTheLoopPublishAsAThread(MessageBus):
    def publish_from_thread(self, event: Any, *, ttl: float | None = None) -> None:
        self.emit(event)


@breaks("EVENT-15")
class EmitsNothingToAFullBus(MessageBus):
    def emit(self, event: Any) -> None:
        if self.stats().total.pending > self._engine.room.capacity:
            raise QueueFullError(self._engine.room.capacity, "no room to emit")
        super().emit(event)


@breaks("EVENT-16", "SESSION-4")
class ForgetsCauses(MessageBus):
    async def publish(self, event: Any, *, ttl: float | None = None) -> None:
        token = current_handling.set(None)
        try:
            await super().publish(event, ttl=ttl)
        finally:
            current_handling.reset(token)


# ── order ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@breaks("ORDER-1")
class SwapsEvents(MessageBus):
    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._held: list[Any] = []

    async def publish(self, event: Any, *, ttl: float | None = None) -> None:
        self._held.append(event)
        if len(self._held) == 2:
            await super().publish(self._held.pop(), ttl=ttl)
            await super().publish(self._held.pop(), ttl=ttl)


@breaks("ORDER-2", "ORDER-6", "GROUP-4")
class HandlesAllAtOnce(WrapsHandlers):
    def wrapped(self, handler: Any) -> Any:
        async def spawn(event: Any) -> None:
            self._engine.spawn(called, handler, event)

        return spawn


@breaks("ORDER-3", "RETRY-3")
class RetriesAtTheEndOfTheQueue(WrapsHandlers):
    def wrapped(self, handler: Any) -> Any:
        seen: set[str] = set()

        async def put_back(event: Any) -> None:
            try:
                await called(handler, event)
            except ValueError:
                if event.id in seen:
                    raise
                seen.add(event.id)
                await self.publish(event)

        return put_back


class WaitsForALock(WrapsHandlers):
    def locked(self, handler: Any, lock: anyio.Lock) -> Any:
        async def wait(event: Any) -> None:
            async with lock:
                await called(handler, event)

        return wait


@breaks("ORDER-4")
class HasOneLaneForAllSessions(WaitsForALock):
    def wrapped(self, handler: Any) -> Any:
        return self.locked(handler, anyio.Lock())


@breaks("ORDER-5")
class CallsOneHandlerAtATime(WaitsForALock):
    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._lock = anyio.Lock()

    def wrapped(self, handler: Any) -> Any:
        return self.locked(handler, self._lock)


class AnswersLate(BusSession):
    async def execute(self, command: Any, *, timeout: float | None = None) -> Any:
        await self._engine.wait_idle(None)
        return await super().execute(command, timeout=timeout)


@breaks("ORDER-7")
class AnswersWhenEventsAreHandled(OtherSessions):
    kind = AnswersLate


@breaks("GROUP-1", "GROUP-2", "GROUP-3")
class KnowsNoGroups(MessageBus):
    def register_event_handler(self, event_type: Any, handler: Any, **options: Any) -> Any:
        options.pop("group", None)
        return super().register_event_handler(event_type, handler, **options)


# ── contexts ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@breaks("CONTEXT-1", "MIDDLEWARE-3")
class ForgetsContexts(MessageBus):
    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._engine.dispatcher.backlog.queue = _WithoutContexts()


class _WithoutContexts(deque[Any]):
    def extend(self, iterable: Iterable[Any], /) -> None:
        event, plan, _ = iterable
        super().extend((event, plan, contextvars.Context()))


@breaks("CONTEXT-2")
class SharesOneContext(WrapsHandlers):
    def wrapped(self, handler: Any) -> Any:
        if iscoroutinefunction(handler):
            return handler
        shared: list[contextvars.Context] = []

        def call(event: Any) -> None:
            if not shared:
                shared.append(contextvars.copy_context())
            shared[0].run(handler, event)

        return call


@breaks("CONTEXT-3")
class RetriesInASpoiltContext(WrapsHandlers):
    def wrapped(self, handler: Any) -> Any:
        contexts: dict[str, contextvars.Context] = {}

        async def call(event: Any) -> None:
            await run_in_context(contexts.setdefault(event.id, contextvars.copy_context()), handler(event))

        return call


# ── failures ─────────────────────────────────────────────────────────────────────────────────────────────────────────


class MeddlesWithFailures(MessageBus):
    """Does something else when a handler has failed for good."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.above = self._engine.herald.failed
        spoil(self._engine.herald, failed=self.failed)

    def failed(self, subscription: Any, event: Any, attempts: int, error: BaseException) -> None:
        raise NotImplementedError


@breaks("FAILURE-1", "LETTER-1")
class HidesFailures(MeddlesWithFailures):
    def failed(self, subscription: Any, event: Any, attempts: int, error: BaseException) -> None:
        pass


@breaks("FAILURE-2")
class TellsOfFailuresOfFailures(MeddlesWithFailures):
    def failed(self, subscription: Any, event: Any, attempts: int, error: BaseException) -> None:
        self.above(subscription, event, attempts, error)
        if isinstance(event, EventHandlerFailedEvent) and self.stats().emitted < 10:
            self.emit(EventHandlerFailedEvent(event.id, event.type_name, subscription.name, attempts, event.error))


@breaks("FAILURE-3")
class DiesOfHandlersThatLeave(WrapsHandlers):
    def wrapped(self, handler: Any) -> Any:
        async def call(event: Any) -> None:
            try:
                await called(handler, event)
            except SystemExit:
                await self.stop(drain=0)
                raise

        return call


@breaks("FAILURE-4")
class TellsNoStarts(MessageBus):
    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        spoil(self._engine.herald, started=lambda subscription, event: None)


@breaks("FAILURE-5")
class TellsTheDeaf(MessageBus):
    def session(self, id: str | None = None, *, join: bool = False, drain: float = 5.0) -> BusSession:
        self.emit(SessionStartEvent())
        return super().session(id, join=join, drain=drain)


@breaks("RETRY-1", "RETRY-2")
class TriesOnce(MessageBus):
    def register_event_handler(self, event_type: Any, handler: Any, **options: Any) -> Any:
        options.pop("retry", None)
        return super().register_event_handler(event_type, handler, **options)


@breaks("LETTER-2")
class RedeliversToEverybody(MessageBus):
    async def redeliver(self, id: str) -> None:
        letter = self._engine.letters.find(id)
        self._engine.letters.remove(id)
        await self.publish(letter.event)


@breaks("LETTER-3")
class LosesLetters(MessageBus):
    async def redeliver(self, id: str) -> None:
        self._engine.letters.remove(id)


@breaks("FAULT-2")
class LeavesCoroutinesUndone(WrapsHandlers):
    def wrapped(self, handler: Any) -> Any:
        def call(event: Any) -> None:
            answer = handler(event)
            if hasattr(answer, "close"):
                answer.close()

        return call


@breaks("BOUND-11")
class HidesDrops(MessageBus):
    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        spoil(self._engine.herald, dropped=lambda subscription, event, reason: None)


@breaks("BOUND-12")
class TellsOfDropsOfDrops(MessageBus):
    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        above = self._engine.herald.dropped

        def dropped(subscription: Any, event: Any, reason: str) -> None:
            above(subscription, event, reason)
            if isinstance(event, EventDroppedEvent):
                self._engine.show(EventDroppedEvent(event.type_name, subscription.name, reason, 1))

        spoil(self._engine.herald, dropped=dropped)
