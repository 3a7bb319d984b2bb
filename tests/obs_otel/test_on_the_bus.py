"""The handler as a tap of a running bus."""

from __future__ import annotations

import attrs
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from llmgine_core import Command, Event, MessageBus
from llmgine_obs_otel import OpenTelemetryEventHandler


@attrs.frozen
class Outer(Command[str]):
    """A command whose handler asks another, and publishes."""


@attrs.frozen
class Inner(Command[str]):
    """The other."""


@attrs.frozen
class After(Command[str]):
    """What an event handler asks."""


@attrs.frozen
class Answered(Event):
    """What is published."""


async def test_commands_nest_as_they_were_executed_also_through_events() -> None:
    exporter = InMemorySpanExporter()
    handler = OpenTelemetryEventHandler(span_exporter=exporter, interval=0)
    handler.start()
    bus = MessageBus()
    bus.add_tap(handler.accept)

    async def outer(command: Outer) -> str:
        answer = await bus.execute(Inner())
        await bus.publish(Answered())
        return answer

    async def inner(command: Inner) -> str:
        return "inner"

    async def after(command: After) -> str:
        return "after"

    async def answered(event: Answered) -> None:
        await bus.execute(After())

    bus.register_command_handler(Outer, outer)
    bus.register_command_handler(Inner, inner)
    bus.register_command_handler(After, after)
    bus.register_event_handler(Answered, answered)
    async with bus, bus.session("chat-42") as session:
        assert await session.execute(Outer()) == "inner"
        await bus.wait_idle(timeout=5)
    assert handler.close()

    spans = {span.name: span for span in exporter.get_finished_spans()}
    assert set(spans) == {"execute Outer", "execute Inner", "execute After"}
    root = spans["execute Outer"].context
    assert root
    for name in ("execute Inner", "execute After"):
        parent = spans[name].parent
        assert parent
        assert (parent.trace_id, parent.span_id) == (root.trace_id, root.span_id)
        assert (spans[name].attributes or {})["session.id"] == "chat-42"
