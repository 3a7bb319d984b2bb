"""Each part starts and stops in its time, and whatever goes wrong with one, the others are stopped."""

# Handlers are lambdas here, and a test may look inside.
# pyright: reportPrivateUsage=false, reportUnknownArgumentType=false, reportUnknownLambdaType=false

import asyncio
import logging
import threading
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any, cast

import anyio
import pytest

from llmgine_core import (
    Application,
    ApplicationBootstrap,
    BusClosedError,
    MessageBus,
    PluginError,
    PluginLoadError,
    PluginTimeoutError,
)
from llmgine_core.hookspecs import hookimpl
from llmgine_core.testing import RecordingEventHandler, ScriptedModel, application
from tests.core.messages import Said

SHORT = 0.05  # what hangs for good is given up after it; everything else has longer


class Part(ScriptedModel):
    """A model that does what it is told when it is entered and left, and says so in a list."""

    def __init__(self, name: str, log: list[str], *, enter: Any = None, leave: Any = None) -> None:
        super().__init__()
        self.name, self.log, self.does = name, log, {"+": enter, "-": leave}

    async def __aenter__(self) -> "Part":
        await self._do("+")
        return self

    async def __aexit__(self, *error: Any) -> None:
        await self._do("-")

    async def _do(self, sign: str) -> None:
        self.log.append(f"{sign}{self.name}")
        match self.does[sign]:
            case BaseException() as error:
                raise error
            case None:
                pass
            case function:
                await function()


class Lifespan:
    def __init__(self, make: Callable[[], Any]) -> None:
        self._make = make

    @hookimpl
    def llmgine_lifespan(self, app: Application) -> Any:
        return self._make()


def faults_of(error: BaseException) -> list[BaseException]:
    return [*cast("ExceptionGroup[Exception]", error).exceptions] if isinstance(error, ExceptionGroup) else [error]


async def test_a_part_that_does_not_start_in_time_is_named_on_three_lines_and_the_start_rolled_back() -> None:
    log: list[str] = []
    parts = {"a": Part("a", log), "b": Part("b", log, enter=anyio.sleep_forever)}
    with pytest.raises(TimeoutError) as caught:
        async with application(llm=parts, start_timeout=SHORT):
            raise AssertionError("never reached")
    assert isinstance(caught.value, PluginTimeoutError)
    assert isinstance(caught.value, PluginError)
    assert str(caught.value).splitlines() == [
        "it did not start within 0.05 s",
        "  plugin: llm 'b' (a ready object)",
        "  cure: see what it waits for, or raise `start_timeout` in the configuration",
    ]
    assert log == ["+a", "+b", "-a"]


@pytest.mark.parametrize(
    ("error", "what", "cure"),
    [
        (
            ConnectionError("nobody\nanswers"),
            "ConnectionError: nobody answers",
            "mend what the message names, or select another plugin",
        ),
        (
            ModuleNotFoundError("No module named 'sdk'", name="sdk"),
            "ModuleNotFoundError: No module named 'sdk'",
            "install what offers the module 'sdk', or select another plugin",
        ),
    ],
)
async def test_a_part_that_fails_to_start_is_named_on_three_lines_too(error: Exception, what: str, cure: str) -> None:
    with pytest.raises(PluginLoadError) as caught:
        async with application(llm={"a": Part("a", [], enter=error)}):
            raise AssertionError("never reached")
    assert str(caught.value).splitlines() == [
        f"starting it raised {what}",
        "  plugin: llm 'a' (a ready object)",
        f"  cure: {cure}",
    ]


async def test_a_lifespan_and_an_observability_handler_have_a_deadline_too() -> None:
    @asynccontextmanager
    async def hangs() -> AsyncGenerator[None]:
        await anyio.sleep_forever()
        yield

    with pytest.raises(PluginTimeoutError, match="the lifespan of plugins 'Lifespan'"):
        async with application(plugins=[Lifespan(hangs)], start_timeout=SHORT):
            raise AssertionError("never reached")

    class Slow(RecordingEventHandler):
        opens, closed = threading.Event(), threading.Event()

        def open_exporter(self) -> None:
            assert self.opens.wait(30)

        def close_exporter(self) -> None:
            self.closed.set()

    slow = Slow()
    with pytest.raises(PluginTimeoutError, match="observability 'Slow'"):
        async with application(observability=[slow], start_timeout=SHORT):
            raise AssertionError("never reached")
    slow.opens.set()
    assert await anyio.to_thread.run_sync(slow.closed.wait, 30), "its thread ends once it has opened after all"


async def test_a_part_that_does_not_stop_in_time_is_named_and_the_others_stop() -> None:
    log: list[str] = []
    parts = {"a": Part("a", log), "b": Part("b", log, leave=anyio.sleep_forever), "c": Part("c", log)}
    bus = MessageBus()
    with pytest.raises((PluginTimeoutError, ExceptionGroup)) as caught:
        async with application(bus=bus, llm=parts, stop_timeout=SHORT):
            log.clear()
    # on a machine under load others may be late as well
    late = [str(fault).splitlines()[:2] for fault in faults_of(caught.value)]
    assert ["it did not stop within 0.05 s", "  plugin: llm 'b' (a ready object)"] in late
    assert log == ["-c", "-b", "-a"]
    with pytest.raises(BusClosedError):
        await bus.publish(Said())


async def test_a_part_that_does_not_even_heed_its_cancellation_is_left_behind() -> None:
    log: list[str] = []
    released = anyio.Event()

    async def deaf() -> None:
        with anyio.CancelScope(shield=True):
            await released.wait()

    with pytest.raises((PluginTimeoutError, ExceptionGroup)) as caught:
        async with application(llm={"a": Part("a", log), "b": Part("b", log, leave=deaf)}, stop_timeout=SHORT):
            log.clear()
    assert any("llm 'b'" in str(fault) for fault in faults_of(caught.value))
    assert log == ["-b", "-a"]
    released.set()


async def test_what_one_part_raises_when_it_stops_is_raised_with_its_name() -> None:
    log: list[str] = []
    error = ValueError("torn")
    with pytest.raises(ValueError, match="torn") as caught:
        async with application(llm={"a": Part("a", log), "b": Part("b", log, leave=error)}):
            log.clear()
    assert caught.value is error
    assert caught.value.__notes__ == ["raised while stopping llm 'b' (a ready object)"]
    assert log == ["-b", "-a"]


async def test_what_several_parts_raise_when_they_stop_is_all_told() -> None:
    log: list[str] = []
    parts = {
        "a": Part("a", log, leave=SystemExit(3)),
        "b": Part("b", log),
        "c": Part("c", log, leave=ValueError("torn")),
    }
    with pytest.raises(ExceptionGroup) as caught:
        async with application(llm=parts):
            log.clear()
    first, second = caught.value.exceptions
    assert isinstance(first, ValueError)
    assert isinstance(second, PluginLoadError)
    assert str(second).splitlines()[:2] == ["stopping it raised SystemExit: 3", "  plugin: llm 'a' (a ready object)"]
    assert log == ["-c", "-b", "-a"]


@pytest.mark.parametrize("body", [None, KeyError("body")])
async def test_an_interrupt_while_a_part_stops_passes_once_the_others_have_stopped(body: Exception | None) -> None:
    log: list[str] = []

    async def run() -> None:
        async with application(llm={"a": Part("a", log), "b": Part("b", log, leave=KeyboardInterrupt())}):
            log.clear()
            if body is not None:
                raise body

    with pytest.raises(KeyboardInterrupt):
        await run()
    assert log == ["-b", "-a"]


async def test_the_bodys_own_error_passes_and_those_of_the_stop_are_in_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    log: list[str] = []
    error = KeyError("body")
    with pytest.raises(KeyError) as caught:
        async with application(llm=Part("a", log, leave=ValueError("torn"))):
            raise error
    assert caught.value is error
    assert "while the application stops: torn" in caplog.text


async def test_a_part_that_raises_the_bodys_error_on_in_a_group_adds_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    @asynccontextmanager
    async def groups() -> AsyncGenerator[None]:
        async with anyio.create_task_group():
            yield

    error = KeyError("body")
    with pytest.raises(KeyError) as caught:
        async with application(plugins=[Lifespan(groups)]):
            raise error
    assert caught.value is error
    assert "while the application stops" not in caplog.text


async def test_the_error_that_ends_the_start_passes_and_those_of_the_roll_back_are_in_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    log: list[str] = []
    parts = {"a": Part("a", log, leave=ValueError("torn")), "b": Part("b", log, enter=KeyError("no"))}
    with pytest.raises(PluginLoadError, match=r"starting it raised KeyError: 'no'\n.*llm 'b'"):
        async with application(llm=parts):
            raise AssertionError("never reached")
    assert log == ["+a", "+b", "-a"]
    assert "while the application stops: torn" in caplog.text


async def test_a_start_that_is_cancelled_is_rolled_back() -> None:
    log: list[str] = []
    entered = anyio.Event()

    async def hang() -> None:
        entered.set()
        try:
            await anyio.sleep_forever()
        finally:
            log.append("cleaned up")

    parts = {"a": Part("a", log), "b": Part("b", log, enter=hang)}
    bus = MessageBus()
    made = application(bus=bus, llm=parts)

    async def start() -> None:
        async with made:
            raise AssertionError("never reached")

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(start)
        await entered.wait()
        tasks.cancel_scope.cancel()
    assert log == ["+a", "+b", "cleaned up", "-a"]
    with pytest.raises(BusClosedError):
        await bus.publish(Said())


def test_a_start_that_asyncio_cancels_twice_is_rolled_back() -> None:
    """The second cancellation comes while what had started stops."""
    log: list[str] = []
    entered, stopping = asyncio.Event(), asyncio.Event()

    async def hang() -> None:
        entered.set()
        await anyio.sleep_forever()

    async def slowly() -> None:
        stopping.set()
        await asyncio.sleep(0.01)
        log.append("slowly")

    async def run() -> None:
        async with application(llm={"a": Part("a", log, leave=slowly), "b": Part("b", log, enter=hang)}):
            raise AssertionError("never reached")

    async def main() -> None:
        task = asyncio.create_task(run())
        await entered.wait()
        task.cancel()
        await stopping.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert log == ["+a", "+b", "-a", "slowly"]


async def test_a_cancelled_application_stops_all_its_parts() -> None:
    log: list[str] = []

    async def slowly() -> None:
        await anyio.lowlevel.checkpoint()
        log.append("slowly")

    with anyio.CancelScope() as scope:
        async with application(llm={"a": Part("a", log, leave=slowly), "b": Part("b", log, leave=slowly)}):
            log.clear()
            scope.cancel()
            await anyio.lowlevel.checkpoint()
    assert scope.cancelled_caught
    assert log == ["-b", "slowly", "-a", "slowly"]


def test_an_asyncio_task_that_is_cancelled_while_it_stops_stops_all_and_is_cancelled_then() -> None:
    """`Task.cancel` heeds no shield of anyio's."""
    log: list[str] = []
    stopping = asyncio.Event()
    go_on = asyncio.Event()

    async def slowly() -> None:
        stopping.set()
        await go_on.wait()
        log.append("slowly")

    async def run() -> None:
        async with application(llm={"a": Part("a", log), "b": Part("b", log, leave=slowly)}):
            log.clear()

    async def main() -> None:
        task = asyncio.create_task(run())
        await stopping.wait()
        task.cancel()
        await asyncio.sleep(0)
        go_on.set()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert log == ["-b", "slowly", "-a"]


async def test_a_part_that_fails_while_the_application_runs_is_in_the_log_at_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.ERROR, "llmgine.bootstrap")
    logged = anyio.Event()

    class Heard(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            logged.set()

    @asynccontextmanager
    async def failing() -> AsyncGenerator[None]:
        async def fail() -> None:
            raise ValueError("in the background")

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(fail)
            yield

    logger, heard = logging.getLogger("llmgine.bootstrap"), Heard()
    logger.addHandler(heard)
    try:
        with pytest.raises(ExceptionGroup) as caught, anyio.fail_after(10):
            async with application(plugins=[Lifespan(failing)]):
                await logged.wait()
    finally:
        logger.removeHandler(heard)
    assert str(caught.value.exceptions[0]) == "in the background"
    assert "the lifespan of plugins 'Lifespan' (a ready object) failed while the application runs" in caplog.text


@pytest.mark.parametrize("hook", ["llmgine_lifespan", "llmgine_register_handlers", "llmgine_health_checks"])
async def test_a_hook_that_raises_ends_the_start_and_rolls_it_back(hook: str) -> None:
    def torn(app: Application) -> Any:
        raise ValueError("torn")

    log: list[str] = []
    holder = type("Holder", (), {hook: staticmethod(hookimpl(torn))})
    with pytest.raises(PluginLoadError, match=f"{hook} raised ValueError: torn"):
        async with application(llm=Part("a", log), plugins=[Lifespan(lambda: Part("b", log)), holder]):
            raise AssertionError("never reached")
    assert log == ["+a", "+b", "-b", "-a"]


async def test_a_bootstrap_serves_again_after_its_end_and_not_before() -> None:
    made = ApplicationBootstrap("twice", discover=False)
    async with made as first:
        with pytest.raises(RuntimeError, match="'twice' runs already"):
            async with made:
                raise AssertionError("never reached")
        await first.bus.publish(Said())
    async with made as second:
        await second.bus.publish(Said())
        assert second is not first
    await made.__aexit__(None, None, None)  # which has ended already


async def test_who_leaves_an_application_that_is_being_left_waits_until_it_has_stopped() -> None:
    log: list[str] = []
    leaving, may_end = anyio.Event(), anyio.Event()

    async def slowly() -> None:
        leaving.set()
        await may_end.wait()
        log.append("slowly")

    async def leave_again() -> None:
        await leaving.wait()
        tasks.start_soon(set_in_time)
        await made.__aexit__(None, None, None)
        assert log == ["+a", "-a", "slowly"]

    async def set_in_time() -> None:
        await anyio.wait_all_tasks_blocked()
        may_end.set()

    made = application(llm=Part("a", log, leave=slowly))
    await made.__aenter__()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(leave_again)
        await made.__aexit__(None, None, None)


async def test_an_application_that_is_starting_cannot_be_left() -> None:
    log: list[str] = []
    entered, may_go_on = anyio.Event(), anyio.Event()

    async def slowly() -> None:
        entered.set()
        await may_go_on.wait()

    made = application(llm={"a": Part("a", log, enter=slowly), "b": Part("b", log)})
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(made.__aenter__)
        await entered.wait()
        with pytest.raises(RuntimeError, match="is starting; cancel its start"):
            await made.__aexit__(None, None, None)
        may_go_on.set()
    await made.__aexit__(None, None, None)
    assert log == ["+a", "+b", "-b", "-a"]
