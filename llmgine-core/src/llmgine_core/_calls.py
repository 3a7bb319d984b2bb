"""What is known of a command while it is answered: its deadline, its end, and what is told of it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any, Self

import anyio

from llmgine_core._frames import Frame
from llmgine_core._loop import is_cancellation
from llmgine_core._scopes import SessionState
from llmgine_core._subscriptions import CommandHandler
from llmgine_core.contracts import ErrorInfo, Event, Header, Message, Outcome, lifecycle_header
from llmgine_core.errors import BusClosedError, SessionClosedError
from llmgine_core.events import CommandResultEvent, CommandStartedEvent

__all__ = ["Call", "CommandTeller", "late", "outcome_of", "seconds_left"]

_now = time.perf_counter


def seconds_left(command: Message, *seconds: float | None) -> float | None:
    """How long a command may still take, by its own deadline and these timeouts; None if they say nothing."""
    left = [s for s in seconds if s is not None]
    if command.deadline is not None:
        left.append(command.deadline.timestamp() - time.time())
    return min(left, default=None)


def late(command: Message) -> str:
    """What a caller is told whose time is up."""
    return f"{type(command).__qualname__} was not answered in time"


def outcome_of(error: BaseException) -> Outcome:
    """How a command ended that ended with this error."""
    if isinstance(error, TimeoutError):
        return Outcome.TIMEOUT
    is_end = isinstance(error, (BusClosedError, SessionClosedError, GeneratorExit)) or is_cancellation(error)
    return Outcome.CANCELLED if is_end else Outcome.ERROR


class Call(Frame):
    """A command that is being answered, in its caller's task.

    A scope around every command would cost more than the command. So where the loop can cancel the task itself, and no
    timeout is asked for, there is none: whoever must end the call cancels the task, and `leave` gives the task
    that cancellation back when it has arrived.

    Attributes:
        task: the caller's, if there is no scope.
        refusal: what the caller gets instead of an answer, once somebody has ended the call.
    """

    __slots__ = ("_cancellations", "_scope", "refusal", "task")
    refusal: Exception | None
    task: Any
    _cancellations: int
    _scope: anyio.CancelScope

    @classmethod
    def of(cls, owner: object, message: Message) -> Self:
        """The call that begins here, in a scope."""
        call = super().of(owner, message)
        call.task, call.refusal = None, None
        return call

    def bounded(self, seconds: float | None) -> anyio.CancelScope:
        """The scope in which the command is answered, where there is one."""
        self._scope = anyio.CancelScope()
        if seconds is not None:
            self._scope.deadline = anyio.current_time() + seconds
        return self._scope

    def fail(self, error: Exception) -> None:
        """Cancel the handler; the caller gets the error. May be said again to one that does not heed it."""
        if self.task is None:
            self._scope.cancel()
        else:
            self._cancellations = 1 if self.refusal is None else self._cancellations + 1
            self.task.cancel()
        self.refusal = self.refusal or error

    def refused(self, error: BaseException) -> Exception | None:
        """What the caller gets in place of the error with which the call ended, if that is only its cancellation."""
        if self.refusal is None or not isinstance(error, asyncio.CancelledError):
            return None
        # else somebody has cancelled the caller as well
        return self.refusal if self.task.cancelling() <= self._cancellations else None

    def leave(self, session: SessionState | None) -> None:
        """Let go of what is above and of the session that it ran for, and give the task its cancellations back."""
        self.end()
        if session is not None:
            session.finish(self)
        if self.refusal is not None:
            for _ in range(self._cancellations):
                self.task.uncancel()

    @property
    def reply(self) -> Exception:
        """What the caller gets when the scope was cancelled: the refusal, or that the time is up."""
        return self.refusal or TimeoutError(late(self.message))

    def reason(self, error: BaseException) -> BaseException:
        """Why the handler ended that ended with this error, which may only be the cancellation by this call."""
        return self.reply if self._scope.cancel_called and is_cancellation(error) else error


class CommandTeller:
    """Publishes a command's started and result events, if anybody listens.

    Args:
        tell: publishes an event with a header.
        listens: whether anybody would see an event of a type.
        command: the command.
        registration: its handler.
    """

    __slots__ = ("_began", "_command", "_header", "_listens", "_registration", "_tell")

    def __init__(
        self,
        tell: Callable[[Event, Header], None],
        listens: Callable[[type[Event]], bool],
        command: Message,
        registration: CommandHandler,
    ) -> None:
        self._tell, self._listens = tell, listens
        self._command, self._registration = command, registration
        self._header: Header | None = None
        self._began = _now()

    def started(self) -> None:
        """The handler is about to run."""
        if self._listens(CommandStartedEvent):
            command = self._command
            self._header = lifecycle_header(command)
            self._tell(CommandStartedEvent(command.id, command.type_name, self._registration.name), self._header)

    def ended(self, outcome: Outcome, answer: Any, error: BaseException | None = None) -> None:
        """The handler has ended."""
        if self._listens(CommandResultEvent):
            command, seconds = self._command, _now() - self._began
            info = None if error is None else ErrorInfo.from_exception(error)
            event = CommandResultEvent(command.id, command.type_name, outcome, seconds, answer, info)
            self._tell(event, self._header or lifecycle_header(command))
