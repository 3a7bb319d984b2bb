"""What can be asked of a bus and of a session alike."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any, TypeVar

from llmgine_core._calls import Call
from llmgine_core._engine import Engine
from llmgine_core._loop import current_task
from llmgine_core._scopes import Scope
from llmgine_core._subscriptions import DEFAULTS, CommandHandler, Options
from llmgine_core.contracts import Command, Event, Overflow, Retry, StreamCommand, current_handling
from llmgine_core.contracts.header import NOTHING_SAID, set_header

if TYPE_CHECKING:
    from llmgine_core.abc import CommandType, Registration, ScheduledEvent

__all__ = ["Verbs"]

C = TypeVar("C")
A = TypeVar("A")
R = TypeVar("R")
T = TypeVar("T")
E = TypeVar("E", bound=Event)

# CPython binds the method of an imported object anew at each call, which costs more than the call
_current, _set_current, _reset_current = current_handling.get, current_handling.set, current_handling.reset


class Verbs:
    """The verbs of a bus, or of a session, to which they are then scoped.

    Of a session, each of them raises `SessionClosedError` if it has ended, and RuntimeError if it is not open yet.
    """

    def __init__(self, engine: Engine, scope: Scope) -> None:
        self._engine, self._scope = engine, scope

    # registering

    def register_command_handler(
        self,
        command_type: CommandType[C, A],
        handler: Callable[[C], A],
        *,
        timeout: float | None = None,
    ) -> CommandHandler:
        """Let `handler` answer commands of exactly this type; a session's handler shadows the bus's there.

        Args:
            command_type: a subclass of `Command` or `StreamCommand`.
            handler: a coroutine function of the command; for a `StreamCommand` an async generator function.
            timeout: seconds that one command may take.

        Raises:
            DuplicateHandlerError: there is a handler for the type already.
            TypeError: `handler` is not of that kind.
            SessionClosedError: the session has ended.
        """
        self._check_scope()
        return self._engine.registry.add_command(command_type, handler, self._scope, timeout)

    def register_event_handler(
        self,
        event_type: type[E],
        handler: Callable[[E], Any],
        *,
        where: Callable[[E], bool] | None = None,
        group: str | None = None,
        timeout: float | None = None,
        retry: Retry | None = None,
        overflow: Overflow | None = None,
        capacity: int | None = None,
        in_thread: bool = False,
    ) -> Registration:
        """Let `handler` see every event of this type and of its subclasses, of the session or of all.

        Args:
            event_type: `Event` for all.
            handler: a function or coroutine function of the event.
            where: only events for which this is true.
            group: share the events with the other members of the group of this name: each goes to one of them.
            timeout: seconds that one attempt may take, from its first suspension on.
            retry: how often to try again; by default not at all.
            overflow: what becomes of an event for which there is no room; by default what the bus was told.
            capacity: most deliveries that may wait in each of the handler's lanes (one handler in one session).
            in_thread: run a plain function in a worker thread, since it would block the loop.

        Raises:
            DuplicateHandlerError: the group's members handle another event type, or with other options.
            ValueError: an option is not what it may be.
            TypeError: `event_type` is no event class, or `handler` no function that can handle events.
            SessionClosedError: the session has ended.
        """
        if not self._scope.is_open:
            self._check_scope()
        options = DEFAULTS
        if (
            where is not None
            or group is not None
            or timeout is not None
            or retry is not None
            or overflow is not None
            or capacity is not None
            or in_thread
        ):
            options = Options.of(
                where=where,
                group=group,
                timeout=timeout,
                retry=retry,
                overflow=overflow,
                capacity=capacity,
                in_thread=in_thread,
            )
        return self._engine.registry.subscribe(event_type, handler, self._scope, options)

    def _check_scope(self) -> None:
        if not self._scope.is_open:
            self._scope.check(self._engine.frame())

    # commands

    async def execute(self, command: Command[R], *, timeout: float | None = None) -> R:
        """Have the command's handler answer, in the caller's task and context.

        Args:
            command: the command.
            timeout: seconds to wait at most; the command's own deadline and its handler's timeout count too.

        Returns:
            The handler's answer.

        Raises:
            TypeError: `command` is no `Command`.
            ValueError: `command` belongs to another session than the one that sends it.
            HandlerNotFoundError: no handler is registered.
            BusClosedError: the bus does not run, or was stopped meanwhile.
            SessionClosedError: the session has ended.
            TimeoutError: the time is up.
            Exception: whatever the handler raises, unchanged.
        """
        answer: R
        engine, scope, kind = self._engine, self._scope, type(command)
        registration = scope.commands.get(kind) or engine.bus_commands.get(kind)
        if registration is None or not registration.is_plain or timeout is not None or not engine.takes_commands:
            answer = await engine.answering.execute(command, timeout, scope)
            return answer
        above = _current()
        if above is None and command.header is NOTHING_SAID and scope.is_open:
            set_header(command, scope.known_header or scope.header)
            session_id = scope.id
        else:
            registration = engine.answering.find_at_once(command, scope)
            if registration is None:
                answer = await engine.answering.execute(command, timeout, scope)
                return answer
            session_id = command.header.session_id
        call, handler = Call(), registration.handler
        call.message, call.owner, call.task = command, engine, current_task(engine.task_loop)
        call.above, call.over, call.known_derived, call.refusal = above, False, None, None
        answering = engine.answering
        session = None if session_id is None else answering.own(call, session_id)
        token = _set_current(call)
        answering.executed += 1
        answering.running.add(call)
        try:
            if engine.hears_commands:
                answer = await answering.tell_of(call, registration)
            else:
                answer = await handler(command)
            return answer
        except BaseException as error:
            if (refusal := call.refused(error)) is not None:
                raise refusal from None
            raise
        finally:
            _reset_current(token)
            call.over = True
            answering.running.discard(call)
            if above is not None or session is not None or call.refusal is not None:
                call.leave(session)
            if engine.idle.waiting:
                engine.idle.check()

    def stream(
        self, command: StreamCommand[T], *, timeout: float | None = None
    ) -> AbstractAsyncContextManager[AsyncIterator[T]]:
        """Have the command's handler answer with a stream: `async with bus.stream(command) as items`.

        The handler's generator runs in a task of its own, a few items ahead of the reader. Leaving the block early
        closes it and waits for its `finally`.

        Raises:
            TypeError: `command` is no `StreamCommand`.
            ValueError: on entry: `command` belongs to another session than the one that sends it.
            HandlerNotFoundError: on entry: no handler is registered.
            BusClosedError: the bus does not run, or was stopped meanwhile.
            SessionClosedError: the session has ended.
            TimeoutError: while iterating: the time is up.
            Exception: while iterating: whatever the handler raises, unchanged.
        """
        self._check_scope()
        return self._engine.answering.stream(command, timeout, self._scope)

    # events

    async def publish(self, event: Event, *, ttl: float | None = None) -> None:
        """Give the event to the bus. Returns when it is accepted, not when it is handled.

        Args:
            event: the event.
            ttl: seconds after which a delivery that has not begun expires.

        Raises:
            TypeError: `event` is no `Event`.
            ValueError: `event` belongs to another session than the one that sends it.
            BusClosedError: the bus does not run.
            SessionClosedError: the session has ended.
            RuntimeError: a middleware passed the event on twice.
            QueueFullError: there is no room, and the policy of a subscription is `raise`; or inside an event handler,
                when the reserve is used up too.
        """
        if ttl is not None or not self._engine.acceptance.accept_at_once(event, self._scope):
            await self._engine.acceptance.accept_in_turn(event, ttl, self._scope)

    def expect(
        self, event_type: type[E], *, where: Callable[[E], bool] | None = None, timeout: float | None = None
    ) -> Awaitable[E]:
        """The next event of this type accepted after this call; await the result to wait for it.

        Args:
            event_type: subclasses are seen too.
            where: only an event for which this is true.
            timeout: seconds to wait at most, from the `await` on.

        Raises:
            TimeoutError: when awaited: the time is up.
            BusClosedError: at once if the bus does not run; when awaited, if it stops.
            SessionClosedError: the session has ended, or ends meanwhile.
            Exception: when awaited: whatever `where` raised.
        """
        return self._engine.expect(event_type, where, timeout, self._scope)

    def schedule(self, event: Event, *, delay: float) -> ScheduledEvent:
        """Publish the event after `delay` seconds, unless the session or the bus ends before.

        Raises:
            BusClosedError: the bus does not run.
            SessionClosedError: the session has ended.
            ValueError: `event` belongs to another session than the one that sends it.
        """
        return self._engine.schedule(event, delay, self._scope)
