"""Worker threads, and those that are left behind."""

import threading

import anyio
import pytest

from llmgine_tools import ToolSettings
from llmgine_tools._threads import Threads


async def test_a_thread_left_behind_gives_back_its_place_and_is_counted_until_it_ends() -> None:
    threads = Threads(ToolSettings(max_threads=1))
    released = threading.Event()

    def slow() -> None:
        released.wait(10)

    try:
        assert (await threads.attempt(slow, timeout=0.01)).timed_out
        assert threads.abandoned == 1
        with anyio.fail_after(5):
            assert (await threads.attempt(lambda: "next", timeout=None)).value == ("next",)
    finally:
        released.set()
    with anyio.fail_after(5):
        while threads.abandoned:  # noqa: ASYNC110 - the thread tells nobody that it has ended
            await anyio.sleep(0.001)
    assert threads.abandoned == 0


async def test_a_function_whose_caller_left_before_it_began_is_not_called() -> None:
    threads = Threads(ToolSettings())
    called = False

    def function() -> None:
        nonlocal called
        called = True

    with anyio.CancelScope() as scope:
        scope.cancel()
        await threads.attempt(function, timeout=None)
    assert not called
    assert threads.abandoned == 0


async def test_many_are_refused_only_when_too_many_are_left_behind() -> None:
    threads = Threads(ToolSettings(max_abandoned=1))
    assert not threads.exhausted
    threads.abandoned = 1
    assert threads.exhausted


async def test_what_a_function_raises_is_kept() -> None:
    def function() -> None:
        raise SystemExit(3)

    made = await Threads(ToolSettings()).attempt(function, timeout=None)
    assert isinstance(made.error, SystemExit)
    with pytest.raises(SystemExit):
        raise made.error
