"""Buses that break what is promised of their start and stop."""

# Who breaks a bus reaches into it.
# pyright: reportPrivateUsage=false, reportUnknownArgumentType=false, reportUnknownLambdaType=false

from contextvars import ContextVar
from types import TracebackType
from typing import Any

from llmgine_core import BusClosedError, MessageBus, StopReport
from tests.contracts.broken_buses.table import breaks, spoil

_started_here: ContextVar[MessageBus | None] = ContextVar("started_here", default=None)


@breaks("STOP-1")
class SwallowsWorkWhenStopped(MessageBus):
    async def publish(self, event: Any, *, ttl: float | None = None) -> None:
        if self._engine.state == "running":
            await super().publish(event, ttl=ttl)


@breaks("STOP-2")
class StopsOnce(MessageBus):
    async def stop(self, *, drain: float = 10.0) -> StopReport:
        if self._engine.state != "running":
            raise BusClosedError(self._engine.state)
        return await super().stop(drain=drain)


@breaks("STOP-3")
class ForgetsItsHandlers(MessageBus):
    async def stop(self, *, drain: float = 10.0) -> StopReport:
        report = await super().stop(drain=drain)
        commands: Any = self._engine.registry.bus.commands
        commands.clear()
        return report


@breaks("STOP-4")
class BelongsToOneTask(MessageBus):
    async def start(self) -> None:
        _started_here.set(self)
        await super().start()

    async def stop(self, *, drain: float = 10.0) -> StopReport:
        if _started_here.get() is not self:
            raise RuntimeError("started in another task")
        return await super().stop(drain=drain)


@breaks("STOP-5", "STOP-7")
class DrainsNothing(MessageBus):
    async def stop(self, *, drain: float = 10.0) -> StopReport:
        return await super().stop(drain=0)


@breaks("STOP-6")
class ReportsNothing(MessageBus):
    async def stop(self, *, drain: float = 10.0) -> StopReport:
        await super().stop(drain=drain)
        return StopReport()


@breaks("STOP-10")
class ForgetsWhoExpects(MessageBus):
    async def stop(self, *, drain: float = 10.0) -> StopReport:
        spoil(self._engine.expectations, fail_all=lambda error: None)
        return await super().stop(drain=drain)


@breaks("STOP-11")
class StopsInItsCallersTask(MessageBus):
    async def stop(self, *, drain: float = 10.0) -> StopReport:
        await self.wait_idle()
        return await super().stop(drain=drain)


@breaks("STOP-12", "STOP-13")
class DrainsOnlyWhenAllIsWell(MessageBus):
    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.stop(drain=10.0 if error is None else 0)


@breaks("STOP-14")
class KeepsSessionsWhenItsLoopEnds(MessageBus):
    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        spoil(self._engine.keeper, abandon=lambda state: None)


@breaks("STOP-15")
class AbandonsSessions(MessageBus):
    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        spoil(self._engine.keeper, close_soon=lambda state, error: None)

    async def stop(self, *, drain: float = 10.0) -> StopReport:
        return await super().stop(drain=min(drain, 0.1))


@breaks("STOP-16")
class OpensOnce(MessageBus):
    async def start(self) -> None:
        if self._engine.state == "stopped":
            raise BusClosedError("stopped", "a start")
        await super().start()
