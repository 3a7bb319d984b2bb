"""Scopes: the bus itself and each open session, with what is registered in them and what they are owed."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Protocol

import anyio

from llmgine_core._frames import Frame
from llmgine_core._idle import Idle
from llmgine_core.contracts import ErrorInfo, Event, Header, Message, Outcome
from llmgine_core.contracts.header import session_header
from llmgine_core.errors import SessionClosedError
from llmgine_core.events import SessionEndEvent

if TYPE_CHECKING:
    from llmgine_core._subscriptions import CommandHandler, Plan, Subscription

__all__ = ["Scope", "SessionState", "Work", "refuse_foreign"]

_now = time.perf_counter
_NOTHING: Final[Mapping[Any, Any]] = MappingProxyType({})
"""What a session has of most things: empty containers of its own would be a quarter of its memory."""


class Work(Protocol):
    """Something that runs for a session and ends with it: a command, a stream, a schedule, a background task."""

    def fail(self, error: Exception, /) -> None:
        """End it; whoever waits for it gets the error."""
        ...


class Scope:
    """Where handlers are registered: the bus, or one session.

    Attributes:
        id: the session's id; None for the bus.
        known_header: `header`, once it has been asked for.
        is_open: whether work may come from anywhere; always true of the bus, whose own state says more.
        pending: deliveries that the session's own handlers are owed; not counted for the bus.
        idle: who waits until the session is owed less, or has less work; None if nobody ever did.
        commands: the command handlers registered here.
        subscriptions: the event handlers registered here.
        plans: who gets an event of which type; made when first needed.
    """

    __slots__ = ("commands", "id", "idle", "is_open", "known_header", "pending", "plans", "subscriptions")

    def __init__(self, id: str | None) -> None:
        self.id: str | None = id
        self.known_header: Header | None = None
        self.is_open: bool = True
        self.pending: int = 0
        self.idle: Idle | None = None
        self.commands: Mapping[type[Message], CommandHandler] = {}
        self.subscriptions: list[Subscription] = []
        self.plans: Mapping[type[Event], Plan] = {}

    @property
    def header(self) -> Header:
        """The header of messages sent from here that say nothing themselves and have no cause."""
        if self.known_header is None:
            self.known_header = session_header(self.id)
        return self.known_header

    def add_command(self, handler: CommandHandler) -> None:
        """Have commands of its type answered by this handler."""
        if not isinstance(self.commands, dict):
            self.commands = {}
        self.commands[handler.command_type] = handler

    def remove_command(self, handler: CommandHandler) -> bool:
        """Take the handler out; whether it was there."""
        kind = handler.command_type
        if not isinstance(self.commands, dict) or self.commands.get(kind) is not handler:
            return False
        del self.commands[kind]
        return True

    def keep_plan(self, kind: type[Event], plan: Plan) -> None:
        """Keep who gets an event of that type."""
        if not isinstance(self.plans, dict):
            self.plans = {}
        self.plans[kind] = plan

    def settle(self) -> None:
        """Note that one delivery less is owed."""
        self.pending -= 1
        if self.idle is not None:
            self.idle.check()

    def check(self, frame: Frame | None) -> None:
        """Refuse new work if the scope takes none from a caller who stands there; the bus's own scope always does."""


class SessionState(Scope):
    """An open session, shared by all that joined it.

    Attributes:
        drain: seconds that its queued events have at its end.
        began: when it was opened, on the performance counter.
        members: how many have entered and not left.
        phase: `new`, `open`, `closing` (only its own handlers may still work), `ending` (nobody may), `told` (its end
            is published), `closed`.
        work: what runs for it.
        errors: what background tasks raised.
        on_end: called when it is closed.
        leaves_later: whether its last member has left from inside, so that nobody waits for the errors.
    """

    __slots__ = ("_ended", "began", "drain", "errors", "leaves_later", "members", "on_end", "phase", "work")

    def __init__(self, id: str, drain: float) -> None:
        # the fields of the base are written here: one is made for every session
        self.id: str | None = id
        self.known_header: Header | None = None
        self.is_open: bool = False
        self.pending: int = 0
        self.idle: Idle | None = None
        self.commands: Mapping[type[Message], CommandHandler] = _NOTHING
        self.subscriptions: list[Subscription] = []
        self.plans: Mapping[type[Event], Plan] = _NOTHING
        self.drain: float = drain
        self.began: float = _now()
        self.members: int = 0
        self.phase: str = "new"
        self.work: AbstractSet[Work] = frozenset()
        self.errors: Sequence[BaseException] = ()
        self.on_end: Sequence[Callable[[], object]] = ()
        self.leaves_later: bool = False
        self._ended: anyio.Event | None = None

    @property
    def name(self) -> str:
        """The session's id, which a session always has."""
        assert self.id is not None
        return self.id

    def check(self, frame: Frame | None) -> None:
        """Refuse new work.

        Raises:
            RuntimeError: the session is not open yet.
            SessionClosedError: it has ended, or is closing and the caller is not inside a handler of its.
        """
        if self.is_open:
            return
        if self.phase == "new":
            raise RuntimeError(f"session {self.id!r} is not open yet; enter it: async with bus.session() as session")
        if self.phase != "closing" or frame is None or not frame.serves(self.name):
            raise SessionClosedError(self.name)

    def begin(self, work: Work) -> None:
        """Let work end with the session."""
        if not isinstance(self.work, set):
            self.work = set()
        self.work.add(work)

    def finish(self, work: Work) -> None:
        """Let go of work that has ended."""
        if isinstance(self.work, set):
            self.work.discard(work)
        if self.idle is not None:
            self.idle.check()

    async def wait_until(self, condition: Callable[[], bool]) -> None:
        """Wait until a condition holds that only what the session is owed, and its work, can change.

        The sessions of a bus wait apart: when it stops, all of them do, and each delivery concerns one.
        """
        self.idle = self.idle or Idle()
        await self.idle.wait_until(condition)

    def set_phase(self, phase: str) -> None:
        """Go on to the next phase; the last wakes who waits for the end."""
        self.phase = phase
        self.is_open = phase == "open"
        if self._ended is not None and phase == "closed":
            self._ended.set()

    async def wait_ended(self) -> None:
        """Wait until the session is closed."""
        if self.phase == "closed":
            return
        self._ended = self._ended or anyio.Event()
        await self._ended.wait()

    def end_event(self, outcome: Outcome, error: ErrorInfo | None) -> SessionEndEvent:
        """The last event of the session."""
        event = SessionEndEvent(outcome, _now() - self.began, error)
        return event.with_header(self.header)

    def __repr__(self) -> str:
        return f"<session {self.id!r}, {self.phase}>"


def refuse_foreign(message: Message, session_id: str) -> None:
    """Refuse a message that belongs to another session than the one that sends it.

    Raises:
        ValueError: it does.
    """
    given = message.header.session_id
    if given not in (None, session_id):
        raise ValueError(
            f"{type(message).__name__} belongs to session {given!r} and cannot be sent through "
            f"session {session_id!r}; send it through the bus"
        )
