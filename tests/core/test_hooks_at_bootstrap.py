"""Hooks are called while an application starts, and never again."""

from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import attrs

from llmgine_core import (
    Application,
    ChatMessage,
    EventRecord,
    GenerateCommand,
    LLMRequest,
    MessageBus,
    RunTurn,
    ToolCall,
)
from llmgine_core.hookspecs import HookSpecs, hookimpl
from llmgine_core.testing import RecordingEventHandler, ScriptedModel, application
from tests.core.messages import Ask, Count, Said, answer, numbers


@attrs.frozen
class Settings:
    """None of its own."""


class Everything:
    """A plugin of every kind that implements every hook and counts how often each is called."""

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()

    @hookimpl
    def llmgine_settings(self) -> type[Settings]:
        self.calls["llmgine_settings"] += 1
        return Settings

    @hookimpl
    def llmgine_register_converters(self, converter: Any) -> None:
        self.calls["llmgine_register_converters"] += 1

    @hookimpl
    def llmgine_create_message_bus(self, build: Any) -> MessageBus:
        self.calls["llmgine_create_message_bus"] += 1
        return MessageBus()

    @hookimpl
    def llmgine_create_context_store(self, build: Any) -> Any:
        from llmgine_context import InMemoryContextStore

        self.calls["llmgine_create_context_store"] += 1
        return InMemoryContextStore(bus=build.bus)

    @hookimpl
    def llmgine_create_tool_manager(self, build: Any) -> Any:
        from llmgine_tools import ToolManager

        self.calls["llmgine_create_tool_manager"] += 1
        return ToolManager

    @hookimpl
    def llmgine_create_language_model(self, build: Any) -> ScriptedModel:
        self.calls["llmgine_create_language_model"] += 1
        return ScriptedModel("hello", ToolCall("1", "length", '{"text": "four"}'), "four letters")

    @hookimpl
    def llmgine_create_event_handler(self, build: Any) -> RecordingEventHandler:
        self.calls["llmgine_create_event_handler"] += 1
        return RecordingEventHandler()

    @hookimpl
    def llmgine_create_redactor(self, build: Any) -> Any:
        self.calls["llmgine_create_redactor"] += 1
        return Redactor()

    @hookimpl
    def llmgine_register_tools(self) -> list[Any]:
        self.calls["llmgine_register_tools"] += 1
        return [length]

    @hookimpl
    def llmgine_register_handlers(self, app: Application) -> None:
        if not self.calls["llmgine_register_handlers"]:
            app.bus.register_command_handler(Ask, answer)
            app.bus.register_command_handler(Count, numbers)
        self.calls["llmgine_register_handlers"] += 1

    @hookimpl
    @asynccontextmanager
    async def llmgine_lifespan(self, app: Application) -> AsyncGenerator[None]:
        self.calls["llmgine_lifespan"] += 1
        yield

    @hookimpl
    def llmgine_health_checks(self, app: Application) -> dict[str, Any]:
        self.calls["llmgine_health_checks"] += 1
        return {"up": lambda: {"ok": True}}


class Redactor:
    def redact(self, record: EventRecord) -> EventRecord:
        return record


def length(text: str) -> int:
    """The length of a text."""
    return len(text)


async def test_no_hook_is_called_once_the_application_has_started() -> None:
    every = Everything()
    async with application(
        bus=every,
        context_store=every,
        tool_manager=every,
        llm=every,
        observability=[every],
        plugins=[every, "agent"],
    ) as app:
        assert set(every.calls) == {name for name in vars(HookSpecs) if name.startswith("llmgine_")}
        every.calls.clear()
        async with app.session() as session:
            await session.execute(GenerateCommand(LLMRequest(messages=[ChatMessage.user("hi")])))
            turn = await session.execute(RunTurn("How long is four?"))
            assert turn.text == "four letters"
            assert await session.execute(Ask("x")) == "answer to x"
            async with session.stream(Count(2)) as items:
                assert [i async for i in items] == [0, 1]
            await session.publish(Said())
        await app.bus.wait_idle()
        assert app.health().ok
    assert not every.calls
