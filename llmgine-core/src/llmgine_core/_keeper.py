"""Opening sessions, and ending them: what of a session must be over before it is."""

from __future__ import annotations

import contextvars
import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

import anyio

from llmgine_core import events
from llmgine_core._scopes import SessionState
from llmgine_core.contracts import ErrorInfo, Message, Outcome
from llmgine_core.errors import SessionClosedError

if TYPE_CHECKING:
    from llmgine_core._engine import Engine

__all__ = ["SessionKeeper", "background_of", "in_background", "log_errors"]

_logger = logging.getLogger("llmgine.bus")

# The sessions in whose background tasks the caller stands, whose end would wait for the caller.
background_of: contextvars.ContextVar[tuple[SessionState, ...]] = contextvars.ContextVar(
    "llmgine_background", default=()
)


class SessionKeeper:
    """The open sessions of a bus.

    Args:
        engine: the bus.

    Attributes:
        sessions: the sessions, by id.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.sessions: dict[str | None, SessionState] = {}

    def open_session(self, state: SessionState) -> None:
        """Let a session that nobody has open yet begin."""
        self.sessions[state.id] = state
        state.phase, state.is_open = "open", True
        if self._engine.hears_starts:
            self._engine.acceptance.emit(events.SessionStartEvent().with_header(state.header))

    def end_at_once(self, state: SessionState) -> bool:
        """End a session that owes nobody anything and of whose end nobody hears; whether it was one."""
        if state.pending or state.work or state.errors or not state.is_open:
            return False
        if self._engine.hears_ends or self._engine.state not in ("running", "stopping"):
            return False
        self.forget_session(state)
        return True

    async def end_quietly(self, state: SessionState) -> bool:
        """End a session that owes nothing but deliveries, and of whose end nobody hears, without a task for it.

        Returns:
            Whether it has ended; if not, nothing has changed but that its time to drain is used up.
        """
        if (
            not state.pending
            or state.work
            or self._engine.hears_ends
            or not state.is_open
            or self._engine.state != "running"
        ):
            return False
        if self.is_inside(state):
            return False
        state.set_phase("closing")
        try:
            with anyio.move_on_after(state.drain) as patience:
                await state.wait_until(lambda: not state.pending)
        finally:
            if state.phase == "closing":  # else the bus has ended meanwhile, and the session with it
                state.set_phase("open")
        if patience.cancelled_caught:
            state.drain = 0
        return state.phase == "closed" or self.end_at_once(state)

    def close_soon(self, state: SessionState, error: BaseException | None) -> None:
        """Have the session ended, in a task of the bus: whoever asks may be cancelled meanwhile."""
        if state.phase == "open" and self._engine.state != "stopped":  # a bus that ends takes its sessions along
            state.set_phase("closing")
            frame = self._engine.frame()
            asking = frame.commands if frame is not None and self.is_inside(state) else []
            self._engine.spawn(self._end_session, state, error, asking)

    def is_inside(self, state: SessionState) -> bool:
        """Whether the caller stands in work for this session, whose end would wait for it."""
        frame = self._engine.frame()
        return state in background_of.get() or (frame is not None and frame.serves(state.name))

    async def _end_session(self, state: SessionState, error: BaseException | None, asking: list[Message]) -> None:
        """End the session.

        Args:
            state: the session.
            error: what left its body.
            asking: the commands whose handlers asked for the end; they are let finish.
        """
        if error is None:
            await self._drain_session(state, asking)
        state.set_phase("ending")
        for work in list(state.work):
            work.fail(SessionClosedError(state.name))
        await self._cancel_session(state)
        state.set_phase("told")
        if self._engine.hears_ends:
            info = None if error is None else ErrorInfo.from_exception(error)
            self._engine.acceptance.emit(state.end_event(_outcome_of(error), info))
        self._engine.registry.seal(state)
        await self._drain_session(state, ())
        self.forget_session(state)
        if state.leaves_later:
            log_errors(state)

    async def _drain_session(self, state: SessionState, asking: Sequence[Message]) -> None:
        """Wait, for the session's own time, until its handlers have taken what they are owed, and commands ended."""

        def is_over() -> bool:
            return not any(call.message is c for call in self._engine.answering.running for c in asking)

        if not state.pending and is_over():
            return
        with anyio.move_on_after(state.drain):
            while state.pending or not is_over():
                await state.wait_until(lambda: not state.pending)
                await self._engine.idle.wait_until(is_over)

    async def _cancel_session(self, state: SessionState) -> None:
        """Give up what the session's handlers are owed, and wait until they and the session's work have ended."""
        if not (state.pending or state.work):
            return
        self._engine.dispatcher.cancel_scope(state.subscriptions)
        await self._engine.loop.breathe()  # and let others end with it, for whom the queue is to be swept, too
        self._engine.dispatcher.backlog.sweep()
        with anyio.move_on_after(state.drain) as patience:
            await state.wait_until(lambda: not state.work and not state.pending)
        if patience.cancelled_caught:
            _logger.error("session %r ended, but something of it does not heed its cancellation", state.id)

    def forget_session(self, state: SessionState) -> None:
        """Unregister everything of a session that has ended."""
        if state.subscriptions or state.commands:
            if state.pending:
                self._engine.dispatcher.cancel_scope(state.subscriptions)
                self._engine.dispatcher.backlog.sweep()
            self._engine.registry.end_scope(state)
        if self._engine.is_watched:
            self._engine.expectations.fail(state.id, SessionClosedError(state.name))
        self.sessions.pop(state.id, None)
        state.set_phase("closed")
        for function in state.on_end:
            function()
        if self._engine.idle.waiting:
            self._engine.idle.check()

    def abandon(self, state: SessionState) -> None:
        """Close a session that outlived the bus; only taps hear of its end."""
        if state.phase != "told" and self._engine.hears_ends:
            self._engine.acceptance.emit(state.end_event(Outcome.CANCELLED, None))
        self.forget_session(state)


def in_background(engine: Engine) -> bool:
    """Whether the caller stands in a background task of a session that is open on this bus."""
    return any(engine.keeper.sessions.get(state.name) is state for state in background_of.get())


def _outcome_of(error: BaseException | None) -> Outcome:
    if error is None:
        return Outcome.OK
    return Outcome.ERROR if isinstance(error, Exception) else Outcome.CANCELLED


def log_errors(state: SessionState) -> None:
    """Say what background tasks raised, where nobody waits for it."""
    for failure in state.errors:
        _logger.error("a background task of session %r failed", state.id, exc_info=failure)
