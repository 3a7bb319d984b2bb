"""`BusSession`: a conversation's place on the bus, and everything that ends with it."""

from __future__ import annotations

import functools
from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import Any, Self

import anyio

from llmgine_core._engine import Engine
from llmgine_core._keeper import background_of, log_errors
from llmgine_core._loop import is_cancellation
from llmgine_core._scopes import SessionState
from llmgine_core._verbs import Verbs
from llmgine_core.contracts.header import random_hex
from llmgine_core.errors import SessionClosedError, SessionExistsError

__all__ = ["BusSession"]


class BusSession(Verbs):
    """A session, opened by `async with`; made by `MessageBus.session`. Its verbs are the bus's, scoped to it."""

    _scope: SessionState

    def __init__(self, engine: Engine, id: str | None, *, join: bool, drain: float) -> None:
        self._engine = engine
        self._scope = SessionState(random_hex() if id is None else id, drain)
        self._join = join
        self._has_entered = self._has_left = False

    @property
    def id(self) -> str:
        """The session's id."""
        return self._scope.name

    @property
    def closed(self) -> bool:
        """Whether the session has ended."""
        return self._scope.phase == "closed"

    def when_ended(self, function: Callable[[], object]) -> None:
        """Have a function called, which must not raise, when the session has ended.

        Raises:
            SessionClosedError: the session has ended.
            RuntimeError: the session is not open yet.
        """
        self._check_scope()
        self._scope.on_end = (*self._scope.on_end, function)

    # opening and closing

    async def __aenter__(self) -> Self:
        if self._has_entered:
            raise SessionClosedError(self.id) if self.closed else SessionExistsError(self.id)
        engine, mine = self._engine, self._scope
        if engine.state != "running":
            engine.admit(engine.registry.bus)
        if (state := engine.keeper.sessions.get(mine.id)) is None:
            engine.keeper.open_session(mine)
        elif not self._join:
            raise SessionExistsError(self.id)
        elif not state.is_open:
            raise SessionClosedError(self.id)
        else:
            self._scope = state
        self._has_entered = True
        self._scope.members += 1
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        state = self._scope
        if self._has_left or not self._has_entered:
            return
        self._has_left = True
        state.members -= 1
        if state.members > 0 or (error is None and self._engine.keeper.end_at_once(state)):
            return
        try:
            if error is None and await self._engine.keeper.end_quietly(state):
                return
        except BaseException:  # cancelled on the way: the end itself is not for the caller to stop
            await self._close(error)
            raise
        await self._close(error)
        if not self.closed:  # left from inside: nobody waits for what its end brings to light
            state.leaves_later = True
        elif state.errors and error is None:
            raise BaseExceptionGroup(f"background tasks of session {self.id!r} failed", state.errors)
        else:
            log_errors(state)

    async def aclose(self) -> None:
        """End the session, as leaving its `async with` does; from inside its own work, as soon as that returns."""
        if self._has_entered:
            await self._close(None)

    async def _close(self, error: BaseException | None) -> None:
        engine, state = self._engine, self._scope
        engine.keeper.close_soon(state, error)
        if not engine.keeper.is_inside(state):
            with anyio.CancelScope(shield=True):
                await state.wait_ended()

    # background tasks

    def start_soon(self, function: Callable[..., Coroutine[Any, Any, Any]], *args: Any) -> None:
        """Run a coroutine function in the background until the session ends; its errors are raised there.

        Raises:
            SessionClosedError: the session has ended.
            RuntimeError: the session is not open yet.
        """
        self._check_scope()
        task = _BackgroundTask(self._scope, functools.partial(function, *args))
        self._engine.spawn(task.run)


class _BackgroundTask:
    """A coroutine function that runs until its session ends."""

    def __init__(self, state: SessionState, function: Callable[[], Coroutine[Any, Any, Any]]) -> None:
        self._state, self._function = state, function
        self._scope = anyio.CancelScope()
        state.begin(self)

    def fail(self, _: Exception, /) -> None:
        self._scope.cancel()

    async def run(self) -> None:
        background_of.set((*background_of.get(), self._state))
        try:
            with self._scope:
                await self._function()
        except BaseException as error:  # SystemExit too: raised here, it would end the bus
            if not is_cancellation(error):
                self._state.errors = (*self._state.errors, error)
        finally:
            self._state.finish(self)
