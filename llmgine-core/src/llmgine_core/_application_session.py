"""`ApplicationSession`: a bus session with the application's tools, history and usage."""

from __future__ import annotations

import functools
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar, cast

import attrs

from llmgine_core import abc
from llmgine_core._session import BusSession
from llmgine_core.contracts import (
    ChatMessage,
    Command,
    Event,
    Message,
    Overflow,
    Retry,
    StreamCommand,
    Usage,
    handling,
)
from llmgine_core.errors import SessionClosedError

if TYPE_CHECKING:
    from llmgine_core._application import Application

__all__ = ["ApplicationSession", "BoundHistory", "LightSession"]

C = TypeVar("C")
A = TypeVar("A")
R = TypeVar("R")
T = TypeVar("T")
E = TypeVar("E", bound=Event)


@attrs.frozen
class BoundHistory:
    """The context store, bound to one session."""

    store: abc.ContextStore
    session_id: str

    async def add(self, message: ChatMessage) -> int:
        """Append one message and return the new version."""
        return await self.store.add_message(self.session_id, message)

    async def add_all(self, messages: Sequence[ChatMessage], *, expected_version: int | None = None) -> int:
        """Append messages, all or none, and return the new version.

        Raises:
            ContextConflictError: the history's version is not the expected one.
        """
        return await self.store.add_messages(self.session_id, messages, expected_version=expected_version)

    async def messages(self, *, limit: int | None = None) -> tuple[ChatMessage, ...]:
        """The history, oldest first; at most `limit`, the newest, in whole groups."""
        return await self.store.get_context(self.session_id, limit=limit)

    async def clear(self) -> None:
        """Forget it."""
        await self.store.clear_context(self.session_id)


class LightSession:
    """A session's verbs for a message whose session is not open here; what needs an open session is refused."""

    closed: bool = False

    def __init__(self, bus: abc.MessageBus, message: Message) -> None:
        self._bus, self._message = bus, message
        self.id: str = cast("str", message.session_id)

    async def aclose(self) -> None:
        """Nothing is open here, so nothing needs closing."""

    async def execute(self, command: Command[R], *, timeout: float | None = None) -> R:
        with handling(self._message):
            return await self._bus.execute(command, timeout=timeout)

    @asynccontextmanager
    async def stream(
        self, command: StreamCommand[T], *, timeout: float | None = None
    ) -> AsyncGenerator[AsyncIterator[T]]:
        with handling(self._message):
            stream = self._bus.stream(command, timeout=timeout)
            items = await stream.__aenter__()
        try:
            yield items
        finally:
            await stream.__aexit__(*sys.exc_info())

    async def publish(self, event: Event, *, ttl: float | None = None) -> None:
        with handling(self._message):
            await self._bus.publish(event, ttl=ttl)

    def _refuse(self, *_: Any, **__: Any) -> Any:
        raise SessionClosedError(self.id)

    register_command_handler: Callable[..., Any] = _refuse
    register_event_handler: Callable[..., Any] = _refuse
    expect: Callable[..., Any] = _refuse
    schedule: Callable[..., Any] = _refuse
    start_soon: Callable[..., Any] = _refuse


class _Shared:
    """What all that joined one session have in common."""

    def __init__(self) -> None:
        self.tools: abc.ToolManager | None = None
        self.usage = Usage()


class ApplicationSession:
    """A bus session with the application's tools, history and usage."""

    def __init__(self, app: Application, session: abc.BusSession | LightSession, *, join: bool = False) -> None:
        self._app, self._session, self._join = app, session, join
        self._shared = _Shared()

    @property
    def id(self) -> str:
        """The session's id."""
        return self._session.id

    @property
    def closed(self) -> bool:
        """Whether the session has ended."""
        return self._session.closed

    @property
    def app(self) -> Application:
        """The application."""
        return self._app

    @property
    def tools(self) -> abc.ToolManager:
        """This session's tools.

        Raises:
            PluginNotFoundError: the application has no tool manager.
        """
        if self._shared.tools is None:
            self._shared.tools = self._app.make_tools(self)
        return self._shared.tools

    @property
    def history(self) -> BoundHistory:
        """This session's history.

        Raises:
            PluginNotFoundError: the application has no context store.
        """
        return BoundHistory(self._app.context_store, self.id)

    @property
    def usage(self) -> Usage:
        """Tokens that the session's model calls have cost so far."""
        return self._shared.usage

    def add_usage(self, usage: Usage) -> None:
        """Count what a model call of the session cost."""
        self._shared.usage += usage

    async def __aenter__(self) -> Self:
        await cast("abc.BusSession", self._session).__aenter__()
        kept = self._app.opened(self)
        self._shared = kept._shared
        if kept is self and isinstance(self._session, BusSession):
            self._session.when_ended(functools.partial(self._app.forget, self.id))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool | None:
        try:
            return await cast("abc.BusSession", self._session).__aexit__(kind, error, traceback)
        finally:
            self._app.forget(self.id)

    async def aclose(self) -> None:
        """End the session, as leaving its `async with` does."""
        await self._session.aclose()
        self._app.forget(self.id)

    # the bus's verbs; see `MessageBus`

    def register_command_handler(
        self,
        command_type: abc.CommandType[C, A],
        handler: Callable[[C], A],
        *,
        timeout: float | None = None,
    ) -> abc.Registration:
        """Let `handler` answer the session's commands of this type."""
        return self._session.register_command_handler(command_type, handler, timeout=timeout)

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
    ) -> abc.Registration:
        """Let `handler` see the session's events of this type."""
        return self._session.register_event_handler(
            event_type,
            handler,
            where=where,
            group=group,
            timeout=timeout,
            retry=retry,
            overflow=overflow,
            capacity=capacity,
            in_thread=in_thread,
        )

    async def execute(self, command: Command[R], *, timeout: float | None = None) -> R:
        """Have the session's handler, else the bus's, answer."""
        return await self._session.execute(command, timeout=timeout)

    def stream(
        self, command: StreamCommand[T], *, timeout: float | None = None
    ) -> AbstractAsyncContextManager[AsyncIterator[T]]:
        """Have the session's handler, else the bus's, answer with a stream."""
        return self._session.stream(command, timeout=timeout)

    async def publish(self, event: Event, *, ttl: float | None = None) -> None:
        """Give the event to the bus as one of this session."""
        await self._session.publish(event, ttl=ttl)

    def expect(
        self, event_type: type[E], *, where: Callable[[E], bool] | None = None, timeout: float | None = None
    ) -> Awaitable[E]:
        """The next event of this type in this session."""
        return self._session.expect(event_type, where=where, timeout=timeout)

    def schedule(self, event: Event, *, delay: float) -> abc.ScheduledEvent:
        """Publish the event in this session after `delay` seconds."""
        return self._session.schedule(event, delay=delay)

    def start_soon(self, function: Callable[..., Coroutine[Any, Any, Any]], *args: Any) -> None:
        """Run a coroutine function in the background until the session ends."""
        self._session.start_soon(function, *args)
