"""What a message bus, a context store, a tool manager, a language model and an application *are*.

An implementation shares nothing with these but the signatures; the conformance kits say the rest.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Protocol, Self, TypeVar

from llmgine_core.contracts import (
    BusStats,
    ChatMessage,
    Command,
    DeadLetter,
    Event,
    Health,
    LLMRequest,
    LLMResponse,
    LLMStreamEvent,
    Message,
    Overflow,
    Retry,
    StopReport,
    StreamCommand,
    ToolCall,
    ToolDefinition,
    ToolResult,
    TransportCapabilities,
    Usage,
)

if TYPE_CHECKING:
    from llmgine_core.observability import EventRecord

__all__ = [
    "Application",
    "ApplicationSession",
    "BusSession",
    "BusVerbs",
    "CommandType",
    "ContextStore",
    "Endpoint",
    "EventTap",
    "History",
    "LanguageModel",
    "MessageBus",
    "Middleware",
    "OutputFormat",
    "Redactor",
    "Registration",
    "ScheduledEvent",
    "Telemetry",
    "ToolManager",
    "ToolManagerFactory",
    "Transport",
]

R = TypeVar("R")
T = TypeVar("T")
E = TypeVar("E", bound=Event)
C = TypeVar("C")
A = TypeVar("A")
C_co = TypeVar("C_co", covariant=True)
A_contra = TypeVar("A_contra", contravariant=True)
E_contra = TypeVar("E_contra", bound=Event, contravariant=True)

Middleware = Callable[[Message, Callable[[Message], Awaitable[Any]]], Awaitable[Any]]
"""`async def middleware(message, call_next)`: wraps `execute` and the acceptance of `publish`."""

EventTap = Callable[[Event], None]
"""Called once with each accepted event, before delivery; must neither block nor raise."""


class Registration(Protocol):
    """A handler's registration."""

    @property
    def name(self) -> str:
        """The name under which `stats()` counts it."""
        ...

    def unregister(self) -> None:
        """End it: the handler is not called again, what waits for it is discarded, the one running finishes."""
        ...


class ScheduledEvent(Protocol):
    """An event that will be published later."""

    def cancel(self) -> None:
        """Do not publish it; without effect once it is published."""
        ...


# ── the bus ──────────────────────────────────────────────────────────────────────────────────────────────────────────


class CommandType(Protocol[C_co, A_contra]):
    """A command's class, as type checkers see it: with what its handler takes and what it returns.

    Every subclass of `Command` and `StreamCommand` is one. A helper that passes a class and its handler on is written
    `def helper(kind: CommandType[C, A], handler: Callable[[C], A])`; with `type[C]`, any answer would do.
    """

    def _llmgine_handled(self) -> C_co: ...

    # contravariant: what a handler returns may be narrower than what the command promises, never something else
    def _llmgine_answered(self, answer: A_contra, /) -> None: ...

    # a class can be called, a message cannot
    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Make a command."""
        ...


class BusVerbs(Protocol):
    """What can be asked of a bus and of a session alike."""

    def register_command_handler(
        self,
        command_type: CommandType[C, A],
        handler: Callable[[C], A],
        *,
        timeout: float | None = None,
    ) -> Registration:
        """Let `handler` answer commands of exactly this type.

        Args:
            command_type: a subclass of `Command` or `StreamCommand`.
            handler: a coroutine function of the command; for a `StreamCommand` an async generator function.
            timeout: seconds that one command may take.

        Raises:
            DuplicateHandlerError: this scope has a handler for the type.
            TypeError: `handler` is not of that kind.
        """
        ...

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
        """Let `handler` see every event of this type and of its subclasses.

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
            TypeError: `event_type` is no event class, or `in_thread` is asked of a coroutine function.
        """
        ...

    async def execute(self, command: Command[R], *, timeout: float | None = None) -> R:
        """Have the command's handler answer.

        Args:
            command: the command.
            timeout: seconds to wait at most.

        Returns:
            The handler's answer.

        Raises:
            HandlerNotFoundError: no handler is registered.
            BusClosedError: the bus does not run, or was stopped meanwhile.
            SessionClosedError: the session has ended.
            TimeoutError: the time is up.
            Exception: whatever the handler raises, unchanged.
        """
        ...

    def stream(
        self, command: StreamCommand[T], *, timeout: float | None = None
    ) -> AbstractAsyncContextManager[AsyncIterator[T]]:
        """Have the command's handler answer with a stream: `async with bus.stream(command) as items`.

        Leaving the block early ends the handler's generator, its `finally` included.

        Raises:
            The same as `execute`, on entry or while iterating.
        """
        ...

    async def publish(self, event: Event, *, ttl: float | None = None) -> None:
        """Give the event to the bus. Returns when it is accepted, not when it is handled.

        Args:
            event: the event.
            ttl: seconds after which a delivery that has not begun expires.

        Raises:
            BusClosedError: the bus does not run.
            SessionClosedError: the session has ended.
            QueueFullError: inside an event handler, when its reserve is used up too.
            ValueError: the event bears another session's id than the session it is published through.
        """
        ...

    def expect(
        self, event_type: type[E], *, where: Callable[[E], bool] | None = None, timeout: float | None = None
    ) -> Awaitable[E]:
        """The next event of this type accepted after this call; await the result to wait for it.

        Raises:
            TimeoutError: when awaited: the time is up.
            BusClosedError: when awaited: the bus stops.
        """
        ...

    def schedule(self, event: Event, *, delay: float) -> ScheduledEvent:
        """Publish the event after `delay` seconds, unless its session or the bus ends before."""
        ...


class BusSession(BusVerbs, Protocol):
    """A conversation's place on the bus; everything registered or started through it ends with it."""

    @property
    def id(self) -> str:
        """The session's id."""
        ...

    @property
    def closed(self) -> bool:
        """Whether the session has ended."""
        ...

    def start_soon(self, function: Callable[..., Coroutine[Any, Any, Any]], *args: Any) -> None:
        """Run a coroutine function in the background until the session ends; its errors are raised there.

        Raises:
            SessionClosedError: the session has ended.
        """
        ...

    async def aclose(self) -> None:
        """End the session, as leaving its `async with` does."""
        ...

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None, /
    ) -> bool | None: ...


class MessageBus(BusVerbs, Protocol):
    """Carries commands to their one handler and events to all that subscribed."""

    async def start(self) -> None:
        """Begin to take work; without effect on a running bus."""
        ...

    async def stop(self, *, drain: float = 10.0) -> StopReport:
        """Take no more work, finish what was accepted within `drain` seconds, cancel the rest; idempotent."""
        ...

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None, /
    ) -> bool | None: ...

    def session(self, id: str | None = None, *, join: bool = False, drain: float = 5.0) -> BusSession:
        """A session, opened by `async with`.

        Args:
            id: its id; by default a new one.
            join: share the session of this id if it is open; the last to leave ends it.
            drain: seconds that its queued events have at its end.

        Raises:
            SessionExistsError: on entry: the id is open and `join` is false.
        """
        ...

    def emit(self, event: Event) -> None:
        """Publish without waiting or failing, from any thread: for telemetry. What finds no room is counted."""
        ...

    def publish_from_thread(self, event: Event, *, ttl: float | None = None) -> None:
        """`publish` for a thread outside the event loop; returns when the event is accepted.

        Raises:
            The same as `publish`; RuntimeError on the loop's own thread.
        """
        ...

    def add_middleware(self, middleware: Middleware) -> None:
        """Wrap every `execute` and every acceptance of an event; the first added is the outermost."""
        ...

    def add_tap(self, tap: EventTap) -> Registration:
        """Show every accepted event to `tap`, before its delivery."""
        ...

    def listens(self, event_type: type[Event], *, exactly: bool = False) -> bool:
        """Whether anybody would see an event of this type.

        Args:
            event_type: the type.
            exactly: count only who subscribed to this very type, for events too many to show to everybody.
        """
        ...

    async def wait_idle(self, *, timeout: float | None = None) -> None:
        """Wait until nothing is pending.

        Raises:
            TimeoutError: the time is up.
        """
        ...

    def stats(self) -> BusStats:
        """The books, as they stand."""
        ...

    def dead_letters(self) -> tuple[DeadLetter, ...]:
        """Deliveries on which a handler failed for good, oldest first: the newest 1,000."""
        ...

    async def redeliver(self, id: str) -> None:
        """Owe the event of a dead letter once more to the subscription that failed on it, and take the letter out.

        Raises:
            LookupError: there is no such letter, or its subscription is gone; then the letter stays.
            BusClosedError: the bus does not run.
        """
        ...


# ── between buses ────────────────────────────────────────────────────────────────────────────────────────────────────


class Transport(Protocol):
    """Carries messages between buses. It serves one bus, which opens it at its start and closes it when it has stopped.

    An event goes to every other bus once, and once to each group, whichever bus has the members, that of the publisher
    included. A command for which a bus has no handler of its own goes to one that has. A message's header travels with
    it; its publisher's context variables do not. `llmgine_core.serialization` writes and reads messages, answers and
    errors.

    `open` and `close` are awaited in one task, so that a transport may enter a task group in one and leave it in the
    other. What it calls of its `Endpoint` must be called on the bus's event loop.
    """

    @property
    def capabilities(self) -> TransportCapabilities:
        """What it can do."""
        ...

    async def open(self, endpoint: Endpoint) -> None:
        """Begin to carry for this bus; `serve` and `join` are called for what it has registered.

        A stop that has waited too long for it cancels it.

        Raises:
            Exception: it cannot; the bus does not start, and whoever starts it gets the error.
        """
        ...

    async def close(self) -> None:
        """End. Deliveries to groups that are not acknowledged are another member's."""
        ...

    async def publish(self, event: Event, *, ttl: float | None, wait: bool) -> None:
        """Carry an event to the other buses and to the groups; returns when it is as safe as the durability says.

        Cancelled by a stop of the bus, and by the end of the session through which the event is published.

        Args:
            event: the event.
            ttl: seconds after which a delivery that has not begun expires.
            wait: whether to wait where there is no room.

        Raises:
            QueueFullError: there is no room, and it must not wait.
            SerializationError: the event holds what cannot be written.
        """
        ...

    async def request(self, command: Message) -> Any:
        """Have a bus that serves the command's type answer it; cancelling the call cancels the handler.

        Raises:
            HandlerNotFoundError: no bus does.
            BusClosedError: the bus that was asked went away.
            RemoteHandlerError: the handler raised what has no type here.
            Exception: whatever else the handler raised.
        """
        ...

    def request_stream(self, command: Message) -> AbstractAsyncContextManager[AsyncIterator[Any]]:
        """Have a bus that serves the command's type answer it with a stream; leaving early ends the handler.

        Raises:
            The same as `request`, on entry or while iterating.
        """
        ...

    def serve(self, command_type: type[Message]) -> None:
        """Bring commands of this type here, too."""
        ...

    def unserve(self, command_type: type[Message]) -> None:
        """Bring them here no more."""
        ...

    def join(self, group: str, event_type: type[Event], where: str | None) -> None:
        """Offer the events of this group here, too.

        Args:
            group: its name.
            event_type: what its members see, subclasses included.
            where: the name of their filter, which the bus applies itself; None if they have none.

        Raises:
            DuplicateHandlerError: members elsewhere see another type, or have another filter; where it is known later
                only, the transport says so in the log.
        """
        ...

    def leave(self, group: str) -> None:
        """Offer them here no more."""
        ...


class Endpoint(Protocol):
    """What a bus offers to its transport."""

    def spawn(self, function: Callable[..., Coroutine[Any, Any, None]], *args: Any) -> None:
        """Run a coroutine function, which must not raise, as a task of the bus, in no publisher's context."""
        ...

    async def receive(self, event: Event, *, ttl: float | None = None) -> None:
        """Owe an event of another bus to everybody here who subscribed, but not to groups.

        Returns when there was room for it, also where a subscription's policy is `raise`: there is no publisher here to
        be refused. One that has come before, within the last 10,000, is let go.

        Args:
            event: the event.
            ttl: seconds after which a delivery that has not begun expires.

        Raises:
            BusClosedError: the bus does not run, or stops.
        """
        ...

    async def take(self, event: Event, group: str, *, ttl: float | None = None) -> bool:
        """Have a member of the group that is registered here handle the event; returns when that is over.

        One that comes again, while it is handled or within the next 10,000, is not handled again.

        Args:
            event: the event, of whichever bus.
            group: the group's name.
            ttl: seconds after which a delivery that has not begun expires.

        Returns:
            Whether the event is done with: handled, failed for good, expired, dropped, or not meant for the group. If
            not, it is another member's.

        Raises:
            BusClosedError: the bus does not run, or stops.
        """
        ...

    async def answer(self, command: Message) -> Any:
        """Have the handler here answer another bus's command; cancelling the call cancels the handler.

        Raises:
            HandlerNotFoundError: there is none.
            BusClosedError: the bus does not run, or was stopped meanwhile.
            TimeoutError: the command's deadline, or the handler's timeout, is over.
            Exception: whatever the handler raises.
        """
        ...

    def answer_stream(self, command: Message) -> AbstractAsyncContextManager[AsyncIterator[Any]]:
        """Have the handler here answer another bus's `StreamCommand`.

        Raises:
            The same as `answer`, on entry or while iterating.
        """
        ...


# ── history, tools, models ───────────────────────────────────────────────────────────────────────────────────────────


class ContextStore(Protocol):
    """Keeps the histories of sessions. A history's version grows with every change."""

    async def add_message(self, session_id: str, message: ChatMessage) -> int:
        """Append one message and return the new version."""
        ...

    async def add_messages(
        self,
        session_id: str,
        messages: Sequence[ChatMessage],
        *,
        expected_version: int | None = None,
        idempotency_key: str | None = None,
    ) -> int:
        """Append messages, all or none.

        Args:
            session_id: whose history.
            messages: what to append, in order.
            expected_version: append only if the history still has this version.
            idempotency_key: a key that was used before makes the call return its first result and change nothing.

        Returns:
            The new version.

        Raises:
            ContextConflictError: the version is another.
        """
        ...

    async def get_context(
        self, session_id: str, *, limit: int | None = None, after: int | None = None
    ) -> tuple[ChatMessage, ...]:
        """The history, oldest first; empty for a session that is not known.

        Args:
            session_id: whose history.
            limit: at most so many, the newest, in whole groups: never a tool's result without its call.
            after: only what was added after the history had this version.
        """
        ...

    async def clear_context(self, session_id: str) -> None:
        """Forget the history; its version grows all the same."""
        ...

    async def version(self, session_id: str) -> int:
        """The history's version; 0 for a session that is not known."""
        ...

    async def sessions(self) -> tuple[str, ...]:
        """Ids of the sessions that have a history."""
        ...

    async def fork(self, session_id: str, new_id: str, *, at: int | None = None) -> int:
        """Begin the history of `new_id` as a copy of another's, as it is or as it was at version `at`.

        Raises:
            ContextConflictError: `new_id` has a history already.
        """
        ...

    async def replace(
        self,
        session_id: str,
        start: int,
        stop: int,
        messages: Sequence[ChatMessage],
        *,
        expected_version: int | None = None,
    ) -> int:
        """Put `messages` in the place of `history[start:stop]`, for compaction.

        Raises:
            ContextConflictError: the version is another.
            IndexError: there is no such part.
        """
        ...


class OutputFormat(Protocol):
    """The form of a structured answer: what a model is told of a type, and how its answer becomes a value of it."""

    @property
    def schema(self) -> Mapping[str, Any]:
        """JSON Schema of the answer, an object."""
        ...

    def read(self, text: str) -> Any:
        """The value that the answer states.

        Raises:
            ToolArgumentsError: the answer does not fit; the error lists every fault with its path.
        """
        ...


class ToolManager(Protocol):
    """The tools of one session: what a model is told of them, and how its calls are made."""

    def register_tool(
        self,
        function: Callable[..., Any],
        *,
        name: str | None = None,
        description: str | None = None,
        timeout: float | None = None,
        requires_approval: bool | None = None,
        examples: Sequence[str] = (),
    ) -> None:
        """Offer a function to models. What is left out is taken from `@tool`, else from the function itself.

        Raises:
            ToolSchemaError: its signature cannot be stated as a JSON Schema, or the name is taken or not allowed.
        """
        ...

    def get_tools(self, *, strict: bool = False) -> list[dict[str, Any]]:
        """The tools as OpenAI-compatible definitions, in the form of its strict mode where asked and possible."""
        ...

    def definitions(self) -> tuple[ToolDefinition, ...]:
        """The tools as contracts."""
        ...

    def output_format(self, output: type[Any]) -> OutputFormat:
        """The form of an answer of that type, from the same walk over types that tools are read with.

        Raises:
            ToolSchemaError: JSON Schema has no words for the type.
        """
        ...

    async def execute_tool_call(self, call: ToolCall) -> ToolResult:
        """Make the call. However it ends there is one result, and one `ToolExecuteResultEvent`."""
        ...

    async def execute_tool_calls(self, calls: Sequence[ToolCall]) -> tuple[ToolResult, ...]:
        """Make the calls in parallel; the results are in the order of the calls."""
        ...


ToolManagerFactory = Callable[[BusSession], ToolManager]
"""Makes the tool manager of a session."""


class LanguageModel(Protocol):
    """Answers requests. One that is an async context manager is entered at start and left at stop."""

    @property
    def provider(self) -> str:
        """Who serves it, in the terms of OpenTelemetry's `gen_ai.provider.name`."""
        ...

    @property
    def model(self) -> str:
        """The provider's name of the model that a request without one gets."""
        ...

    async def generate(self, request: LLMRequest) -> LLMResponse:
        """Answer in one piece.

        Raises:
            LanguageModelError: the model cannot answer; a subclass says why.
            TimeoutError: the request's timeout is up.
        """
        ...

    def stream(self, request: LLMRequest) -> AbstractAsyncContextManager[AsyncIterator[LLMStreamEvent]]:
        """Answer step by step; the last step is `LLMCompleted`. Leaving the block early stops the model.

        Raises:
            LanguageModelError: the model cannot answer, on entry or while iterating.
        """
        ...


# ── observability ────────────────────────────────────────────────────────────────────────────────────────────────────


class Redactor(Protocol):
    """Takes out of a record what must not leave the process."""

    def redact(self, record: EventRecord) -> EventRecord:
        """The record as it may be seen. One that raises loses the record, which is counted."""
        ...


class Telemetry(Protocol):
    """The application's own logs, metrics and spans, published as events. From any thread; never fails."""

    def log(
        self, level: Literal["debug", "info", "warning", "error", "critical"], message: str, /, **fields: Any
    ) -> None:
        """Say something."""
        ...

    def counter(self, name: str, value: float = 1, unit: str = "1", /, **attributes: Any) -> None:
        """Count something."""
        ...

    def histogram(self, name: str, value: float, unit: str = "1", /, **attributes: Any) -> None:
        """Measure something."""
        ...

    def span(self, name: str, /, **attributes: Any) -> AbstractContextManager[None]:
        """Time what happens inside the block; what is sent there belongs below it."""
        ...


# ── the application ──────────────────────────────────────────────────────────────────────────────────────────────────


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
        """How it is."""
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
