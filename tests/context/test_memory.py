"""The store in memory keeps histories in order, whoever writes, and tells of each change once."""

import threading
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import anyio
import anyio.from_thread
import anyio.lowlevel
import anyio.to_thread
import pytest

from llmgine_context import InMemoryContextStore
from llmgine_core import (
    BusClosedError,
    ChatHistoryUpdatedEvent,
    ChatMessage,
    ContextConflictError,
    Event,
    MessageBus,
    ToolCall,
    ToolResult,
)
from llmgine_core.abc import ContextStore

user, assistant = ChatMessage.user, ChatMessage.assistant
CALL = assistant(tool_calls=(ToolCall("1", "clock"),))
RESULT = ChatMessage.tool(ToolResult("1", "clock", "21:04"))


@pytest.fixture
def store() -> InMemoryContextStore:
    return InMemoryContextStore()


def words(messages: tuple[ChatMessage, ...]) -> list[str]:
    return [message.text for message in messages]


def test_it_is_what_the_core_calls_a_context_store(store: InMemoryContextStore) -> None:
    typed: ContextStore = store
    assert typed is store


async def test_a_session_that_is_not_known_has_an_empty_history(store: InMemoryContextStore) -> None:
    assert await store.get_context("s") == ()
    assert await store.version("s") == 0
    assert await store.sessions() == ()


async def test_messages_are_kept_in_the_order_in_which_they_came(store: InMemoryContextStore) -> None:
    assert await store.add_message("s", user("a")) == 1
    assert await store.add_messages("s", [assistant("b"), user("c")]) == 2
    assert await store.get_context("s") == (user("a"), assistant("b"), user("c"))
    assert await store.version("s") == 2


async def test_sessions_know_nothing_of_each_other(store: InMemoryContextStore) -> None:
    await store.add_message("s", user("a"))
    await store.add_message("t", user("b"))
    assert words(await store.get_context("s")) == ["a"]
    assert await store.sessions() == ("s", "t")


async def test_to_append_nothing_changes_nothing(store: InMemoryContextStore) -> None:
    assert await store.add_messages("s", []) == 0
    assert await store.version("s") == 0


async def test_a_writer_with_a_stale_version_is_refused_and_nothing_is_written(store: InMemoryContextStore) -> None:
    await store.add_messages("s", [user("a")], expected_version=0)
    with pytest.raises(ContextConflictError, match="is at version 1, not 0"):
        await store.add_messages("s", [user("b"), user("c")], expected_version=0)
    assert words(await store.get_context("s")) == ["a"]


async def test_a_change_made_twice_under_one_key_is_made_once(store: InMemoryContextStore) -> None:
    first = await store.add_messages("s", [user("a")], expected_version=0, idempotency_key="k")
    await store.add_message("s", user("b"))
    again = await store.add_messages("s", [user("a")], expected_version=0, idempotency_key="k")
    assert first == again == 1
    assert words(await store.get_context("s")) == ["a", "b"]


async def test_what_came_after_a_version_can_be_asked_for(store: InMemoryContextStore) -> None:
    version = await store.add_message("s", user("a"))
    await store.add_messages("s", [user("b"), user("c")])
    assert words(await store.get_context("s", after=version)) == ["b", "c"]
    assert words(await store.get_context("s", after=0)) == ["a", "b", "c"]
    assert words(await store.get_context("s", after=version, limit=1)) == ["c"]


@pytest.mark.parametrize(("limit", "kept"), [(0, 0), (1, 2), (2, 2), (3, 3), (4, 4), (9, 4)])
async def test_a_limit_never_parts_a_result_from_its_call(store: InMemoryContextStore, limit: int, kept: int) -> None:
    history = [user("a"), user("b"), CALL, RESULT]
    await store.add_messages("s", history)
    assert await store.get_context("s", limit=limit) == tuple(history[len(history) - kept :])


async def test_a_negative_limit_is_refused(store: InMemoryContextStore) -> None:
    with pytest.raises(ValueError, match="limit is -1"):
        await store.get_context("s", limit=-1)


async def test_a_cleared_history_is_empty_and_of_a_new_version(store: InMemoryContextStore) -> None:
    await store.add_message("s", user("a"))
    await store.clear_context("s")
    assert await store.get_context("s") == ()
    assert await store.version("s") == 2
    assert await store.sessions() == ()
    with pytest.raises(ContextConflictError):
        await store.add_messages("s", [user("b")], expected_version=1)


async def test_a_fork_begins_with_a_copy_and_goes_its_own_way(store: InMemoryContextStore) -> None:
    await store.add_message("s", user("a"))
    assert await store.fork("s", "t") == 1
    await store.add_message("t", user("b"))
    await store.add_message("s", user("c"))
    assert words(await store.get_context("t")) == ["a", "b"]
    assert words(await store.get_context("s")) == ["a", "c"]


async def test_a_fork_may_begin_at_an_earlier_version(store: InMemoryContextStore) -> None:
    await store.add_messages("s", [user("a"), user("b"), user("c")])
    await store.replace("s", 0, 2, [user("ab")])
    await store.add_message("s", user("d"))
    for version, expected in enumerate(["", "a b c", "ab c", "ab c d"]):
        await store.fork("s", f"at {version}", at=version)
        assert " ".join(words(await store.get_context(f"at {version}"))) == expected


@pytest.mark.parametrize("version", [-1, 1, 4])
async def test_a_version_that_is_not_kept_cannot_be_forked(store: InMemoryContextStore, version: int) -> None:
    await store.add_message("s", user("a"))
    await store.clear_context("s")
    await store.add_message("s", user("b"))
    with pytest.raises(ValueError, match="there are 2 to 3"):
        await store.fork("s", "t", at=version)
    assert await store.version("t") == 0


async def test_a_history_that_has_begun_is_not_begun_again(store: InMemoryContextStore) -> None:
    await store.add_message("s", user("a"))
    await store.add_message("t", user("b"))
    with pytest.raises(ContextConflictError):
        await store.fork("s", "t")


async def test_a_part_is_replaced_in_its_place(store: InMemoryContextStore) -> None:
    await store.add_messages("s", [user("a"), user("b"), user("c")])
    assert await store.replace("s", 1, 2, [user("x"), user("y")], expected_version=1) == 2
    assert await store.replace("s", 4, 4, [user("z")]) == 3
    assert await store.replace("s", 0, 1, []) == 4
    assert words(await store.get_context("s")) == ["x", "y", "c", "z"]


async def test_replacing_with_a_stale_version_is_refused(store: InMemoryContextStore) -> None:
    await store.add_message("s", user("a"))
    with pytest.raises(ContextConflictError):
        await store.replace("s", 0, 1, [], expected_version=0)


@pytest.mark.parametrize(("start", "stop"), [(-1, 1), (1, 0), (0, 2), (2, 2)])
async def test_a_part_that_is_not_there_cannot_be_replaced(store: InMemoryContextStore, start: int, stop: int) -> None:
    await store.add_message("s", user("a"))
    with pytest.raises(IndexError, match="in a history of 1 messages"):
        await store.replace("s", start, stop, [])
    assert await store.version("s") == 1


# ── many writers ─────────────────────────────────────────────────────────────────────────────────────────────────────


def in_order(messages: tuple[ChatMessage, ...]) -> bool:
    """Whether each writer's messages (`writer number`) stand in the order in which it wrote them, in pairs."""
    texts = words(messages)
    pairs = list(zip(texts[::2], texts[1::2], strict=True))
    by_writer: dict[str, list[int]] = {}
    for first, second in pairs:
        writer, number = first.split()
        if second != f"{writer} {number}'":
            return False
        by_writer.setdefault(writer, []).append(int(number))
    return all(a < b for numbers in by_writer.values() for a, b in pairwise(numbers))


async def write(store: InMemoryContextStore, writer: int, turns: int) -> None:
    for turn in range(turns):
        await store.add_messages("s", [user(f"{writer} {turn}"), assistant(f"{writer} {turn}'")])
        await anyio.lowlevel.checkpoint()


async def test_fifty_tasks_on_one_session_lose_and_mix_nothing(store: InMemoryContextStore) -> None:
    async with anyio.create_task_group() as tasks:
        for writer in range(50):
            tasks.start_soon(write, store, writer, 20)
    messages = await store.get_context("s")
    assert len(messages) == 2000
    assert in_order(messages)
    assert await store.version("s") == 1000


async def test_threads_on_one_session_lose_and_mix_nothing(
    store: InMemoryContextStore, anyio_backend_name: str
) -> None:
    start = threading.Barrier(8)

    def thread(writer: int) -> None:
        start.wait(10)
        anyio.run(write, store, writer, 50, backend=anyio_backend_name)

    async with anyio.create_task_group() as tasks:
        for writer in range(8):
            tasks.start_soon(anyio.to_thread.run_sync, thread, writer)
    messages = await store.get_context("s")
    assert len(messages) == 800
    assert in_order(messages)


async def test_of_many_writers_with_one_version_one_succeeds(store: InMemoryContextStore) -> None:
    refused = 0

    async def attempt(writer: int) -> None:
        nonlocal refused
        try:
            await store.add_messages("s", [user(str(writer))], expected_version=0)
        except ContextConflictError:
            refused += 1

    async with anyio.create_task_group() as tasks:
        for writer in range(50):
            tasks.start_soon(attempt, writer)
    assert refused == 49
    assert len(await store.get_context("s")) == 1


# ── events ───────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_each_change_is_told_once_with_its_session_and_version() -> None:
    events: list[Event] = []
    async with MessageBus() as bus:
        bus.add_tap(events.append)
        store = InMemoryContextStore(bus)
        await store.add_message("s", user("a"))
        await store.add_messages("s", [user("b")], idempotency_key="k")
        await store.add_messages("s", [user("b")], idempotency_key="k")
        await store.add_messages("s", [])
        await store.replace("s", 0, 1, [user("c")])
        await store.fork("s", "t")
        await store.clear_context("s")
    told = [
        (event.session_id, event.operation, words(event.messages), event.version)
        for event in events
        if isinstance(event, ChatHistoryUpdatedEvent)
    ]
    assert told == [
        ("s", "append", ["a"], 1),
        ("s", "append", ["b"], 2),
        ("s", "replace", ["c"], 3),
        ("t", "fork", ["c", "b"], 1),
        ("s", "clear", [], 4),
    ]


async def test_a_change_is_made_before_it_is_told() -> None:
    seen: list[int] = []

    async def publish(event: Event) -> None:
        seen.append(await told.version("s"))

    bus: Any = SimpleNamespace(publish=publish)
    told = InMemoryContextStore(bus)
    await told.add_message("s", user("a"))
    assert seen == [1]


async def test_a_change_that_was_made_is_told_though_its_writer_is_cancelled() -> None:
    told: list[Event] = []

    async def publish(event: Event) -> None:
        await anyio.lowlevel.checkpoint()
        told.append(event)

    bus: Any = SimpleNamespace(publish=publish)
    with anyio.CancelScope() as scope:
        scope.cancel()
        await InMemoryContextStore(bus).add_message("s", user("a"))
    assert len(told) == 1


async def test_a_bus_that_refuses_does_not_make_a_change_look_undone(caplog: pytest.LogCaptureFixture) -> None:
    async def publish(event: Event) -> None:
        raise BusClosedError("stopped")

    bus: Any = SimpleNamespace(publish=publish)
    store = InMemoryContextStore(bus)
    assert await store.add_message("s", user("a")) == 1
    assert "version 1 of s could not be published" in caplog.text


async def test_a_store_can_be_written_from_a_plain_thread(store: InMemoryContextStore) -> None:
    def thread() -> None:
        anyio.from_thread.run(store.add_message, "s", user("a"))

    await anyio.to_thread.run_sync(thread)
    assert words(await store.get_context("s")) == ["a"]
