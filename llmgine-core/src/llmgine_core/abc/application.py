"""What a running application and its sessions are."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol, Self, TypeVar, overload

from llmgine_core.abc.bus import BusSession, MessageBus
from llmgine_core.abc.services import ContextStore, LanguageModel, ToolManager
from llmgine_core.abc.telemetry import Telemetry
from llmgine_core.contracts import ChatMessage, Health, Message, Usage

__all__ = ["Application", "ApplicationSession", "History"]

T = TypeVar("T")


class History(Protocol):
    """The context store, bound to one session."""

    async def add(self, message: ChatMessage) -> int:
        """Append one message and return the new version."""
        ...

    async def add_all(self, messages: Sequence[ChatMessage], *, expected_version: int | None = None) -> int:
        """Append messages, all or none, and return the new version.

        Raises:
            ContextConflictError: the version is another.
        """
        ...

    async def messages(self, *, limit: int | None = None) -> tuple[ChatMessage, ...]:
        """The history, oldest first; at most `limit`, the newest, in whole groups."""
        ...

    async def clear(self) -> None:
        """Forget it."""
        ...


class ApplicationSession(BusSession, Protocol):
    """A bus session with the application's tools, history and usage."""

    @property
    def app(self) -> Application:
        """The application."""
        ...

    @property
    def tools(self) -> ToolManager:
        """This session's tools.

        Raises:
            PluginNotFoundError: the application has no tool manager.
        """
        ...

    @property
    def history(self) -> History:
        """This session's history.

        Raises:
            PluginNotFoundError: the application has no context store.
        """
        ...

    @property
    def usage(self) -> Usage:
        """Tokens that the session's model calls have cost so far."""
        ...


class Application(Protocol):
    """A running application: the built plugins, joined by a bus."""

    @property
    def name(self) -> str:
        """Its name."""
        ...

    @property
    def bus(self) -> MessageBus:
        """Its bus."""
        ...

    @property
    def context_store(self) -> ContextStore:
        """Its context store.

        Raises:
            PluginNotFoundError: it has none.
        """
        ...

    @property
    def state(self) -> Any:
        """What it was given as `state`."""
        ...

    @property
    def observability(self) -> Telemetry:
        """Its own logs, metrics and spans."""
        ...

    def llm(self, name: str = "default") -> LanguageModel:
        """The model configured under that name; its calls go through the bus.

        Raises:
            PluginNotFoundError: no model is configured under that name.
        """
        ...

    def health(self) -> Health:
        """How it is: the bus, every observability handler, and what plugins check as `{kind}.{instance}.{check}`."""
        ...

    @overload
    async def run(self) -> None: ...

    @overload
    async def run(self, main: Callable[[Self], Awaitable[T]]) -> T | None: ...

    async def run(self, main: Callable[[Self], Awaitable[T]] | None = None) -> T | None:
        """Wait until the process is told to stop or `request_stop` is called.

        Args:
            main: what to run meanwhile, with the application as its argument; cancelled at the stop, unless it waits in
                `run()` itself.

        Returns:
            What `main` returned; None if it was cancelled, or there is none.
        """
        ...

    def request_stop(self) -> None:
        """Let `run` return; from anywhere."""
        ...

    def session(self, id: str | None = None, *, join: bool = False) -> ApplicationSession:
        """A session, opened by `async with`; see `MessageBus.session`."""
        ...

    def session_of(self, message: Message) -> ApplicationSession:
        """The open session that the message belongs to, or a light one for it where none is open here.

        Raises:
            ValueError: the message bears no session id.
        """
        ...
