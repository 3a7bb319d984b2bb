"""Sessions of an application: what is kept for them, and how long."""

# Handlers are lambdas here, and a test may look inside.
# pyright: reportPrivateUsage=false

from typing import cast

import anyio

from llmgine_core import ApplicationBootstrap, BusSession, Usage
from tests.core.messages import Ask, Gate, Said


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
