"""What is known of a command while it is answered: its deadline, its end, and what is told of it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import anyio

from llmgine_core import events
from llmgine_core._loop import is_cancellation
from llmgine_core._registry import CommandHandler
from llmgine_core.contracts import ErrorInfo, Event, Message, Outcome, lifecycle_header
from llmgine_core.errors import BusClosedError, SessionClosedError

__all__ = ["Call", "CommandTeller", "deadline_of", "late", "outcome_of"]


def deadline_of(command: Message, *seconds: float | None) -> float:
    """The earliest of the command's own deadline and the timeouts, on the event loop's clock."""
    left = [s for s in seconds if s is not None]
    if command.deadline is not None:
        left.append(command.deadline.timestamp() - time.time())
    return anyio.current_time() + min(left) if left else float("inf")


def late(command: Message) -> str:
    """What a caller is told whose time is up."""
    return f"{type(command).__qualname__} was not answered in time"


def outcome_of(error: BaseException) -> Outcome:
    """How a command ended that ended with this error."""
    if isinstance(error, TimeoutError):
        return Outcome.TIMEOUT
    is_end = isinstance(error, (BusClosedError, SessionClosedError, GeneratorExit)) or is_cancellation(error)
    return Outcome.CANCELLED if is_end else Outcome.ERROR


class Call:
    """A command that is being answered, in its caller's task."""

    def __init__(self, command: Message, deadline: float) -> None:
        self.command = command
        self.scope = anyio.CancelScope(deadline=deadline)
        self.refusal: Exception | None = None

    def fail(self, error: Exception) -> None:
        """Cancel the handler; the caller gets the error."""
        self.refusal = self.refusal or error
        self.scope.cancel()

    @property
    def end(self) -> Exception:
        """What the caller gets when the scope was cancelled: the refusal, or that the time is up."""
        return self.refusal or TimeoutError(late(self.command))

    def reason(self, error: BaseException) -> BaseException:
        """Why the handler ended that ended with this error, which may only be the cancellation by this call."""
        return self.end if is_cancellation(error) and self.scope.cancel_called else error


class CommandTeller:
    """Publishes a command's started and result events, if anybody listens.

    Args:
        emit: publishes an event.
        listens: whether anybody would see an event of a type.
        command: the command.
        registration: its handler.
    """

    def __init__(
        self,
        emit: Callable[[Event], None],
        listens: Callable[[type[Event]], bool],
        command: Message,
        registration: CommandHandler,
    ) -> None:
        self._emit, self._listens = emit, listens
        self._command, self._handler = command, registration.name
        self._began = time.perf_counter()

    def started(self) -> None:
        """The handler is about to run."""
        if self._listens(events.CommandStartedEvent):
            self._tell(events.CommandStartedEvent(self._command.id, self._command.type_name, self._handler))

    def ended(self, outcome: Outcome, answer: Any, error: BaseException | None = None) -> None:
        """The handler has ended."""
        if self._listens(events.CommandResultEvent):
            command, seconds = self._command, time.perf_counter() - self._began
            info = None if error is None else ErrorInfo.from_exception(error)
            self._tell(events.CommandResultEvent(command.id, command.type_name, outcome, seconds, answer, info))

    def _tell(self, event: Event) -> None:
        self._emit(event.with_header(lifecycle_header(self._command)))
