"""The bus as a state machine: whatever is done to it, in whatever order, it does what a simple model says.

After each step the bus is left alone until nothing moves. Then every handler must have been called with what the model
says, lane by lane and in order, and every column of the books must be what the model counts.
"""

# A test may look inside.
# pyright: reportPrivateUsage=false

import logging
from collections import Counter
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, ClassVar

import anyio
import anyio.lowlevel
import attrs
import pytest
from anyio.from_thread import start_blocking_portal
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from llmgine_core import (
    BusClosedError,
    BusSession,
    DeliveryStats,
    DuplicateHandlerError,
    Event,
    HandlerNotFoundError,
    MessageBus,
    QueueFullError,
    Retry,
    SessionClosedError,
    SessionExistsError,
)
from llmgine_core.testing import LoopbackTransport
from tests.core.messages import Ask, Noted, Said, balanced

SESSIONS = ("a", "b")
PLACES = st.sampled_from((None, *SESSIONS))
NUMBERS = st.integers(0, 5)
WHICH = st.integers(0, 9)
KINDS = ("plain", "async", "failing", "blocking")
_GROUP = "workers"
_QUIET = 10  # turns of the loop; no handler here pauses for more than one


@attrs.define
class Owed:
    """A delivery that waits."""

    number: int
    is_late: bool


@attrs.define(eq=False)
class Subscriber:
    """A handler, and what the model expects of it.

    Attributes:
        calls: by session, the numbers that it was called with.
        expected: the same, by the model.
        lanes: of a blocking handler, by session: what it is busy with, and what waits behind it.
        books: the columns that the model expects.
    """

    bus: MessageBus
    kind: str
    place: str | None
    is_even: bool = False
    attempts: int = 1
    is_group: bool = False
    registrations: list[Any] = attrs.field(factory=list[Any])
    alive: bool = True
    gate: anyio.Event = attrs.field(factory=anyio.Event)
    calls: dict[str | None, list[int]] = attrs.field(factory=dict[str | None, list[int]])
    expected: dict[str | None, list[int]] = attrs.field(factory=dict[str | None, list[int]])
    lanes: dict[str | None, list[Owed]] = attrs.field(factory=dict[str | None, list[Owed]])
    books: Counter[str] = attrs.field(factory=Counter[str])

    # the handler

    def plain(self, event: Said) -> None:
        assert balanced(self.bus.stats())
        self.calls.setdefault(event.session_id, []).append(event.number)

    async def suspending(self, event: Said) -> None:
        self.plain(event)
        if event.number % 2:
            await anyio.lowlevel.checkpoint()

    async def failing(self, event: Said) -> None:
        await self.suspending(event)
        if self.fails_on(event.number):
            raise ValueError("on purpose")

    async def blocking(self, event: Said) -> None:
        self.plain(event)
        await self.gate.wait()

    @property
    def handler(self) -> Callable[[Said], Any]:
        handlers: dict[str, Callable[[Said], Any]] = {
            "plain": self.plain,
            "async": self.suspending,
            "failing": self.failing,
            "blocking": self.blocking,
        }
        return handlers[self.kind]

    # the model

    def fails_on(self, number: int) -> bool:
        return self.kind == "failing" and number % 3 == 1

    def wants(self, number: int, session_id: str | None) -> bool:
        return self.alive and self.place in (None, session_id) and not (self.is_even and number % 2)

    def is_owed(self, owed: Owed, session_id: str | None) -> None:
        self.books["deliveries"] += 1
        lane = self.lanes.setdefault(session_id, [])
        lane.append(owed)
        if len(lane) == 1:
            self.begin(session_id)

    def begin(self, session_id: str | None) -> None:
        """Begin with what waits in a lane, until a handler blocks."""
        lane = self.lanes[session_id]
        while lane:
            owed = lane[0]
            if owed.is_late:
                self.books["expired"] += 1
            else:
                fails = self.fails_on(owed.number)
                called = self.expected.setdefault(session_id, [])
                called.extend([owed.number] * (self.attempts if fails else 1))
                if self.kind == "blocking":
                    return
                self.books["failed" if fails else "delivered"] += 1
            lane.pop(0)

    def release(self) -> None:
        """Let everything through that waits."""
        for session_id, lane in self.lanes.items():
            while lane:
                lane.pop(0)
                self.books["delivered"] += 1
                self.begin(session_id)

    def discard(self, *, running: bool) -> None:
        """Give up what waits; what runs too, if so."""
        for lane in self.lanes.values():
            kept = lane[: 0 if running else 1]
            self.books["discarded"] += len(lane) - len(kept)
            lane[:] = kept

    @property
    def waiting(self) -> int:
        return sum(max(0, len(lane) - 1) for lane in self.lanes.values())

    @property
    def pending(self) -> int:
        return sum(len(lane) for lane in self.lanes.values())

    @property
    def stats(self) -> DeliveryStats:
        return DeliveryStats(**self.books, pending=self.pending)


class BusMachine(RuleBasedStateMachine):
    """Does anything to a bus."""

    backend: ClassVar[str]
    has_groups: ClassVar[bool] = True

    @initialize(
        capacity=st.sampled_from((3, 1_000)),
        overflow=st.sampled_from(("raise", "drop_newest")),
        tapped=st.booleans(),
        which=WHICH,
    )
    def open(self, capacity: int, overflow: Any, tapped: bool, which: int) -> None:
        """Begin with what most of the rules need."""
        logging.getLogger("llmgine.bus").disabled = True
        self._portal = start_blocking_portal(self.backend)
        self.portal = self._portal.__enter__()
        self.bus = self.portal.call(partial(self.make, capacity=capacity, overflow=overflow, stall_after=None))
        self.capacity, self.drops = capacity, overflow == "drop_newest"
        self.running = False
        self.subscribers: list[Subscriber] = []
        self.chains: list[Any] = []
        self.commands: dict[str | None, Any] = {}
        self.sessions: dict[str, list[BusSession]] = {}
        self.gone: list[BusSession] = []
        self.accepted: list[tuple[str, int]] = []
        self.refused = self.unmatched = self.executed = self.letters = 0
        self.shown: list[Event] | None = [] if tapped else None
        if self.shown is not None:
            self.bus.add_tap(self.show)
        self.start()
        self.open_session("a", join=False)
        self.register_command(0)
        self.register("blocking", which, is_even=False, attempts=1)
        self.register("failing", which, is_even=False, attempts=2)

    def make(self, **options: Any) -> MessageBus:
        return MessageBus(**options)

    def teardown(self) -> None:
        self.portal.call(partial(self.bus.stop, drain=0))
        self._portal.__exit__(None, None, None)
        assert self.bus.stats().total.pending == 0
        logging.getLogger("llmgine.bus").disabled = False

    # helpers

    def show(self, event: Event) -> None:
        assert self.shown is not None
        if self.bus._engine.state in ("running", "stopping"):  # what is told later is shown, and never accepted
            self.shown.append(event)

    def do(self, function: Callable[..., Awaitable[Any]], *args: Any, raises: type[Exception] | None = None) -> Any:
        """Do something on the loop, and leave the bus alone until nothing moves; it must fail if so."""

        async def run() -> Any:
            answer = None
            try:
                answer = await function(*args)
            except Exception as error:
                if type(error) is not raises:
                    raise
            else:
                assert raises is None, f"{raises} was not raised"
            await self.settle()
            return answer

        return self.portal.call(run)

    async def settle(self) -> None:
        """Let the bus go on until nothing has changed for a while; anyio's own way polls every tenth of a second."""
        before, quiet = None, 0
        while quiet < _QUIET:
            await anyio.lowlevel.checkpoint()
            now = (self.bus.stats(), [sum(map(len, s.calls.values())) for s in self.subscribers])
            before, quiet = now, quiet + 1 if now == before else 0

    def call(self, function: Callable[[], Any], *, raises: type[Exception] | None = None) -> Any:
        """The same, of a plain function."""

        async def run() -> Any:
            return function()

        return self.do(run, raises=raises)

    def scope(self, place: str | None) -> Any:
        """The bus, or a session that is open."""
        return self.bus if place is None else self.sessions[place][0]

    @property
    def places(self) -> list[str | None]:
        """Where handlers may be registered: the bus, and the sessions that are open."""
        return [None, *self.sessions]

    @property
    def blocking(self) -> list[Subscriber]:
        return [s for s in self.subscribers if s.pending]

    def living(self) -> list[Subscriber]:
        return [s for s in self.subscribers if s.alive]

    # registering

    @precondition(lambda self: len(self.living()) < 6)
    @rule(kind=st.sampled_from(KINDS), which=WHICH, is_even=st.booleans(), attempts=st.integers(1, 3))
    def register(self, kind: str, which: int, is_even: bool, attempts: int) -> None:
        place = self.places[which % len(self.places)]
        subscriber = Subscriber(self.bus, kind, place, is_even, attempts)

        def is_wanted(event: Said) -> bool:
            return event.number % 2 == 0

        self.enter(subscriber, where=is_wanted if is_even else None, retry=Retry(attempts=attempts, delay=0))

    def enter(self, subscriber: Subscriber, **options: Any) -> None:
        scope = self.scope(subscriber.place)
        register = partial(scope.register_event_handler, Said, subscriber.handler, **options)
        subscriber.registrations.append(self.call(register))
        if subscriber not in self.subscribers:
            self.subscribers.append(subscriber)

    @precondition(lambda self: self.has_groups)
    @rule()
    def register_member(self) -> None:
        """A group's members are the same handler here: the model knows them as one."""
        group = next((s for s in self.living() if s.is_group), None)
        if group is None:
            group = Subscriber(self.bus, "async", None, is_group=True)
        if len(group.registrations) < 4:
            self.enter(group, group=_GROUP)

    @precondition(lambda self: len(self.living()) > 2)
    @rule(which=WHICH)
    def unregister(self, which: int) -> None:
        subscriber = self.living()[which % len(self.living())]
        registration = subscriber.registrations.pop()
        self.call(registration.unregister)
        if not subscriber.registrations:
            subscriber.alive = False
            subscriber.discard(running=False)
        self.call(registration.unregister)

    @rule(which=WHICH)
    def register_command(self, which: int) -> None:
        place = self.places[which % len(self.places)]

        async def answer(command: Ask) -> str:
            await anyio.lowlevel.checkpoint()
            if command.question == "fail":
                raise ArithmeticError("on purpose")
            return f"{place}: {command.question}"

        register = partial(self.scope(place).register_command_handler, Ask, answer)
        if place in self.commands:
            self.call(register, raises=DuplicateHandlerError)
        else:
            self.commands[place] = self.call(register)

    @precondition(lambda self: len(self.commands) > 1)
    @rule()
    def unregister_command(self) -> None:
        self.call(self.commands.popitem()[1].unregister)

    @precondition(lambda self: self.capacity > 3 and not self.chains)
    @rule()
    def register_chain(self) -> None:
        """A handler that publishes in its turn."""

        async def pass_on(event: Noted) -> None:
            await self.bus.publish(Said(number=int(event.text)))

        self.chains.append(self.call(partial(self.bus.register_event_handler, Noted, pass_on)))

    # sending

    @rule(
        place=PLACES,
        numbers=st.lists(NUMBERS, min_size=1, max_size=5),
        through_bus=st.booleans(),
        is_late=st.booleans(),
    )
    def publish(self, place: str | None, numbers: list[int], through_bus: bool, is_late: bool) -> None:
        scope = self.bus if through_bus or place not in self.places else self.scope(place)
        given: dict[str, Any] = {} if place is None or scope is not self.bus else {"session_id": place}
        batches = [numbers] if self.capacity > 3 else [[number] for number in numbers]
        for batch in batches:
            if not self.running:
                self.refuse(scope, BusClosedError, Said(number=batch[0], **given))
            elif [number for number in batch if not self.takes(number, place, is_late)]:
                self.refuse(scope, QueueFullError, Said(number=batch[0], **given), is_late)
            else:
                self.do(self.publish_all, scope, [Said(number=number, **given) for number in batch], is_late)

    @precondition(lambda self: self.running)
    @rule(which=WHICH, number=NUMBERS)
    def flood(self, which: int, number: int) -> None:
        """Publish more than a small bus holds, if somebody is blocked."""
        self.publish(self.places[which % len(self.places)], [number, *range(4)], through_bus=True, is_late=False)

    @precondition(lambda self: self.running)
    @rule(which=WHICH, question=st.sampled_from(("x", "fail")))
    def execute_here(self, which: int, question: str) -> None:
        self.execute(self.places[which % len(self.places)], question)

    async def publish_all(self, scope: Any, events: list[Event], is_late: bool = False) -> None:
        for event in events:
            await scope.publish(event, ttl=0 if is_late else None)

    def refuse(self, scope: Any, error: type[Exception], event: Event, is_late: bool = False) -> None:
        self.do(self.publish_all, scope, [event], is_late, raises=error)
        self.refused += 1

    def takes(self, number: int, session_id: str | None, is_late: bool = False) -> bool:
        """What the model does with an event; whether it is accepted."""
        owed_to = [s for s in self.subscribers if s.wants(number, session_id)]
        waiting = sum(s.waiting for s in self.subscribers)
        is_full = bool(owed_to and waiting) and waiting + len(owed_to) > self.capacity
        if is_full and not self.drops:
            return False
        for subscriber in owed_to:
            if is_full:
                subscriber.books.update(deliveries=1, dropped=1)
            else:
                self.letters += subscriber.fails_on(number) and not is_late
                subscriber.is_owed(Owed(number, is_late), session_id)
        self.unmatched += not owed_to
        self.accepted.append(("Said", number))
        return True

    @precondition(lambda self: self.running)
    @rule(place=PLACES, number=NUMBERS)
    def publish_to_chain(self, place: str | None, number: int) -> None:
        self.accepted.append(("Noted", number))
        if self.chains:
            self.takes(number, place)
        else:
            self.unmatched += 1
        self.do(self.bus.publish, Noted(str(number), session_id=place))

    @precondition(lambda self: self.running and self.sessions)
    @rule(number=NUMBERS)
    def publish_a_foreign_event(self, number: int) -> None:
        session = next(iter(self.sessions.values()))[0]
        self.refuse(session, ValueError, Said(session_id="elsewhere"))

    @precondition(lambda self: self.running and self.gone)
    @rule(which=WHICH)
    def use_a_session_that_has_ended(self, which: int) -> None:
        session = self.gone[which % len(self.gone)]
        assert session.closed
        self.refuse(session, SessionClosedError, Said())
        self.do(session.execute, Ask(), raises=SessionClosedError)
        self.do(session.aclose)

    @rule(place=PLACES, question=st.sampled_from(("x", "y", "fail")))
    def execute(self, place: str | None, question: str) -> None:
        command = Ask(question, session_id=place)
        handler = next((each for each in (place, None) if each in self.commands), "nobody")
        if not self.running:
            self.do(self.bus.execute, command, raises=BusClosedError)
        elif handler == "nobody":
            self.do(self.bus.execute, command, raises=HandlerNotFoundError)
        else:
            self.executed += 1
            if question == "fail":
                self.do(self.bus.execute, command, raises=ArithmeticError)
            else:
                assert self.do(self.bus.execute, command) == f"{handler}: {question}"

    # handlers that block, and letters

    @precondition(lambda self: self.blocking)
    @rule(which=WHICH)
    def release(self, which: int) -> None:
        subscriber = self.blocking[which % len(self.blocking)]
        subscriber.release()
        self.call(subscriber.gate.set)
        self.call(lambda: setattr(subscriber, "gate", anyio.Event()))

    @precondition(lambda self: self.running and self.bus.dead_letters())
    @rule(which=WHICH)
    def redeliver(self, which: int) -> None:
        letters = self.bus.dead_letters()
        letter = letters[which % len(letters)]
        found = [s for s in self.subscribers if s.alive and s.registrations[0].name == letter.subscription]
        if found:  # it fails again, and leaves another letter
            assert isinstance(letter.event, Said)
            found[0].is_owed(Owed(letter.event.number, is_late=False), letter.event.session_id)
        self.do(self.bus.redeliver, letter.id, raises=None if found else LookupError)

    # sessions

    @rule(place=st.sampled_from(SESSIONS), join=st.booleans())
    def open_session(self, place: str, join: bool) -> None:
        session = self.bus.session(place, join=join, drain=0)
        if not self.running:
            self.do(session.__aenter__, raises=BusClosedError)
        elif place in self.sessions and not join:
            self.do(session.__aenter__, raises=SessionExistsError)
        else:
            self.do(session.__aenter__)
            self.sessions.setdefault(place, []).append(session)

    @precondition(lambda self: self.sessions)
    @rule(which=WHICH, fails=st.booleans())
    def leave_session(self, which: int, fails: bool) -> None:
        place = sorted(self.sessions)[which % len(self.sessions)]
        session = self.sessions[place].pop()
        error = ValueError("body") if fails else None
        is_last = not self.sessions[place]
        if is_last:
            self.end_session(place)
        self.do(session.__aexit__, type(error) if error else None, error, None)
        assert session.closed == is_last
        if is_last:
            self.gone.append(session)

    def end_session(self, place: str) -> None:
        del self.sessions[place]
        self.commands.pop(place, None)
        for subscriber in self.subscribers:
            if subscriber.place == place and subscriber.alive:
                subscriber.alive = False
                subscriber.registrations.clear()
                subscriber.discard(running=True)

    # starting and stopping

    @precondition(lambda self: not self.running)
    @rule()
    def start(self) -> None:
        self.do(self.bus.start)
        self.running, self.since_start = True, len(self.accepted)

    @precondition(lambda self: self.running and len(self.accepted) > self.since_start + 10)  # else it is all there is
    @rule()
    def stop(self) -> None:
        left = sum(s.pending for s in self.subscribers)
        for place in list(self.sessions):
            self.gone.extend(self.sessions[place])
            self.end_session(place)
        for subscriber in self.subscribers:
            subscriber.discard(running=True)
        report = self.do(partial(self.bus.stop, drain=0 if left else 5))
        assert (report.left, report.discarded) == (left, left)
        self.running = False

    # what must hold after each step

    @invariant()
    def handlers_were_called_with_what_they_were_owed(self) -> None:
        for subscriber in self.subscribers:
            calls = {place: numbers for place, numbers in subscriber.calls.items() if numbers}
            assert calls == subscriber.expected, subscriber.kind

    @invariant()
    def the_books_are_the_models(self) -> None:
        stats = self.bus.stats()
        assert balanced(stats)
        for subscriber in self.living():
            assert stats.subscriptions[subscriber.registrations[0].name] == subscriber.stats, subscriber.kind
        chained = sum(books.delivered for name, books in stats.subscriptions.items() if "pass_on" in name)
        books = sum((s.books for s in self.subscribers), Counter(deliveries=chained, delivered=chained))
        assert stats.total == DeliveryStats(**books, pending=sum(s.pending for s in self.subscribers))
        assert (stats.refused, stats.executed) == (self.refused, self.executed)
        assert (stats.sessions, stats.dead_letters) == (len(self.sessions), self.letters)

    @invariant()
    def each_publication_was_accepted_or_refused(self) -> None:
        stats = self.bus.stats()
        assert stats.accepted == len(self.accepted)
        assert stats.unmatched == self.unmatched + stats.emitted  # nobody subscribes to what the bus says of itself
        if self.shown is not None:
            own = [event for event in self.shown if isinstance(event, Said | Noted)]
            assert len(self.shown) == stats.accepted + stats.emitted
            seen = [("Said", e.number) if isinstance(e, Said) else ("Noted", int(e.text)) for e in own]
            assert Counter(seen) == Counter(self.accepted)


class OnAsyncio(BusMachine):
    backend = "asyncio"


class OnTrio(BusMachine):
    backend = "trio"


class OverLoopback(OnAsyncio):
    """What a transport brings for a group comes when it pleases, so there are none here."""

    has_groups = False

    def make(self, **options: Any) -> MessageBus:
        return MessageBus(transport=LoopbackTransport().connect(), **options)


_SETTINGS = settings(
    max_examples=50,
    stateful_step_count=40,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)
# The tests of the bus's modules run the same lines.
TestOnAsyncio = pytest.mark.no_cover(OnAsyncio.TestCase)
TestOnAsyncio.settings = _SETTINGS
TestOnTrio = pytest.mark.no_cover(OnTrio.TestCase)
TestOnTrio.settings = _SETTINGS
TestOverLoopback = pytest.mark.no_cover(OverLoopback.TestCase)
TestOverLoopback.settings = _SETTINGS
