"""What calls event handlers: a task, the shell in which it awaits them, and what it knows of the delivery it is at."""

from __future__ import annotations

import contextvars
import types
from collections import deque
from collections.abc import Callable, Generator
from typing import Any

import anyio

from llmgine_core._frames import DeliveryFrame
from llmgine_core._handlers import call_plainly
from llmgine_core._loop import Ticket
from llmgine_core._subscriptions import Subscription
from llmgine_core.contracts import Event

__all__ = ["DONE", "Failed", "Lane", "Late", "Run", "Worker", "call_inline", "see_through"]


class Failed:
    """What a shell says of a handler that raised."""

    __slots__ = ("error",)

    def __init__(self, error: BaseException) -> None:
        self.error = error


DONE: Any = object()


@types.coroutine
def _shell() -> Generator[Any, Any, None]:
    """Await one handler after another; says `DONE` or `Failed` after each, and takes the next.

    A coroutine that is driven by hand ends in a StopIteration, which costs more than all the rest of a delivery. Behind
    this shell, which never ends, it does not.
    """
    said: Any = DONE
    while True:
        handler, event = yield said
        try:
            yield from handler(event)
        except BaseException as error:  # whatever it is: the worker decides what becomes of it
            said = Failed(error)
        else:
            said = DONE
        handler = event = None  # or the worker, at rest, would keep the event


def call_inline(context: contextvars.Context, handler: Callable[[Any], Any], event: Event) -> Any:
    """Call a handler that does not suspend; `DONE` or `Failed`."""
    try:
        context.run(call_plainly, handler, event)
    except BaseException as error:  # as in a coroutine
        return Failed(error)
    return DONE


class Run:
    """A delivery that is not over when its handler is first left: suspended, or failed and to be tried again."""

    __slots__ = ("attempt", "began", "context", "event", "frame", "fresh", "said", "subscription")

    def __init__(
        self,
        subscription: Subscription,
        event: Event,
        frame: DeliveryFrame,
        context: contextvars.Context,
        fresh: contextvars.Context,
        said: Any,
        began: float,
    ) -> None:
        self.subscription: Subscription = subscription
        self.event: Event = event
        self.frame: DeliveryFrame = frame
        self.context: contextvars.Context = context
        self.fresh: contextvars.Context = fresh
        self.said: Any = said
        self.began: float = began
        self.attempt: int = 1


class Late:
    """A context of a delivery that expires."""

    __slots__ = ("context", "expires")

    def __init__(self, context: contextvars.Context, expires: float) -> None:
        self.context, self.expires = context, expires


class Lane:
    """A handler that is busy in one session, and what waits behind it: pairs of event and context, end to end."""

    __slots__ = ("queue", "session_id", "subscription", "worker")

    def __init__(self, subscription: Subscription, session_id: str | None, worker: Worker) -> None:
        self.subscription: Subscription = subscription
        self.session_id: str | None = session_id
        self.worker: Worker = worker
        self.queue: deque[Any] = deque()

    def __len__(self) -> int:
        return len(self.queue) // 2


class Worker:
    """A task that calls handlers.

    Attributes:
        scope: around all that it does; a handler's timeout is its deadline. One that was cancelled is left for a new.
        leads: whether it is the leader.
        lane: where it is bound to see a handler through.
        run: the delivery that it sees through.
        gives_up: whether the scope was cancelled to discard what it does, rather than because time is up.
    """

    __slots__ = ("gives_up", "lane", "leads", "run", "scope", "shell", "ticket")

    def __init__(self) -> None:
        self.leads: bool = True
        self.shell: Any = _new_shell()
        self.scope: anyio.CancelScope  # made in the worker's own task: where a thread has emitted, anyio cannot yet
        self.lane: Lane | None = None
        self.run: Run | None = None
        self.gives_up: bool = False
        self.ticket: Ticket | None = None


def _new_shell() -> Any:
    shell: Any = _shell()
    shell.send(None)
    return shell


@types.coroutine
def see_through(shell: Any, context: contextvars.Context, said: Any) -> Generator[Any, Any, Any]:
    """Drive a shell whose handler has suspended, in the handler's context, until the handler is done."""
    run = context.run
    while True:
        try:
            sent = yield said
        except GeneratorExit:  # the loop is gone, and so is the task
            run(shell.close)
            raise
        except BaseException as error:  # thrown in by the loop: the handler decides what becomes of it
            said = run(shell.throw, error)
        else:
            said = run(shell.send, sent)
        if said is DONE or type(said) is Failed:
            return said
