"""The plugin `memory` of the kind `context_store`."""

from importlib.metadata import entry_points
from typing import Any

from llmgine_context import InMemoryContextStore, plugin
from llmgine_core import ChatHistoryUpdatedEvent, ChatMessage, Event, MessageBus
from llmgine_core.hookspecs import Build


def test_it_is_found_under_its_name() -> None:
    (entry,) = entry_points(group="llmgine.context_store", name="memory")
    assert entry.load() is plugin


async def test_its_store_publishes_on_the_applications_bus() -> None:
    events: list[Event] = []
    async with MessageBus() as bus:
        bus.add_tap(events.append)
        settings: dict[str, Any] = {}
        store = plugin.llmgine_create_context_store(Build(settings=settings, name="memory", bus=bus))
        assert isinstance(store, InMemoryContextStore)
        await store.add_message("s", ChatMessage.user("a"))
    assert any(isinstance(event, ChatHistoryUpdatedEvent) for event in events)
