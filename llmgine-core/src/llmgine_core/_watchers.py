"""Who watches the bus without subscribing to it: taps, those who expect an event, and events that are due later."""

from __future__ import annotations

import weakref
from collections import deque
from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import anyio
import attrs

from llmgine_core.contracts import Event

if TYPE_CHECKING:
    from llmgine_core.abc import EventTap

__all__ = ["Expectation", "Expectations", "Scheduled", "Tap"]

E = TypeVar("E", bound=Event)


@attrs.frozen(eq=False)
class Tap:
    """A tap's registration."""

    function: EventTap
    _all: list[Tap]
    _changed: Callable[[], object]

    @property
    def name(self) -> str:
        """How messages name it."""
        return getattr(self.function, "__qualname__", repr(self.function))

    def unregister(self) -> None:
        """Show it no more events."""
        if self in self._all:
            self._all.remove(self)
            self._changed()


class Scheduled:
    """An event that will be published later."""

    def __init__(self) -> None:
        self.scope = anyio.CancelScope()

    def cancel(self) -> None:
        """Do not publish it."""
        self.scope.cancel()

    def fail(self, _: Exception, /) -> None:
        """End with the session or the bus."""
        self.cancel()


class Expectation(Generic[E]):
    """What somebody waits for.

    Attributes:
        event_type: subclasses are seen too.
        session_id: the session whose events it sees; None for those of all.
    """

    def __init__(
        self,
        event_type: type[E],
        where: Callable[[E], bool] | None,
        timeout: float | None,
        session_id: str | None,
    ) -> None:
        self._where, self._timeout = where, timeout
        self.event_type: type[E] = event_type
        self.session_id: str | None = session_id
        self._settled = anyio.Event()
        self._found: E | None = None
        self._error: BaseException | None = None

    def offer(self, event: E) -> bool:
        """Take an event of its type and session, if it is the one; whether it waits no more."""
        if self._settled.is_set():  # by its own predicate, from which it was offered another event
            return True
        try:
            if self._where is not None and not self._where(event):
                return False
            self._found = event
        except Exception as error:  # the predicate is the waiting caller's: it is the one to hear of it
            self._error = error
        self._settled.set()
        return True

    def fail(self, error: BaseException) -> None:
        """Give up; whoever waits gets the error."""
        if not self._settled.is_set():
            self._error = error
            self._settled.set()

    def __await__(self) -> Generator[Any, Any, E]:
        return self._wait().__await__()

    async def _wait(self) -> E:
        if not self._settled.is_set():
            with anyio.fail_after(self._timeout):
                await self._settled.wait()
        if self._error is not None:
            raise self._error
        assert self._found is not None
        return self._found


class _Place(weakref.ref[Expectation[Any]]):
    """Where an expectation is kept, which is kept itself as long as that waits."""

    __slots__ = ("event_type", "session_id")
    event_type: type[Event]
    session_id: str | None


_Places = dict[type[Event], dict[_Place, None]]


class Expectations:
    """Those who expect an event, by session and type: thousands of sessions may wait for one event each.

    They are held weakly, so that one whom nobody awaits costs nothing.

    Args:
        changed: called with an event type when the first who expects it comes, or the last goes.
    """

    def __init__(self, changed: Callable[[type[Event]], object]) -> None:
        self._changed = changed
        self._places: dict[str | None, _Places] = {}
        self._types: dict[type[Event], int] = {}
        self._gone: deque[_Place] = deque()  # to be cleared away: garbage is collected at any time, in any thread

    def __bool__(self) -> bool:
        return bool(self._types)

    def add(self, expectation: Expectation[Any]) -> None:
        """Offer events to `expectation` until it has found its own, or is gone."""
        self._clear_away()
        place = _Place(expectation, self._gone.append)
        kind = place.event_type = expectation.event_type
        place.session_id = expectation.session_id
        self._places.setdefault(place.session_id, {}).setdefault(kind, {})[place] = None
        self._types[kind] = self._types.get(kind, 0) + 1
        if self._types[kind] == 1:
            self._changed(kind)

    def concern(self, event_type: type[Event]) -> bool:
        """Whether an event of this type may be one that is expected."""
        self._clear_away()
        return any(base in self._types for base in event_type.__mro__)

    def offer(self, event: Event) -> None:
        """Give the event to those who expect it."""
        self._clear_away()
        for place in self._concerned(type(event), event.session_id):
            expectation = place()
            if expectation is not None and expectation.offer(event):
                self._remove(place)

    def _concerned(self, kind: type[Event], session_id: str | None) -> list[_Place]:
        known = self._places.get(None), None if session_id is None else self._places.get(session_id)
        return [place for places in known if places for base in kind.__mro__ for place in places.get(base, ())]

    def fail_all(self, error: BaseException) -> None:
        """Tell all who wait that they wait in vain."""
        for session_id in list(self._places):
            self.fail(session_id, error)

    def fail(self, session_id: str | None, error: BaseException) -> None:
        """Tell those who wait in a session, or in none, that they wait in vain."""
        for place in [place for places in self._places.get(session_id, {}).values() for place in places]:
            expectation = place()
            if expectation is not None:
                expectation.fail(error)
            self._remove(place)

    def _clear_away(self) -> None:
        while self._gone:
            self._remove(self._gone.popleft())

    def _remove(self, place: _Place) -> None:
        kind, places = place.event_type, self._places.get(place.session_id, {})
        if place not in places.get(kind, ()):
            return
        del places[kind][place]
        if not places[kind]:
            del places[kind]
        if not places:
            del self._places[place.session_id]
        self._types[kind] -= 1
        if not self._types[kind]:
            del self._types[kind]
            self._changed(kind)
