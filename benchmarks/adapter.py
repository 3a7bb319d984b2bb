"""What the benchmark asks of a bus: its own callables, so that the loops call nothing of ours in between."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any

import attrs

__all__ = ["Adapter", "Calls", "Channel", "Handler", "NotOfferedError", "Visit"]

Handler = Callable[[Any], Any]
"""Takes a message; a function or an async function, bound or not."""

Visit = Callable[[int], Awaitable[object]]
"""Opens something, uses it and leaves it again; takes the number of the visit."""


class NotOfferedError(LookupError):
    """The bus does not have what is to be measured."""


@attrs.frozen
class Calls:
    """A bus with a handler for its command.

    Attributes:
        execute: hands a command to the handler and returns its answer.
        command: makes a fresh command of a number.
    """

    execute: Callable[[Any], Awaitable[object]]
    command: Callable[[int], Any]


@attrs.frozen
class Channel:
    """A bus with handlers for its event.

    Attributes:
        publish: hands an event to the bus.
        event: makes a fresh event of a number; the handlers find it in the attribute `number`.
    """

    publish: Callable[[Any], Awaitable[object]]
    event: Callable[[int], Any]


class Adapter:
    """One bus. An implementation overrides what its bus offers; every `with` opens a bus of its own.

    Attributes:
        name: as the table says it.
        distribution: what installs it.
        module: what a user imports.
        lazy_names: what of it a program begins with, where the module loads its names only when they are asked for.
        delivers_inline: whether publishing returns only when the handlers have, so that nothing ever queues.
    """

    name: str = ""
    distribution: str = ""
    module: str = ""
    lazy_names: tuple[str, ...] = ()
    delivers_inline: bool = False

    def calls(self) -> AbstractAsyncContextManager[Calls]:
        """A bus whose command handler is `Answerer().answer`.

        Raises:
            NotOfferedError: the bus has no commands.
        """
        raise NotOfferedError(f"{self.name} has no commands")

    def channel(self, handlers: Sequence[Handler]) -> AbstractAsyncContextManager[Channel]:
        """A bus whose event has these handlers, registered in this order.

        Args:
            handlers: all async, or none.

        Raises:
            NotOfferedError: the bus does not take such handlers.
        """
        raise NotOfferedError(f"{self.name} has no event handlers of this kind ({len(handlers)})")

    def churn(self, live: int) -> AbstractAsyncContextManager[Visit]:
        """A bus on which a visit registers one event handler in a scope of its own and takes it away again.

        Args:
            live: such scopes that stay open meanwhile, with one handler each.

        Raises:
            NotOfferedError: handlers of the bus stay for good.
        """
        raise NotOfferedError(f"{self.name} keeps its handlers for good ({live})")
