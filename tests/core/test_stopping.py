"""`Application.run` waits for the request to stop, beside a main function or alone."""

# pyright: reportPrivateUsage=false

import os
import signal
import threading
from collections.abc import Generator
from contextlib import ExitStack
from typing import Any

import anyio
import anyio.to_thread
import pytest

from llmgine_core import Application
from llmgine_core._stopping import StopRequest, wait_for_stop
from llmgine_core.testing import application
from tests.core.messages import Ask, Recorder, Said

pytestmark = pytest.mark.skipif(os.name == "nt", reason="a process of Windows cannot be sent these signals")


@pytest.fixture(autouse=True)
def _signals_unchanged() -> Generator[None]:
    """Whatever happens in a test, the signal handlers are those that there were."""
    before = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]
    yield
    assert [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)] == before


async def signalled(*applications: Application, number: int = signal.SIGTERM) -> None:
    """Wait until all these wait to be stopped, and send the process a signal."""
    for app in applications:
        while not app._stop._calls:
            await anyio.lowlevel.checkpoint()
    os.kill(os.getpid(), number)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_run_returns_when_the_process_is_told_to_stop(number: int) -> None:
    async with application() as app, anyio.create_task_group() as tasks:
        tasks.start_soon(lambda: signalled(app, number=number))
        with anyio.fail_after(10):
            await app.run()


async def test_run_returns_when_a_handler_or_a_thread_asks_for_the_stop() -> None:
    async with application() as app:

        async def stop(command: Ask) -> str:
            app.request_stop()
            return "soon"

        app.bus.register_command_handler(Ask, stop)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(app.run)
            assert await app.bus.execute(Ask()) == "soon"
    async with application() as app, anyio.create_task_group() as tasks:
        tasks.start_soon(app.run)
        await anyio.to_thread.run_sync(app.request_stop)


async def test_a_stop_that_was_asked_for_stays_so_for_this_run_of_the_application() -> None:
    made = application()
    async with made as app:
        app.request_stop()
        app.request_stop()
        with anyio.fail_after(10):
            await app.run()
            await app.run()
    async with made as app:
        with anyio.move_on_after(0.01) as scope:
            await app.run()
    assert scope.cancelled_caught


async def test_a_main_function_is_given_the_application_and_its_result_and_error_pass() -> None:
    error = ValueError("torn")

    async def main(app: Application) -> str:
        return f"ran {app.name}"

    async def failing(app: Application) -> str:
        raise error

    async with application("shop") as app:
        assert await app.run(main) == "ran shop"
        with pytest.raises(ValueError, match="torn") as caught:
            await app.run(failing)
    assert caught.value is error


async def test_a_main_function_that_does_not_wait_for_the_stop_is_cancelled() -> None:
    ended: list[str] = []

    async def main(app: Application) -> None:
        app.request_stop()
        try:
            await anyio.sleep_forever()
        finally:
            ended.append("cleaned up")

    async with application() as app:
        with anyio.fail_after(10):
            await app.run(main)
    assert ended == ["cleaned up"]


async def test_a_main_function_that_waits_for_the_stop_goes_on_to_its_own_end() -> None:
    async def main(app: Application) -> str:
        async with anyio.create_task_group() as tasks:  # its tasks count as itself
            tasks.start_soon(app.run)
        await anyio.lowlevel.checkpoint()
        return "cleaned up"

    async with application() as app, anyio.create_task_group() as tasks:
        tasks.start_soon(lambda: signalled(app))
        assert await app.run(main) == "cleaned up"


async def test_a_main_function_that_waited_is_cancelled_when_its_time_is_up() -> None:
    ended: list[str] = []

    async def main(app: Application) -> str:
        app.request_stop()
        await app.run()
        ended.append("told")
        await anyio.sleep_forever()
        return "never"

    async with application(stop_timeout=0.5) as app:
        with anyio.fail_after(10):
            assert await app.run(main) is None
    assert ended == ["told"]


async def test_a_main_function_that_has_waited_before_and_waits_no_more_is_cancelled() -> None:
    async def main(app: Application) -> str:
        with anyio.move_on_after(0.01):
            await app.run()
        app.request_stop()
        await anyio.sleep_forever()
        return "never"

    async with application(stop_timeout=60) as app:
        with anyio.fail_after(10):
            assert await app.run(main) is None


async def test_a_cancelled_run_ends_and_takes_its_main_function_along() -> None:
    ended: list[str] = []

    async def main(app: Application) -> None:
        try:
            await anyio.sleep_forever()
        finally:
            ended.append("main")

    async with application() as app:
        with anyio.move_on_after(0.01) as scope:
            await app.run(main)
        assert scope.cancelled_caught
        assert app._stop._calls == {}
    assert ended == ["main"]


async def test_a_signal_reaches_every_application_that_waits() -> None:
    async with application("a") as a, application("b") as b, anyio.create_task_group() as tasks:
        tasks.start_soon(a.run)
        tasks.start_soon(b.run)
        with anyio.fail_after(10):
            await signalled(a, b)


async def test_what_one_is_asked_no_other_hears() -> None:
    async with application("a") as a, application("b") as b, anyio.create_task_group() as tasks:
        tasks.start_soon(a.run)
        b.request_stop()
        with anyio.fail_after(10):
            await b.run()
        assert not a._stop._asked
        a.request_stop()


async def test_handlers_of_signals_are_put_back_when_the_last_has_returned() -> None:
    """The one that was there is not called meanwhile, and is afterwards."""
    heard: list[int] = []
    former = signal.signal(signal.SIGTERM, lambda number, frame: heard.append(number))
    try:
        ours = signal.getsignal(signal.SIGTERM)
        async with application("a") as a, application("b") as b:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(a.run)
                tasks.start_soon(b.run)
                await signalled(a, b)
            assert heard == []
            assert signal.getsignal(signal.SIGTERM) is ours
            os.kill(os.getpid(), signal.SIGTERM)
            assert heard == [signal.SIGTERM]
    finally:
        signal.signal(signal.SIGTERM, former)


async def test_a_signal_that_the_process_ignores_stays_ignored_and_one_that_was_set_meanwhile_stays_set() -> None:
    former = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    interrupt = signal.getsignal(signal.SIGINT)
    try:
        async with application() as app, anyio.create_task_group() as tasks:
            tasks.start_soon(app.run)
            while not app._stop._calls:
                await anyio.lowlevel.checkpoint()
            assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            app.request_stop()
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGTERM, former)
        signal.signal(signal.SIGINT, interrupt)


def test_in_another_thread_run_sets_no_handlers_and_ends_when_asked(anyio_backend: str) -> None:
    before = signal.getsignal(signal.SIGTERM)
    running: list[Any] = []
    ready = threading.Event()

    async def main() -> None:
        async with application() as app:
            running.append(app)
            app.bus.register_event_handler(Said, Recorder())
            ready.set()
            await app.run()

    thread = threading.Thread(target=anyio.run, args=(main,), kwargs={"backend": anyio_backend})
    thread.start()
    assert ready.wait(30)
    assert signal.getsignal(signal.SIGTERM) is before
    running[0].request_stop()
    thread.join(30)
    assert not thread.is_alive()
    running[0].request_stop()  # of which nobody is left to hear


def test_a_request_reaches_whoever_is_left_though_the_loop_of_another_has_ended(anyio_backend: str) -> None:
    request, kept, asked = StopRequest(), ExitStack(), threading.Event()

    async def leave() -> None:
        kept.enter_context(request.calling(asked.set))

    async def wait() -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(wait_for_stop, request)
            while len(request._calls) < 2:
                await anyio.lowlevel.checkpoint()
            request.ask()

    anyio.run(leave, backend=anyio_backend)
    anyio.run(wait, backend=anyio_backend)
    assert not asked.is_set()
    kept.close()


async def test_a_thread_hears_of_a_signal_while_the_main_thread_waits_too(anyio_backend_name: str) -> None:
    async def other(ready: "threading.Event") -> None:
        async with application("other") as app:
            with anyio.fail_after(30):
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(app.run)
                    while not app._stop._calls:
                        await anyio.lowlevel.checkpoint()
                    ready.set()

    ready = threading.Event()
    thread = threading.Thread(target=anyio.run, args=(other, ready), kwargs={"backend": anyio_backend_name})
    thread.start()
    async with application() as app, anyio.create_task_group() as tasks:
        tasks.start_soon(app.run)
        await anyio.to_thread.run_sync(ready.wait)
        await signalled(app)
    await anyio.to_thread.run_sync(thread.join)
