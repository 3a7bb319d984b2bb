"""Answering commands: by the handler here, or elsewhere, in time, and told of; with an answer or with a stream."""

from __future__ import annotations

import functools
import time
from collections.abc import Coroutine, Generator
from contextlib import ExitStack, contextmanager, nullcontext
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar

import anyio
import attrs

from llmgine_core._calls import Call, CommandTeller, late, outcome_of, seconds_left
from llmgine_core._frames import Frame, in_frame, is_below_delivery
from llmgine_core._scopes import Scope, SessionState, Work
from llmgine_core._stream import AnswerStream, Source
from llmgine_core._subscriptions import CommandHandler
from llmgine_core.contracts import Command, ErrorInfo, Message, Outcome, StreamCommand, lifecycle_header
from llmgine_core.contracts.header import set_header
from llmgine_core.events import CommandResultEvent, CommandStartedEvent

if TYPE_CHECKING:
    from llmgine_core._engine import Engine

__all__ = ["Answering"]

W = TypeVar("W", bound=Work)

_COMMAND: type[Message] = Command  # as a generic class it would leave checkers with an unknown answer
_STREAM_COMMAND: type[Message] = StreamCommand
_now = time.perf_counter
_OK = Outcome.OK  # to ask an enum for its member costs as much as an attribute of an event


class Answering:
    """What a bus does with commands.

    Args:
        engine: the bus.

    Attributes:
        running: the commands that are being answered.
        streams: those that are answered with a stream.
        executed: how many were handed to a handler.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.running: set[Call] = set()
        self.streams: set[AnswerStream[Any]] = set()
        self.executed: int = 0

    def find_at_once(self, command: Message, scope: Scope) -> CommandHandler | None:
        """The handler of a command that can be answered without ado, its header completed; None if it cannot."""
        if not scope.is_open or not self._engine.address(command, scope):
            return None
        header = command.header
        if header.deadline is not None:
            return None
        found = self._engine.registry.find_command(type(command), header.session_id)
        return found if found is not None and found.is_plain else None

    async def tell_of(self, call: Call, registration: CommandHandler) -> Any:
        """Await the handler of a command, and say when it starts and how it ends."""
        engine, command = self._engine, call.message
        id, kind, header = command.id, command.type_name, lifecycle_header(command)
        if engine.hears_command_starts:
            engine.acceptance.tell(CommandStartedEvent(id, kind, registration.name), header)
        began = _now()
        try:
            answer = await registration.handler(command)
        except BaseException as error:
            if engine.hears_command_ends:
                reason = call.refused(error) or error
                info, outcome = ErrorInfo.from_exception(reason), outcome_of(reason)
                event = CommandResultEvent(id, kind, outcome, _now() - began, None, info)
                engine.acceptance.tell(event, header)
            raise
        if engine.hears_command_ends:
            engine.acceptance.tell(CommandResultEvent(id, kind, _OK, _now() - began, answer), header)
        return answer

    def own(self, work: Work, session_id: str | None) -> SessionState | None:
        """Let work end with the session that it is done for; returns the session, from which it must be taken again.

        What runs below an event handler ends with that handler, which may be one of the bus's.
        """
        state = None if session_id is None else self._engine.keeper.sessions.get(session_id)
        if state is None or is_below_delivery(self._engine.frame()):
            return None
        state.begin(work)
        return state

    async def execute(self, message: Any, timeout: float | None, scope: Scope) -> Any:
        """Have a command answered, through middleware, in time, by a handler here or elsewhere."""
        if not isinstance(message, _COMMAND):
            raise TypeError(
                f"execute() takes a Command, not {message!r}; events are published, StreamCommands streamed"
            )
        command = message
        self._engine.admit(scope)
        self._engine.complete(command, scope)
        seconds = seconds_left(command, timeout)
        if seconds is not None and timeout is not None:
            _set_deadline(command, seconds)
        call = Call.of(self._engine, command)
        answer = functools.partial(self._answer, scope, call)
        return await self._see_through(call, seconds, self._engine.through_middleware(command, answer))

    async def answer(self, command: Message) -> Any:
        """Have a command of another bus answered by the handler here; middleware is for the bus that asks."""
        self._engine.admit(self._engine.registry.bus)
        self._engine.complete(command, self._engine.registry.bus)
        call = Call.of(self._engine, command)
        return await self._see_through(call, seconds_left(command), self._handle(self._find(command), call, command))

    async def _see_through(self, call: Call, seconds: float | None, work: Coroutine[Any, Any, Any]) -> Any:
        # middleware is part of the command's work: a stop or an end of the session that it asks for waits for it
        frame = in_frame(call) if self._engine.middleware else nullcontext()
        with self.working(call, self.running, call.message.session_id):
            with call.bounded(seconds), frame:
                return await work
            raise call.reply  # only a cancelled scope of our own gets here

    async def _answer(self, scope: Scope, call: Call, command: Any) -> Any:
        self._engine.admit(scope)  # a middleware may have taken its time
        self._engine.complete(command, scope)
        registration = self._seek(command)
        if registration is None:
            return await self._engine.link.request(command)
        return await self._handle(registration, call, command)

    async def _handle(self, registration: CommandHandler, call: Call, command: Any) -> Any:
        self.executed += 1
        tells = CommandTeller(self._engine.acceptance.tell, self._engine.listens, command, registration)
        own_time = nullcontext() if registration.timeout is None else anyio.move_on_after(registration.timeout)
        tells.started()
        try:
            with own_time, in_frame(Frame.of(self._engine, command)):
                answer = await registration.handler(command)
                tells.ended(Outcome.OK, answer)
                return answer
            raise TimeoutError(late(command))
        except BaseException as error:
            reason = call.reason(error)
            tells.ended(outcome_of(reason), None, reason)
            raise

    def _is_elsewhere(self, command: Message) -> bool:
        """Whether, if anybody, another bus answers the command."""
        return not self._engine.link.is_direct and self._seek(command) is None

    def _seek(self, command: Message) -> CommandHandler | None:
        return self._engine.registry.find_command(type(command), command.session_id)

    def _find(self, command: Message) -> CommandHandler:
        found = self._seek(command)
        if found is None:
            raise self._engine.registry.not_found(type(command), command.session_id)
        return found

    @contextmanager
    def working(self, work: W, among: set[W], session_id: str | None) -> Generator[None]:
        """Count something that runs, and let it end with the session that it runs for."""
        owner = self.own(work, session_id)
        among.add(work)
        try:
            yield
        finally:
            among.discard(work)
            if owner is not None:
                owner.finish(work)
            self._engine.idle.check()

    def stream(
        self, command: Any, timeout: float | None, scope: Scope, *, here_only: bool = False
    ) -> AnswerStream[Any]:
        """Have a command answered with a stream, by a handler here or, if that may be, elsewhere."""
        if not isinstance(command, _STREAM_COMMAND):
            raise TypeError(f"stream() takes a StreamCommand, not {command!r}")
        running = ExitStack()
        tellers: list[CommandTeller] = []

        def start() -> Source[Any]:
            self._engine.admit(scope)
            self._engine.complete(command, scope)
            if self._is_elsewhere(command) and not here_only:
                running.enter_context(self.working(stream, self.streams, command.session_id))
                remote = self._engine.link.request_stream(command)
                return Source(remote, nullcontext(), seconds_left(command, timeout), is_announced=True)
            registration = self._find(command)
            self.executed += 1
            tellers.append(CommandTeller(self._engine.acceptance.tell, self._engine.listens, command, registration))
            running.enter_context(self.working(stream, self.streams, command.session_id))
            tellers[0].started()
            frame = in_frame(Frame.of(self._engine, command))
            try:
                generator = registration.handler(command)
            except BaseException as error:  # it takes other parameters, say
                closed(error)
                raise
            return Source(generator, frame, seconds_left(command, timeout, registration.timeout))

        def closed(error: BaseException | None) -> None:
            for teller in tellers:
                teller.ended(Outcome.OK if error is None else outcome_of(error), None, error)
            running.close()

        stream: AnswerStream[Any] = AnswerStream(
            command, start, self._engine.spawn, closed, self._engine.idle.check, late(command)
        )
        return stream


def _set_deadline(command: Message, seconds: float) -> None:
    """Let the time that the caller gives a command travel with it."""
    deadline = datetime.now(UTC) + timedelta(seconds=seconds)
    set_header(command, attrs.evolve(command.header, deadline=deadline))
