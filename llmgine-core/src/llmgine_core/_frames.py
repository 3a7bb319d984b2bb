"""Where the caller stands: below which calls of which bus's handlers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar, Self

from llmgine_core.contracts import Handling, Message, current_handling, still_handled

__all__ = ["DeliveryFrame", "Frame", "current_frame", "in_frame", "is_below_delivery", "leave_frames"]


_current = current_handling.get


class Frame(Handling):
    """A handler's call, as seen from the code below it.

    Attributes:
        owner: the bus whose handler runs.
        is_delivery: whether it is an event handler's call, not a command handler's.
    """

    __slots__ = ("owner",)
    owner: object
    is_delivery: ClassVar[bool] = False

    @classmethod
    def of(cls, owner: object, message: Message) -> Self:
        """The call that begins here."""
        here = cls.below(_current(), message)
        here.owner = owner
        return here

    def chain(self) -> Iterator[Frame]:
        """This call and those above it, as far as they are the same bus's and have not ended."""
        here: Handling | None = self
        while (here := still_handled(here)) is not None:
            if isinstance(here, Frame) and here.owner is self.owner:
                yield here
            here = here.above

    @property
    def commands(self) -> list[Message]:
        """The commands whose handlers are in the chain."""
        return [frame.message for frame in self.chain() if not frame.is_delivery]

    def serves(self, session_id: str) -> bool:
        """Whether this call, or one above it, is made for that session."""
        return any(frame.message.session_id == session_id for frame in self.chain())


class DeliveryFrame(Frame):
    """An event handler's call, or the calls of all handlers of an event that do not suspend.

    Attributes:
        is_counted: whether it counts as a delivery that runs: from its first suspension on.
    """

    __slots__ = ("is_counted",)
    is_counted: bool
    is_delivery: ClassVar[bool] = True


def current_frame(owner: object) -> Frame | None:
    """The call of that bus's handler in which the caller stands."""
    here = _current()
    while (here := still_handled(here)) is not None:
        if isinstance(here, Frame) and here.owner is owner:
            return here
        here = here.above
    return None


def is_below_delivery(frame: Frame | None) -> bool:
    """Whether the call, or one above it, is an event handler's: what is published there must not wait."""
    return frame is not None and any(each.is_delivery for each in frame.chain())


def leave_frames() -> None:
    """Stand in no handler's call any more, for tasks that outlive the handler which starts them; the cause stays."""
    here = _current()
    current_handling.set(None if here is None else Handling.below(None, here.message))


class in_frame:  # noqa: N801 - reads as a function: `with in_frame(...)`
    """Run a block as part of a handler's call, which ends with it."""

    def __init__(self, frame: Frame) -> None:
        self._frame = frame

    def __enter__(self) -> None:
        self._token = current_handling.set(self._frame)

    def __exit__(self, *error: object) -> None:
        self._frame.end()
        current_handling.reset(self._token)
