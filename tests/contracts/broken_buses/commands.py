"""Buses that break what commands, streams and middleware promise."""

# Who breaks a bus reaches into it.
# pyright: reportPrivateUsage=false, reportUnknownArgumentType=false, reportUnknownLambdaType=false, reportUnknownVariableType=false

import asyncio
import contextvars
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import attrs

from llmgine_core import (
    BusClosedError,
    Command,
    CommandResultEvent,
    DuplicateHandlerError,
    Event,
    HandlerNotFoundError,
    Header,
    MessageBus,
    Outcome,
    QueueFullError,
    StopReport,
    current_message,
)
from tests.contracts.broken_buses.table import breaks, spoil

# ── answers ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@breaks("COMMAND-1")
class ForgetsAnswers(MessageBus):
    async def execute(self, command: Any, *, timeout: float | None = None) -> Any:
        await super().execute(command, timeout=timeout)


@breaks("COMMAND-2")
class LetsTheLastHandlerWin(MessageBus):
    def register_command_handler(self, command_type: Any, handler: Any, **options: Any) -> Any:
        try:
            return super().register_command_handler(command_type, handler, **options)
        except DuplicateHandlerError:
            self._engine.registry.bus.commands[command_type].unregister()
            return super().register_command_handler(command_type, handler, **options)


@breaks("COMMAND-3")
class NamesNoNearMisses(MessageBus):
    async def execute(self, command: Any, *, timeout: float | None = None) -> Any:
        try:
            return await super().execute(command, timeout=timeout)
        except HandlerNotFoundError as error:
            raise HandlerNotFoundError(error.command, ()) from None


class Sticks:
    """A registration that cannot be ended."""

    def __init__(self, registration: Any) -> None:
        self.name: str = registration.name

    def unregister(self) -> None:
        pass


@breaks("COMMAND-4")
class KeepsCommandHandlers(MessageBus):
    def register_command_handler(self, command_type: Any, handler: Any, **options: Any) -> Any:
        return Sticks(super().register_command_handler(command_type, handler, **options))


@breaks("COMMAND-5")
class AnswersSubclasses(MessageBus):
    async def execute(self, command: Any, *, timeout: float | None = None) -> Any:
        for kind in type(command).__mro__:
            if kind in self._engine.registry.bus.commands:
                return await self._engine.registry.bus.commands[kind].handler(command)
        return await super().execute(command, timeout=timeout)


@breaks("COMMAND-6")
class TakesAliasesForTypes(MessageBus):
    def register_command_handler(self, command_type: Any, handler: Any, **options: Any) -> Any:
        registration = super().register_command_handler(command_type, handler, **options)
        commands: Any = self._engine.registry.bus.commands
        commands[command_type] = commands.pop(registration.command_type)
        return registration


@breaks("COMMAND-7", "COMMAND-16")
class WrapsErrors(MessageBus):
    async def execute(self, command: Any, *, timeout: float | None = None) -> Any:
        try:
            return await super().execute(command, timeout=timeout)
        except Exception as error:
            raise type(error)(str(error)) from error


@breaks("COMMAND-8")
class TriesCommandsTwice(MessageBus):
    async def execute(self, command: Any, *, timeout: float | None = None) -> Any:
        try:
            return await super().execute(command, timeout=timeout)
        except ValueError:
            return await super().execute(command, timeout=timeout)


@breaks("COMMAND-9")
class DiesOfASystemExit(MessageBus):
    async def execute(self, command: Any, *, timeout: float | None = None) -> Any:
        try:
            return await super().execute(command, timeout=timeout)
        except SystemExit:
            await self.stop(drain=0)
            raise


@breaks("COMMAND-10")
class TakesAnyCancelledErrorForItsOwn(MessageBus):
    async def execute(self, command: Any, *, timeout: float | None = None) -> Any:
        try:
            return await super().execute(command, timeout=timeout)
        except asyncio.CancelledError:
            raise BusClosedError("stopped") from None


@breaks("COMMAND-11", "CONTEXT-4")
class RunsCommandsApart(MessageBus):
    """The handler neither shares its caller's context nor its cancellation."""

    async def execute(self, command: Any, *, timeout: float | None = None) -> Any:
        answers: list[Any] = []
        done = anyio.Event()
        above = super().execute

        async def run() -> None:
            try:
                answers.append(await above(command, timeout=timeout))
            except BusClosedError:
                answers.append(None)
            done.set()

        self._engine.spawn(run)
        await done.wait()
        return answers[0]


@breaks("COMMAND-12", "MIDDLEWARE-5", "STREAM-5")
class ForgetsTheCallersTime(MessageBus):
    async def execute(self, command: Any, *, timeout: float | None = None) -> Any:
        return await super().execute(command)

    def stream(self, command: Any, *, timeout: float | None = None) -> Any:
        return super().stream(command)


@breaks("COMMAND-13", "EVENT-12")
class ForgetsTheHandlersTime(MessageBus):
    def register_command_handler(self, command_type: Any, handler: Any, **options: Any) -> Any:
        return super().register_command_handler(command_type, handler)

    def register_event_handler(self, event_type: Any, handler: Any, **options: Any) -> Any:
        return super().register_event_handler(event_type, handler)


@breaks("COMMAND-14", "EVENT-17")
class ForgetsHeaders(MessageBus):
    async def execute(self, command: Any, *, timeout: float | None = None) -> Any:
        return await super().execute(attrs.evolve(command), timeout=timeout)

    async def publish(self, event: Any, *, ttl: float | None = None) -> None:
        await super().publish(attrs.evolve(event), ttl=ttl)


@breaks("COMMAND-15")
class KeepsTheTimeToItself(MessageBus):
    async def execute(self, command: Any, *, timeout: float | None = None) -> Any:
        with anyio.fail_after(timeout):
            return await super().execute(command)


@breaks("COMMAND-17")
class AnswersOneAtATime(MessageBus):
    def register_command_handler(self, command_type: Any, handler: Any, **options: Any) -> Any:
        lock = anyio.Lock()

        async def wait_for_it(command: Any) -> Any:
            async with lock:
                return await handler(command)

        return super().register_command_handler(command_type, wait_for_it, **options)


class Meddles(MessageBus):
    """Does something else with what the bus says of itself."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.above = self._engine.acceptance.emit
        spoil(
            self._engine.acceptance,
            emit=self.say,
            tell=self.tell,
        )

    def tell(self, event: Event, header: Header) -> None:
        self.say(event.with_header(header))

    def say(self, event: Event) -> None:
        raise NotImplementedError


@breaks("COMMAND-18")
class TellsNothingOfCommands(MessageBus):
    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        spoil(self._engine, listens=lambda event_type, exactly=False: False)


@breaks("COMMAND-19")
class SaysThatAllIsWell(Meddles):
    def say(self, event: Any) -> None:
        well = isinstance(event, CommandResultEvent)
        self.above(attrs.evolve(event, outcome=Outcome.OK) if well else event)


@breaks("COMMAND-20", "COMMAND-21")
class TakesAnything(MessageBus):
    async def execute(self, command: Any, *, timeout: float | None = None) -> Any:
        return await super().execute(command, timeout=timeout) if isinstance(command, Command) else None

    def register_command_handler(self, command_type: Any, handler: Any, **options: Any) -> Any:
        try:
            return super().register_command_handler(command_type, handler, **options)
        except TypeError:
            return None


@breaks("COMMAND-22")
class RefusesNestedCommands(MessageBus):
    async def execute(self, command: Any, *, timeout: float | None = None) -> Any:
        if current_message() is not None:
            raise QueueFullError(1, "a command runs")
        return await super().execute(command, timeout=timeout)


# ── streams ──────────────────────────────────────────────────────────────────────────────────────────────────────────


class WrapsGenerators(MessageBus):
    """Calls something else in the place of a stream's handler."""

    def register_command_handler(self, command_type: Any, handler: Any, **options: Any) -> Any:
        if not issubclass(command_type, Command):
            return super().register_command_handler(command_type, self.wrapped(handler), **options)
        return super().register_command_handler(command_type, handler, **options)

    def wrapped(self, handler: Any) -> Any:
        raise NotImplementedError


@breaks("STREAM-1")
class LosesAnItem(WrapsGenerators):
    def wrapped(self, handler: Any) -> Any:
        async def skip_one(command: Any) -> AsyncGenerator[Any, None]:
            async for item in handler(command):
                if item != 3:
                    yield item

        return skip_one


@breaks("STREAM-2", "STREAM-3")
class LeavesStreamsOpen(MessageBus):
    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._left: list[Any] = []

    @asynccontextmanager
    async def stream(self, command: Any, *, timeout: float | None = None) -> AsyncGenerator[Any, None]:
        stream = super().stream(command, timeout=timeout)
        self._left.append(stream)
        yield await stream.__aenter__()

    async def stop(self, *, drain: float = 10.0) -> StopReport:
        for stream in self._left:
            await stream.__aexit__(None, None, None)
        return await super().stop(drain=drain)


@breaks("STREAM-4", "STREAM-7")
class HidesErrorsOfStreams(WrapsGenerators):
    def wrapped(self, handler: Any) -> Any:
        async def hide(command: Any) -> AsyncGenerator[Any, None]:
            try:
                async for item in handler(command):
                    yield item
            except (ValueError, SystemExit):
                return

        return hide


@breaks("STREAM-6", "STOP-8")
class StreamsNothingInsteadOfAnError(MessageBus):
    @asynccontextmanager
    async def stream(self, command: Any, *, timeout: float | None = None) -> AsyncGenerator[Any, None]:
        async def quiet(items: Any) -> AsyncGenerator[Any, None]:
            try:
                async for item in items:
                    yield item
            except BusClosedError:
                return

        try:
            async with super().stream(command, timeout=timeout) as items:
                yield quiet(items)
        except HandlerNotFoundError:
            yield quiet(())


@breaks("STREAM-8")
class RunsFarAhead(WrapsGenerators):
    def wrapped(self, handler: Any) -> Any:
        async def all_at_once(command: Any) -> AsyncGenerator[Any, None]:
            for item in [item async for item in handler(command)]:
                yield item

        return all_at_once


@breaks("CONTEXT-5")
class ForgetsReaders(MessageBus):
    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        above = self._engine.spawn

        def spawn(function: Any, *args: Any) -> None:
            above(function, *(contextvars.Context() if isinstance(arg, contextvars.Context) else arg for arg in args))

        spoil(self._engine, spawn=spawn)


# ── middleware ───────────────────────────────────────────────────────────────────────────────────────────────────────


@breaks("MIDDLEWARE-1")
class PutsTheFirstMiddlewareInside(MessageBus):
    def add_middleware(self, middleware: Any) -> None:
        super().add_middleware(middleware)
        self._engine.middleware.insert(0, self._engine.middleware.pop())


@breaks("MIDDLEWARE-2")
class AcceptsWhatMiddlewareKeeps(MessageBus):
    async def publish(self, event: Any, *, ttl: float | None = None) -> None:
        before = self.stats().accepted
        await super().publish(event, ttl=ttl)
        if self.stats().accepted == before:
            self.emit(event)


@breaks("MIDDLEWARE-4")
class SendsWhatWasGiven(MessageBus):
    def add_middleware(self, middleware: Any) -> None:
        async def give_the_same(message: Any, call_next: Any) -> Any:
            return await middleware(message, lambda _: call_next(message))

        super().add_middleware(give_the_same)
