"""The header: ids, timestamps, what is filled in and from where."""

# Handlers are lambdas here, and a test may look inside.
# pyright: reportUnknownArgumentType=false, reportUnknownMemberType=false, reportUnknownVariableType=false

import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest

from llmgine_core import Event, Header, current_message, handling
from llmgine_core.contracts import lifecycle_header
from llmgine_core.contracts.header import complete_header, derived_header, session_header
from tests.core.messages import Ask, Said


def test_an_id_is_128_bits_of_time_and_chance_and_never_changes() -> None:
    event = Said()
    assert event.id == event.id
    assert len(event.id) == 32
    value = int(event.id, 16)
    assert (value >> 76) & 0xF == 7
    assert (value >> 62) & 0b11 == 2
    assert abs((value >> 80) / 1000 - time.time()) < 60


def test_ids_are_ordered_by_time_of_creation_however_late_they_are_read() -> None:
    events = []
    for _ in range(5):
        events.append(Said())
        before = time.time_ns()
        while time.time_ns() < before + 1_000:  # ids tell moments of 1/4096 ms apart
            pass
    ids = [e.id for e in reversed(events)]
    assert [i[:15] for i in ids] == sorted((i[:15] for i in ids), reverse=True)


def test_threads_that_read_an_id_at_once_see_the_same() -> None:
    event, ids = Said(), set[str]()
    barrier = threading.Barrier(8)

    def read() -> None:
        barrier.wait(5)
        ids.add(event.id)

    threads = [threading.Thread(target=read) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(5)
    assert len(ids) == 1


def test_a_message_is_stamped_even_if_the_init_of_its_class_never_calls_ours() -> None:
    class Written(Said):
        def __init__(self, *args: object) -> None:
            pass

    class Calling(Said):
        def __init__(self, *args: object) -> None:
            super().__init__(session_id="s")

    class Below(Calling):
        def __init__(self) -> None:
            super().__init__("what is said here")

    before, event, after = Event(), Written("anything"), Event()
    assert before.timestamp <= event.timestamp <= after.timestamp
    assert (event.id, event.session_id, event.metadata) == (event.id, None, {})
    assert Below().session_id == "s"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_forked_process_mints_ids_even_if_a_thread_of_its_parent_was_minting_one() -> None:
    """Of the parent's threads only the one that forks goes along: what others hold is held for ever."""
    program = """
import os, threading
from llmgine_core import Event
from llmgine_core.contracts import header
held, forked = threading.Event(), threading.Event()
def hold():
    with header._mint_lock:
        held.set()
        forked.wait()
threading.Thread(target=hold).start()
held.wait()
if not (child := os.fork()):
    os._exit(len(Event().id))
forked.set()
os._exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    command = [sys.executable, "-W", "ignore", "-c", program]
    process = subprocess.Popen(command, start_new_session=True)
    try:
        assert process.wait(20) == 32
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def test_a_message_from_before_1970_has_an_id_like_any_other() -> None:
    event = Said(timestamp=datetime(1960, 5, 6, tzinfo=UTC))
    assert len(event.id) == 32
    assert event.id.isalnum()
    assert event.timestamp.year == 1960


def test_the_timestamp_is_aware_and_in_utc_and_the_one_given() -> None:
    assert abs(Said().timestamp - datetime.now(UTC)) < timedelta(minutes=1)
    given = datetime(2024, 5, 6, 7, 8, 9, 123456, tzinfo=UTC)
    assert Said(timestamp=given).timestamp == given
    assert Said(timestamp=given).id[:12] == f"{int(given.timestamp() * 1000):012x}"


@pytest.mark.parametrize("name", ["timestamp", "deadline"])
def test_a_time_without_a_time_zone_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name} .* has no time zone"):
        Said(**{name: datetime(2024, 1, 1)})  # type: ignore[arg-type]  # noqa: DTZ001


def test_the_header_is_no_part_of_equality_and_names_that_are_not_its_are_refused() -> None:
    assert Said("x", session_id="a") == Said("x", session_id="b")
    with pytest.raises(TypeError, match="unexpected keyword argument 'sesion_id'; beside its fields"):
        Said("x", sesion_id="a")  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="positional arguments"):
        Said("x", 1, "y")  # type: ignore[call-arg]


def test_what_is_left_empty_is_filled_once_from_the_session_used_else_from_the_cause() -> None:
    cause = Ask(session_id="cause's", traceparent="t", tracestate="s", deadline=datetime.now(UTC))
    event = Said()
    complete_header(event, session_header(None), derived_header(cause))
    assert (event.session_id, event.causation_id, event.correlation_id) == ("cause's", cause.id, cause.id)
    assert (event.traceparent, event.tracestate, event.deadline) == ("t", "s", None)
    complete_header(event, session_header("another"), None)
    assert event.session_id == "cause's"
    used = Said(correlation_id="mine")
    complete_header(used, session_header("used"), derived_header(cause))
    assert (used.session_id, used.correlation_id) == ("used", "mine")
    alone = Said()
    complete_header(alone, session_header(None), None)
    assert (alone.session_id, alone.causation_id, alone.correlation_id) == (None, None, alone.id)


def test_a_lifecycle_event_stands_where_its_message_stands_and_a_derived_one_below_it() -> None:
    command = Ask(causation_id="cause", session_id="s")
    assert lifecycle_header(command) == Header(session_id="s", causation_id="cause", correlation_id=command.id)
    assert derived_header(command) == Header(session_id="s", causation_id=command.id, correlation_id=command.id)


def test_handling_names_the_message_inside_the_block_only() -> None:
    outer, inner = Ask(), Ask()
    with handling(outer):
        with handling(inner):
            assert current_message() is inner
        assert current_message() is outer
    assert current_message() is None
