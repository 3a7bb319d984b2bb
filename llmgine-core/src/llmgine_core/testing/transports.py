"""`LoopbackTransport`: several buses in one process that meet over a broker, whose faults a test can order.

All that passes through it is written and read, as over a wire: what a test gets is a copy, made of JSON.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, cast

import anyio
import attrs

from llmgine_core.abc import Endpoint, MessageBus, Transport
from llmgine_core.contracts import Event, Message, TransportCapabilities
from llmgine_core.errors import (
    BusClosedError,
    DuplicateHandlerError,
    HandlerNotFoundError,
    QueueFullError,
    SerializationError,
)
from llmgine_core.serialization import dumps, dumps_answer, dumps_error, loads, loads_answer, loads_error

__all__ = ["LoopbackTransport"]

_logger = logging.getLogger("llmgine.testing")

_AHEAD = 16  # so many items of a streamed answer are on their way


class LoopbackTransport:
    """A broker for buses on one event loop: `MessageBus(transport=hub.connect())`.

    Events go to every other bus, and to one member of each group; commands to a bus that has a handler, in turn. A
    group's delivery is acknowledged when its handler has ended; one that is not goes to another member.
    """

    def __init__(self) -> None:
        self.connections: list[_Connection] = []
        self.groups: dict[str, _Group] = {}
        self._copies = 1
        self._is_full = self._is_paused = False
        self._waiting: list[anyio.Event] = []  # whoever waits for one of these to change

    def connect(self) -> Transport:
        """A connection for one bus."""
        connection = _Connection(self)
        self.connections.append(connection)
        return connection

    # ordering faults

    @property
    def full(self) -> bool:
        """Whether there is room for no more events: who may wait does, who may not gets a `QueueFullError`."""
        return self._is_full

    @full.setter
    def full(self, value: bool) -> None:
        self._is_full = value
        self._wake()

    def pause(self) -> None:
        """Keep all that comes, until `resume`: events, commands, and what is to be delivered anew."""
        self._is_paused = True

    def resume(self) -> None:
        """Deliver what was kept, and what comes."""
        self._is_paused = False
        self._wake()
        for group in self.groups.values():
            group.hand_out()

    def duplicate(self, copies: int) -> None:
        """Deliver every event that is published from now on so often, to each bus and each group; 1 ends it.

        Raises:
            ValueError: `copies` is less than 1.
        """
        if copies < 1:
            raise ValueError(f"copies must be at least 1, not {copies}")
        self._copies = copies

    def drop_consumer(self, bus: MessageBus) -> None:
        """Lose a bus, as if its machine had died: it gets nothing more until it is started anew.

        What its groups have not acknowledged goes to other members, and who waits for its answer gets a
        `BusClosedError`. What it publishes itself still arrives.

        Raises:
            LookupError: the bus is not connected here.
        """
        transport = getattr(bus, "transport", None)
        if transport not in self.connections:
            raise LookupError("the bus is not connected to this LoopbackTransport; give it transport=hub.connect()")
        cast("_Connection", transport).drop()

    # what connections ask

    @property
    def is_paused(self) -> bool:
        """Whether it keeps what comes."""
        return self._is_paused

    @property
    def copies(self) -> int:
        """How often an event is delivered."""
        return self._copies

    async def resumed(self) -> None:
        """Wait until it is not paused."""
        while self._is_paused:
            await self._change()

    async def room(self, *, wait: bool) -> None:
        """Wait until there is room.

        Raises:
            QueueFullError: there is none, and it must not wait.
        """
        while self._is_full:
            if not wait:
                raise QueueFullError(0, "the transport has no room")
            await self._change()

    async def _change(self) -> None:
        changed = anyio.Event()
        self._waiting.append(changed)
        try:
            await changed.wait()
        finally:
            self._waiting.remove(changed)

    def _wake(self) -> None:
        for changed in self._waiting:
            changed.set()

    def server_of(self, command_type: type[Message]) -> _Connection:
        """The next of those who answer commands of that type.

        Raises:
            HandlerNotFoundError: nobody does.
        """
        for place, connection in enumerate(self.connections):
            if command_type in connection.served:
                self.connections.append(self.connections.pop(place))  # the others come first next time
                return connection
        raise HandlerNotFoundError(command_type.__qualname__)


@attrs.define(eq=False)
class _Parcel:
    """An event on its way, so often."""

    event: Event
    text: str
    copies: int
    expires: float | None

    def open(self) -> Event | None:
        """A copy of the event; None, and a line in the log, if what was written cannot be read."""
        try:
            return cast("Event", loads(self.text))
        except SerializationError:
            _logger.exception("%s is let go, since it cannot be read", self.event.type_name)
            return None

    @property
    def ttl(self) -> float | None:
        return None if self.expires is None else max(0.0, self.expires - anyio.current_time())


class _Group:
    """The events of a group, in a lane for each session, one of each lane with a member at a time."""

    def __init__(self, hub: LoopbackTransport, name: str, event_type: type[Event], where: str | None) -> None:
        self._hub, self.name, self.event_type, self.where = hub, name, event_type, where
        self.members: deque[_Connection] = deque()
        self._lanes: dict[str | None, deque[_Parcel]] = {}
        self._out: dict[_Parcel, _Connection] = {}

    def add(self, parcel: _Parcel) -> None:
        self._lanes.setdefault(parcel.event.session_id, deque()).append(parcel)

    def hand_out(self) -> None:
        """Give what heads its lane to the next member."""
        for lane in list(self._lanes.values()):
            if self._hub.is_paused or not self.members:
                return
            if lane[0] not in self._out:
                member = self.members[0]
                self.members.rotate(-1)
                self._out[lane[0]] = member
                member.spawn(self._deliver, lane[0], member)

    async def _deliver(self, parcel: _Parcel, member: _Connection) -> None:
        for _ in range(parcel.copies - 1):
            member.spawn(self._take, parcel, member)
        is_done = await self._take(parcel, member)
        if self._out.get(parcel) is member:  # else it has been given to another meanwhile
            self._acknowledge(parcel, is_done=is_done)

    async def _take(self, parcel: _Parcel, member: _Connection) -> bool:
        if (event := parcel.open()) is None:
            return True  # nor could anybody else read it
        try:
            return await member.endpoint.take(event, self.name, ttl=parcel.ttl)
        except BusClosedError:  # it stops, and will say so itself
            self.remove(member)
        return False

    def _acknowledge(self, parcel: _Parcel, *, is_done: bool) -> None:
        del self._out[parcel]
        if is_done:
            session_id = parcel.event.session_id
            self._lanes[session_id].popleft()
            if not self._lanes[session_id]:
                del self._lanes[session_id]
        self.hand_out()

    def remove(self, member: _Connection) -> None:
        """Offer nothing more to a member; what it handles it may finish."""
        if member in self.members:
            self.members.remove(member)

    def lose(self, member: _Connection) -> None:
        """Give what a member has not acknowledged to others."""
        self.remove(member)
        for parcel in [parcel for parcel, holder in self._out.items() if holder is member]:
            del self._out[parcel]
        self.hand_out()


class _Connection:
    """One bus's transport."""

    capabilities: TransportCapabilities = TransportCapabilities(cross_process=True)

    def __init__(self, hub: LoopbackTransport) -> None:
        self._hub = hub
        self.served: set[type[Message]] = set()
        self._inbox: deque[_Parcel] = deque()
        self._is_open = False
        self._life: anyio.CancelScope | None = None  # of what brings messages here, unless the bus is lost
        self._arrival: anyio.Event | None = None  # what the pump waits for
        self.requests: set[_Request] = set()  # that are answered here

    # the bus's side

    async def open(self, endpoint: Endpoint) -> None:
        if self._is_open:
            raise RuntimeError("this connection serves another bus; give each its own, from connect()")
        self.endpoint = endpoint
        self._is_open = True
        self._life = anyio.CancelScope()
        endpoint.spawn(self._pump, self._life)

    async def close(self) -> None:
        self.drop()
        self._is_open = False

    def drop(self) -> None:
        """Bring nothing more here."""
        if self._life is not None:
            self._life.cancel()
            self._life = None
        self._inbox.clear()
        self.served.clear()
        for group in self._hub.groups.values():
            group.lose(self)
        for request in list(self.requests):
            request.lose()

    def spawn(self, function: Callable[..., Any], *args: Any) -> None:
        self.endpoint.spawn(function, *args)

    # events

    async def publish(self, event: Event, *, ttl: float | None, wait: bool) -> None:
        text = dumps(event)
        await self._hub.room(wait=wait)
        parcel = _Parcel(event, text, self._hub.copies, None if ttl is None else anyio.current_time() + ttl)
        for other in self._hub.connections:
            if other is not self:
                other.bring(parcel)
        for group in self._hub.groups.values():
            if isinstance(event, group.event_type):
                group.add(parcel)
                group.hand_out()

    def bring(self, parcel: _Parcel) -> None:
        if self._life is not None:
            self._inbox.append(parcel)
            if self._arrival is not None:
                self._arrival.set()

    async def _pump(self, life: anyio.CancelScope) -> None:
        with life:
            while True:
                while not self._inbox:
                    self._arrival = anyio.Event()
                    await self._arrival.wait()
                await self._hub.resumed()
                await self._receive(self._inbox.popleft())

    async def _receive(self, parcel: _Parcel) -> None:
        for _ in range(parcel.copies):
            if (event := parcel.open()) is None:
                return
            try:
                await self.endpoint.receive(event, ttl=parcel.ttl)
            except BusClosedError:
                _logger.warning("%s came to a bus that stops", parcel.event.type_name)

    # groups and handlers

    def join(self, group: str, event_type: type[Event], where: str | None) -> None:
        known = self._hub.groups.setdefault(group, _Group(self._hub, group, event_type, where))
        if (known.event_type, known.where) != (event_type, where):
            wanted = f"{known.event_type.__qualname__} with filter {known.where}"
            raise DuplicateHandlerError(event_type.__qualname__, "transport", wanted, group=group)
        if self._life is not None:
            known.members.append(self)
            known.hand_out()

    def leave(self, group: str) -> None:
        self._hub.groups[group].remove(self)

    def serve(self, command_type: type[Message]) -> None:
        if self._life is not None:
            self.served.add(command_type)

    def unserve(self, command_type: type[Message]) -> None:
        self.served.discard(command_type)

    # commands

    async def request(self, command: Message) -> Any:
        async with self._ask(command, _Request.answer) as request:
            try:
                return await request.read()
            except anyio.EndOfStream:
                raise BusClosedError("gone") from None

    @asynccontextmanager
    async def request_stream(self, command: Message) -> AsyncGenerator[AsyncIterator[Any]]:
        async with self._ask(command, _Request.stream) as request:
            yield request

    @asynccontextmanager
    async def _ask(
        self, command: Message, how: Callable[[_Request, _Connection], Awaitable[None]]
    ) -> AsyncGenerator[_Request]:
        text = dumps(command)
        await self._hub.resumed()
        server = self._hub.server_of(type(command))
        request = _Request(text, type(command))
        server.requests.add(request)
        server.spawn(request.serve, server, how)
        try:
            yield request
        finally:
            await request.end()
            server.requests.discard(request)


class _Request:
    """A command that another bus answers, and its answers, as they come."""

    def __init__(self, text: str, command_type: Any) -> None:
        self._command, self._type = text, command_type
        self._scope = anyio.CancelScope()
        self._ended = anyio.Event()
        self._error: str | None = None
        self._is_lost = False
        self._send, self._texts = anyio.create_memory_object_stream[str](_AHEAD)

    # where it is answered

    async def serve(self, server: _Connection, how: Callable[[_Request, _Connection], Awaitable[None]]) -> None:
        try:
            with self._scope:
                await how(self, server)
        except (Exception, SystemExit) as error:  # a handler that wants to leave does not take its bus along
            self._error = dumps_error(error)
        finally:
            self._send.close()
            self._ended.set()

    async def answer(self, server: _Connection) -> None:
        await self._send.send(dumps_answer(await server.endpoint.answer(loads(self._command)), self._type))

    async def stream(self, server: _Connection) -> None:
        async with server.endpoint.answer_stream(loads(self._command)) as items:
            async for item in items:
                await self._send.send(dumps_answer(item, self._type))

    def lose(self) -> None:
        """The server is gone: whoever waits must not wait for it."""
        self._is_lost = True
        self._scope.cancel()
        self._send.close()

    # where it is asked

    def __aiter__(self) -> _Request:
        return self

    async def __anext__(self) -> Any:
        try:
            return await self.read()
        except anyio.EndOfStream:
            raise StopAsyncIteration from None

    async def read(self) -> Any:
        """The next answer.

        Raises:
            EndOfStream: there is none.
            Exception: whatever the handler raised, a StopAsyncIteration among it.
        """
        try:
            return loads_answer(await self._texts.receive(), self._type)
        except anyio.EndOfStream:
            if self._error is not None:
                raise loads_error(self._error) from None
            if self._is_lost:
                raise BusClosedError("gone") from None
            raise

    async def end(self) -> None:
        """Stop what is still being answered, and wait for its end, unless the server is gone."""
        self._scope.cancel()
        self._texts.close()
        with anyio.CancelScope(shield=True):
            if not self._is_lost:
                await self._ended.wait()
