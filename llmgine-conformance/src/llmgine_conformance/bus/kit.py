"""What all clauses of a bus stand on."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Set
from contextlib import asynccontextmanager
from typing import Any, ClassVar

import anyio
import attrs
import pytest

from llmgine_conformance.clause import Conformance
from llmgine_core.abc import MessageBus
from llmgine_core.contracts import BusStats

__all__ = ["BusCapabilities", "BusClauses", "Make", "check_books"]

Make = Callable[..., MessageBus]
"""Makes a bus that is not started, of the options `capacity` and `overflow`."""


@attrs.frozen(kw_only=True)
class BusCapabilities:
    """What a bus can do of what not every bus can; clauses about the rest are skipped.

    Attributes:
        backends: the event loops that it runs on, as anyio names them.
        contexts: whether a handler in the publisher's process runs in a copy of the publisher's context.
    """

    backends: Set[str] = frozenset({"asyncio", "trio"})
    contexts: bool = True


class BusClauses(Conformance):
    """What the kit's classes share.

    Attributes:
        capabilities: what the bus can do.
    """

    capabilities: ClassVar[BusCapabilities] = BusCapabilities()

    @pytest.fixture(params=["asyncio", "trio"])
    def anyio_backend(self, request: pytest.FixtureRequest) -> str:
        """The event loop that a clause runs on."""
        backend = str(request.param)
        if backend not in self.capabilities.backends:
            pytest.skip(f"the bus is declared not to run on {backend}")
        return backend

    def needs_contexts(self) -> None:
        """Skip the clause if contexts do not travel on the bus."""
        if not self.capabilities.contexts:
            pytest.skip("contexts are declared not to travel on the bus")

    @asynccontextmanager
    async def running(self, make: Make, **options: Any) -> AsyncGenerator[MessageBus, None]:
        """A bus that runs; when it has stopped, its books must balance and nothing be pending."""
        bus = make(**options)
        await bus.start()
        drain = 0.0
        try:
            yield bus
            drain = self.patience
        finally:
            # the clause may have failed, or its time be up: the bus is stopped all the same
            with anyio.move_on_after(self.patience, shield=True):
                await bus.stop(drain=drain)
        check_books(bus.stats())
        assert bus.stats().total.pending == 0, "something is pending on a bus that has stopped"


def check_books(stats: BusStats) -> None:
    """Every delivery must be accounted for, in total and for each subscription."""
    for name, books in {"all subscriptions": stats.total, **stats.subscriptions}.items():
        settled = books.delivered + books.failed + books.dropped + books.expired + books.discarded
        assert books.deliveries == settled + books.pending, f"the books of {name} do not balance: {books}"
        assert books.pending >= 0, f"{name}: {books}"
    for column in ("deliveries", "delivered", "failed", "dropped", "expired", "discarded", "pending"):
        by_subscription = sum(getattr(books, column) for books in stats.subscriptions.values())
        assert getattr(stats.total, column) == by_subscription, f"{column} of all is not the sum of each"
