"""At the stop handlers finish what was accepted, while what they use is still there."""

# pyright: reportPrivateUsage=false

import threading
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import anyio
import anyio.to_thread
import pytest

from llmgine_core import Application, MessageBus
from llmgine_core.abc import Redactor
from llmgine_core.hookspecs import hookimpl
from llmgine_core.observability import ContentPolicy
from llmgine_core.testing import RecordingEventHandler, ScriptedModel, application
from tests.core.messages import Gate, Said


class Model(ScriptedModel):
    """A model that is open from its start to its stop."""

    is_open = False

    async def __aenter__(self) -> None:
        self.is_open = True

    async def __aexit__(self, *error: Any) -> None:
        self.is_open = False


class Pool:
    """A plugin whose handlers use what its lifespan holds, and which says farewell."""

    def __init__(self, model: Model) -> None:
        self.model, self.is_open = model, False
        self.seen: list[tuple[str, bool, bool]] = []

    @hookimpl
    @asynccontextmanager
    async def llmgine_lifespan(self, app: Application) -> AsyncGenerator[None]:
        self.is_open = True
        yield
        self.is_open = False
        await app.bus.publish(Said("farewell"))

    @hookimpl
    def llmgine_register_handlers(self, app: Application) -> None:
        app.bus.register_event_handler(Said, self.handle)

    async def handle(self, event: Said) -> None:
        await anyio.lowlevel.checkpoint()
        self.seen.append((event.text, self.model.is_open, self.is_open))


async def test_handlers_finish_before_lifespans_stop_and_what_lifespans_leave_before_models_do() -> None:
    model = Model()
    pool = Pool(model)
    async with application(llm=model, plugins=[pool]) as app:
        for _ in range(3):
            await app.bus.publish(Said("work"))
        assert pool.seen == []
    assert pool.seen == [("work", True, True)] * 3 + [("farewell", True, False)]
    assert not model.is_open


async def test_a_handler_that_never_ends_is_cancelled_at_the_deadline_and_named_in_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    gate, recorder = Gate(), RecordingEventHandler()
    bus = MessageBus()
    bus.register_event_handler(Said, gate)
    async with application(bus=bus, observability=[recorder], stop_timeout=1.0) as app:
        await app.bus.publish(Said())
        await gate.entered.wait()
    assert gate.cancelled
    assert "handlers are still at work" in caplog.text
    assert "the bus stopped before all was done: 1 deliveries were left, 1 discarded (for " in caplog.text
    assert "Gate" in caplog.text
    assert recorder.types()[-2:] == ["BootstrapStopEvent", "EventHandlerResultEvent"]
    assert recorder.records[-1].fields["outcome"] == "cancelled"
    assert (app.bus.stats().total.discarded, app.bus.stats().total.pending) == (1, 0)


async def test_a_lifespan_may_use_the_applications_bus_as_the_current_one() -> None:
    found: list[MessageBus] = []

    class Asking:
        @hookimpl
        @asynccontextmanager
        async def llmgine_lifespan(self, app: Application) -> AsyncGenerator[None]:
            found.append(MessageBus.current())
            yield

    async with application(plugins=[Asking]) as app:
        assert found == [app.bus]
    with pytest.raises(LookupError):
        MessageBus.current()


class LateHandler(RecordingEventHandler):
    """Its start waits to be let go, and then opens."""

    def __init__(self) -> None:
        super().__init__()
        self.asked, self.let_go, self.closed = threading.Event(), threading.Event(), threading.Event()

    def start(self, policy: ContentPolicy | None = None, redactors: Sequence[Redactor] = ()) -> None:
        self.asked.set()
        self.let_go.wait()
        super().start(policy, redactors)

    def close_exporter(self) -> None:
        self.closed.set()


async def test_a_handler_that_opens_after_its_start_was_given_up_is_closed() -> None:
    handler = LateHandler()

    async def start() -> None:
        async with application(observability=[handler]):
            raise AssertionError("never reached")

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(start)
        await anyio.to_thread.run_sync(handler.asked.wait)
        tasks.cancel_scope.cancel()
    handler.let_go.set()
    assert await anyio.to_thread.run_sync(handler.closed.wait, 5)
