"""A session on a real bus, and what is published through it."""

from collections.abc import AsyncIterator

import pytest

from llmgine_core import BusSession, Event, MessageBus


@pytest.fixture
async def bus() -> AsyncIterator[MessageBus]:
    async with MessageBus() as bus:
        yield bus


@pytest.fixture
async def session(bus: MessageBus) -> AsyncIterator[BusSession]:
    async with bus.session("chat-1") as session:
        yield session


@pytest.fixture
def events(bus: MessageBus) -> list[Event]:
    """Every event accepted by the bus, in order."""
    seen: list[Event] = []
    bus.add_tap(seen.append)
    return seen
