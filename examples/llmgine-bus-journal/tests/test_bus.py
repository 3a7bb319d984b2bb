"""The bus keeps every promise of a message bus, and each event is in its journal before it is delivered."""

from __future__ import annotations

import itertools
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import anyio
import attrs
import pytest

from llmgine_bus_journal import JournalBus, read_journal
from llmgine_core import ApplicationBootstrap, Event, Message, QueueFullError, SerializationError
from llmgine_core.testing import MessageBusConformance


class TestConformance(MessageBusConformance):
    """What the core promises of a bus."""

    @pytest.fixture
    def make(self, tmp_path: Path) -> Callable[..., JournalBus]:
        numbers = itertools.count()

        def with_a_journal(**options: Any) -> JournalBus:
            return JournalBus(tmp_path / f"{next(numbers)}.jsonl", **options)

        return with_a_journal


@attrs.frozen
class Said(Event):
    """Somebody said something."""

    text: str


@attrs.frozen
class Unwritable(Event):
    """Holds what JSON has no words for."""

    thing: Any


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    """Every test runs on both event loops."""
    return str(request.param)


pytestmark = pytest.mark.anyio


async def test_an_event_is_in_the_journal_before_a_handler_gets_it(tmp_path: Path) -> None:
    bus, seen = JournalBus(tmp_path / "deep" / "events.jsonl"), list[bool]()

    def look(event: Said) -> None:
        seen.append(event in list(read_journal(bus.journal.path)))

    bus.register_event_handler(Said, look)
    async with bus:
        await bus.publish(Said("Hello"))
        await bus.wait_idle()
    assert seen == [True]


async def test_a_journal_is_continued_and_read_in_order_with_its_headers(tmp_path: Path) -> None:
    bus = JournalBus(tmp_path / "events.jsonl", fsync=True)
    async with bus, bus.session("first") as session:
        await session.publish(Said("one"))
    async with bus, bus.session("second") as session:
        await session.publish(Said("two"))
    found = [(event, event.session_id) for event in read_journal(bus.journal.path)]
    assert found == [(Said("one"), "first"), (Said("two"), "second")]


async def test_a_line_that_a_crash_cut_short_is_ended_and_left_out(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_text('{"type": "Sai')
    async with JournalBus(path) as bus:
        await bus.publish(Said("after the crash"))
    assert list(read_journal(path)) == [Said("after the crash")]


async def test_an_event_that_the_bus_refuses_is_left_out(tmp_path: Path) -> None:
    bus, hold, begun = JournalBus(tmp_path / "events.jsonl", capacity=1, overflow="raise"), anyio.Event(), anyio.Event()

    async def wait(_: Said) -> None:
        begun.set()
        await hold.wait()

    bus.register_event_handler(Said, wait)
    async with bus:
        await bus.publish(Said("being handled"))
        await begun.wait()
        await bus.publish(Said("waiting"))
        with pytest.raises(QueueFullError):
            await bus.publish(Said("too much"))
        hold.set()
    assert list(read_journal(bus.journal.path)) == [Said("being handled"), Said("waiting")]


async def test_the_journal_has_what_middleware_passes_on(tmp_path: Path) -> None:
    async def polish(message: Message, call_next: Callable[[Message], Awaitable[Any]]) -> Any:
        return await call_next(Said("Good evening") if message == Said("Hi") else message)

    bus = JournalBus(tmp_path / "events.jsonl")
    bus.add_middleware(polish)
    async with bus:
        await bus.publish(Said("Hi"))
    assert list(read_journal(bus.journal.path)) == [Said("Good evening")]


async def test_what_cannot_be_written_reaches_nobody_and_is_told_by_the_health(tmp_path: Path) -> None:
    bus = {"use": "llmgine_bus_journal.plugin:", "as": "journal", "path": str(tmp_path / "events.jsonl")}
    async with ApplicationBootstrap(bus=bus, discover=False) as app:
        assert app.health().checks["bus.journal.file"] == {"ok": True, "written": 0, "failed": 0}
        with pytest.raises(SerializationError):
            await app.bus.publish(Unwritable(object()))
        assert app.health().checks["bus.journal.file"] == {"ok": False, "written": 0, "failed": 1}
        assert app.bus.stats().refused == 1


async def test_a_journal_that_cannot_be_opened_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError):
        await JournalBus(tmp_path).start()
