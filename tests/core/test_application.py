"""Sessions of an application: what is kept for them, and how long."""

# Handlers are lambdas here, and a test may look inside.
# pyright: reportPrivateUsage=false

from typing import cast

import anyio
import anyio.lowlevel
import pytest

from llmgine_core import (
    ApplicationBootstrap,
    BusSession,
    ChatMessage,
    GenerateCommand,
    LLMRequest,
    SessionClosedError,
    Usage,
)
from llmgine_core.testing import ScriptedModel, application
from tests.core.messages import Ask, Count, Gate, Recorder, Said, answer, numbers
from tests.core.services import Histories, Tools


async def test_a_session_left_from_inside_its_own_work_is_forgotten_when_it_ends() -> None:
    async with ApplicationBootstrap() as app:
        ended = anyio.Event()

        async def handle(command: Ask) -> str:
            async with app.session("s", join=True) as session:
                session.add_usage(Usage(input_tokens=7))
                cast("BusSession", session._session).when_ended(ended.set)
            return "done"

        app.bus.register_command_handler(Ask, handle)
        assert await app.bus.execute(Ask(session_id="s")) == "done"
        with anyio.fail_after(5):
            await ended.wait()
        assert not app._sessions
        async with app.session("s") as session:
            assert session.usage == Usage()


async def test_a_session_closed_from_inside_is_known_until_it_has_drained() -> None:
    gate, ended = Gate(), anyio.Event()
    async with ApplicationBootstrap() as app:
        async with app.session("s") as session:

            async def handle(command: Ask) -> str:
                await session.publish(Said())
                await gate.entered.wait()
                await session.aclose()
                assert app.session_of(command) is session
                gate.open.set()
                return "done"

            cast("BusSession", session._session).when_ended(ended.set)
            session.register_event_handler(Said, gate)
            session.register_command_handler(Ask, handle)
            assert await session.execute(Ask()) == "done"
        assert ended.is_set()
        assert not app._sessions
        assert app.session_of(Said(session_id="s")) is not session


async def test_a_session_has_the_applications_tools_its_history_and_its_usage() -> None:
    store = Histories()
    model = ScriptedModel("one", "two")
    async with application(context_store=store, tool_manager=Tools, tools=[len], llm=model) as app:
        async with app.session("s") as session:
            assert session.app is app
            assert isinstance(session.tools, Tools)
            assert session.tools.functions == [len]
            assert session.tools is session.tools
            await session.history.add(ChatMessage.user("hi"))
            assert await session.history.add_all([ChatMessage.assistant("ho")]) == 2
            assert [m.text for m in await session.history.messages(limit=1)] == ["ho"]
            await session.history.clear()
            assert store.kept == {}
            async with app.session("s", join=True) as joined:
                assert joined.tools is session.tools
                request = LLMRequest(messages=[ChatMessage.user("hi")])
                await session.execute(GenerateCommand(request))
                assert joined.usage == session.usage == Usage(1, 1)
        async with app.session("s") as again:
            assert again.usage == Usage()


async def test_session_of_gives_the_open_session_or_a_light_one() -> None:
    async with application(handlers=[(Ask, answer), (Count, numbers)]) as app:
        async with app.session("s") as session:
            assert app.session_of(Said(session_id="s")) is session
        light = app.session_of(Said(session_id="s"))
        assert (light.id, light.closed) == ("s", False)
        assert await light.execute(Ask("x")) == "answer to x"
        async with light.stream(Count(2)) as items:
            assert [i async for i in items] == [0, 1]
        app.bus.register_event_handler(Said, (seen := Recorder()))
        await light.publish(Said())
        await seen.wait_for(1)
        assert seen.seen[0].session_id == "s"
        with pytest.raises(SessionClosedError):
            light.register_event_handler(Said, print)
        with pytest.raises(SessionClosedError):
            light.start_soon(anyio.sleep_forever)
        await light.aclose()
        with pytest.raises(ValueError, match="belongs to no session"):
            app.session_of(Said())


async def test_an_application_session_has_the_buss_verbs() -> None:
    async with application() as app, app.session() as session:
        session.register_command_handler(Ask, answer)
        session.register_command_handler(Count, numbers)
        session.register_event_handler(Said, (seen := Recorder()))
        assert await session.execute(Ask("x")) == "answer to x"
        async with session.stream(Count(1)) as items:
            assert [i async for i in items] == [0]
        expected = session.expect(Said)
        session.schedule(Said("due"), delay=0)
        assert (await expected).text == "due"
        await session.publish(Said())
        await seen.wait_for(2)
        session.start_soon(anyio.lowlevel.checkpoint)
        await session.aclose()
        assert session.closed
        assert app._sessions == {}
