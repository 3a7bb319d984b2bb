"""An application that runs until it is told to stop, and one of exactly the plugins that a test names."""

from collections.abc import Sequence
from typing import assert_type

from llmgine_core import Application, ApplicationBootstrap, BootstrapError, LlmgineError, abc
from llmgine_core.testing import RecordingEventHandler, ScriptedModel, application, plugin


async def serve(app: Application) -> int:
    assert_type(await app.run(), None)
    return 5


async def serve_any(app: abc.Application) -> str:
    await app.run()
    return "done"


async def main() -> None:
    async with ApplicationBootstrap() as app:
        assert_type(app, Application)
        assert_type(await app.run(serve), int | None)
        assert_type(await app.run(serve_any), str | None)
        app.request_stop()


async def test() -> None:
    recorder = RecordingEventHandler()
    async with application(
        bus=plugin(object(), "mine", capacity=5), llm=ScriptedModel("hello"), observability=[recorder]
    ) as app:
        assert_type(app, Application)


def faults(error: BootstrapError) -> Sequence[Exception]:
    try:
        raise error
    except LlmgineError:
        return error.exceptions
