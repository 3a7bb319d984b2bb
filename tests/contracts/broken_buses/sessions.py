"""Buses that break what sessions promise."""

# Who breaks a bus reaches into it.
# pyright: reportPrivateUsage=false, reportUnknownArgumentType=false, reportUnknownLambdaType=false

from types import TracebackType
from typing import Any

import anyio

from llmgine_core import (
    BusSession,
    MessageBus,
    SessionClosedError,
    SessionEndEvent,
    SessionExistsError,
    SessionStartEvent,
    current_message,
)
from tests.contracts.broken_buses.commands import Meddles
from tests.contracts.broken_buses.table import OtherSessions, breaks, spoil

# ── scope ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@breaks("SESSION-1", "STREAM-9")
class IgnoresCommandHandlersOfSessions(MessageBus):
    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        registry = self._engine.registry
        spoil(registry, find_command=lambda kind, session_id: registry.bus.commands.get(kind))


@breaks("SESSION-2")
class ShowsSessionsEverything(MessageBus):
    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        registry = self._engine.registry
        above = registry.subscribe

        def subscribe(event_type: Any, handler: Any, scope: Any, options: Any) -> Any:
            return above(event_type, handler, registry.bus, options)

        spoil(registry, subscribe=subscribe)


@breaks("SESSION-3")
class TakesForeignMessages(MessageBus):
    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        above = self._engine.complete
        spoil(self._engine, complete=lambda message, scope: above(message, self._engine.registry.bus))


@breaks("SESSION-23")
class OpensNoSessionInside(MessageBus):
    def session(self, id: str | None = None, *, join: bool = False, drain: float = 5.0) -> BusSession:
        here = current_message()
        if here is not None and here.session_id is not None:
            return super().session(here.session_id, join=True, drain=drain)
        return super().session(id, join=join, drain=drain)


# ── beginning and end ────────────────────────────────────────────────────────────────────────────────────────────────


@breaks("SESSION-5")
class HidesBeginnings(Meddles):
    def say(self, event: Any) -> None:
        if not isinstance(event, SessionStartEvent):
            self.above(event)


@breaks("SESSION-6", "SESSION-8")
class EndsUnheardByItsOwn(Meddles):
    def say(self, event: Any) -> None:
        if isinstance(event, SessionEndEvent):
            self._engine.registry.seal(self._engine.keeper.sessions[str(event.session_id)])
        self.above(event)


class WrapsBodies(BusSession):
    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await super().__aexit__(kind, error, traceback)
        if isinstance(error, Exception):
            raise ExceptionGroup("errors of the body", [error])


@breaks("SESSION-7")
class WrapsErrorsOfBodies(OtherSessions):
    kind = WrapsBodies


@breaks("SESSION-9")
class DrainsNoSession(MessageBus):
    def session(self, id: str | None = None, *, join: bool = False, drain: float = 5.0) -> BusSession:
        return super().session(id, join=join, drain=0)


@breaks("SESSION-10", "OWNED-8", "FAULT-1")
class LeavesHandlersOfSessionsRunning(MessageBus):
    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        spoil(self._engine.dispatcher, cancel_scope=lambda subscriptions: None)


class SwallowsWork(BusSession):
    async def publish(self, event: Any, *, ttl: float | None = None) -> None:
        if not self.closed:
            await super().publish(event, ttl=ttl)


@breaks("SESSION-11")
class SwallowsWorkOfTheClosed(OtherSessions):
    kind = SwallowsWork


@breaks("SESSION-12")
class KeepsHandlersOfTheClosed(MessageBus):
    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        spoil(self._engine.registry, seal=lambda scope: None)
        spoil(self._engine.registry, end_scope=lambda scope: None)


@breaks("SESSION-13")
class RevivesSessionsThatEnd(MessageBus):
    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        spoil(self._engine.registry, seal=lambda scope: None)


@breaks("SESSION-14")
class UsesEachIdOnce(MessageBus):
    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._used: set[str] = set()

    def session(self, id: str | None = None, *, join: bool = False, drain: float = 5.0) -> BusSession:
        if id is not None and id in self._used:
            raise SessionExistsError(id)
        self._used.add(str(id))
        return super().session(id, join=join, drain=drain)


@breaks("SESSION-15")
class JoinsUnasked(MessageBus):
    def session(self, id: str | None = None, *, join: bool = False, drain: float = 5.0) -> BusSession:
        return super().session(id, join=True, drain=drain)


class EndsForAll(BusSession):
    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._scope.members = 1
        await super().__aexit__(kind, error, traceback)


@breaks("SESSION-16")
class EndsWithTheFirstToLeave(OtherSessions):
    kind = EndsForAll


class JoinsTheDying(BusSession):
    async def __aenter__(self) -> Any:
        try:
            return await super().__aenter__()
        except SessionClosedError:
            return self


@breaks("SESSION-17")
class LetsTheDyingBeJoined(OtherSessions):
    kind = JoinsTheDying


@breaks("SESSION-18")
class TakesWorkWhileItCloses(MessageBus):
    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        above = self._engine.keeper.close_soon

        def close_soon(state: Any, error: Any) -> None:
            above(state, error)
            state.is_open = True

        spoil(self._engine.keeper, close_soon=close_soon)


@breaks("SESSION-19", "SESSION-22")
class AdmitsAnybody(MessageBus):
    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        spoil(self._engine, admit=lambda scope: None)


class ClosesIfItIsTheLast(BusSession):
    async def aclose(self) -> None:
        if list(self._engine.keeper.sessions)[-1] == self.id:
            await super().aclose()


@breaks("SESSION-21")
class ClosesTheLastFirst(OtherSessions):
    kind = ClosesIfItIsTheLast


# ── ownership ────────────────────────────────────────────────────────────────────────────────────────────────────────


@breaks("OWNED-1", "OWNED-2")
class OwnsNothing(MessageBus):
    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        spoil(self._engine.answering, own=lambda work, session_id: None)


@breaks("OWNED-3")
class SchedulesForEver(MessageBus):
    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        above = self._engine.schedule

        def schedule(event: Any, delay: float, scope: Any) -> Any:
            self._engine.complete(event, scope)
            return above(event, delay, self._engine.registry.bus)

        spoil(self._engine, schedule=schedule)


@breaks("OWNED-4", "EXPECT-3")
class ExpectsForAll(MessageBus):
    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        above = self._engine.expect

        def expect(event_type: Any, where: Any, timeout: float | None, scope: Any) -> Any:
            return above(event_type, where, timeout, self._engine.registry.bus)

        spoil(self._engine, expect=expect)


class LeavesTasks(BusSession):
    def start_soon(self, function: Any, *args: Any) -> None:
        self._engine.spawn(function, *args)


@breaks("OWNED-5")
class LeavesTasksRunning(OtherSessions):
    kind = LeavesTasks


class HidesErrors(BusSession):
    def start_soon(self, function: Any, *args: Any) -> None:
        async def quiet() -> None:
            try:
                await function(*args)
            except ValueError:
                await anyio.sleep_forever()

        super().start_soon(quiet)


@breaks("OWNED-6")
class HidesErrorsOfTasks(OtherSessions):
    kind = HidesErrors


class RaisesErrorsOfTasksFirst(BusSession):
    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await super().__aexit__(kind, error, traceback)
        if self._scope.errors:
            raise BaseExceptionGroup("background tasks failed", self._scope.errors)


@breaks("OWNED-7")
class HidesErrorsOfBodies(OtherSessions):
    kind = RaisesErrorsOfTasksFirst


@breaks("OWNED-9")
class RemembersSessions(MessageBus):
    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._all: list[BusSession] = []

    def session(self, id: str | None = None, *, join: bool = False, drain: float = 5.0) -> BusSession:
        self._all.append(super().session(id, join=join, drain=drain))
        return self._all[-1]
