"""Who watches the bus without subscribing to it: taps, those who expect an event, and events that are due later."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import anyio
import attrs

from llmgine_core.contracts import Event

if TYPE_CHECKING:
    from llmgine_core.abc import EventTap

__all__ = ["Expectation", "Scheduled", "Tap"]

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
    """What somebody waits for; the bus holds it weakly, so one that nobody awaits costs nothing."""

    def __init__(
        self,
        event_type: type[E],
        where: Callable[[E], bool] | None,
        timeout: float | None,
        session_id: str | None,
    ) -> None:
        self._type, self._where, self._timeout, self.session_id = event_type, where, timeout, session_id
        self._settled = anyio.Event()
        self._found: E | None = None
        self._error: BaseException | None = None

    def concerns(self, event_type: type[Event]) -> bool:
        """Whether an event of this type may be the one."""
        return issubclass(event_type, self._type) and not self._settled.is_set()

    def offer(self, event: Event) -> None:
        """Take the event if it is the one."""
        if self._settled.is_set() or not isinstance(event, self._type):
            return
        if self.session_id is not None and event.session_id != self.session_id:
            return
        try:
            if self._where is not None and not self._where(event):
                return
            self._found = event
        except Exception as error:  # the predicate is the waiting caller's: it is the one to hear of it
            self._error = error
        self._settled.set()

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
