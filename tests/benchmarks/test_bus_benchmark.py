"""The benchmark of the bus measures what it promises, holds it to the goals, and says clearly what it does not know."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from benchmarks import loops, memory
from benchmarks.adapter import Adapter, Channel, Handler, NotOfferedError
from benchmarks.limits import LIMIT, Plain
from benchmarks.loops import Round, Size, Subject
from benchmarks.measures import Measure
from benchmarks.peers.registry import PEERS
from benchmarks.running import Row, missed, run

ROOT = Path(__file__).parents[2]
TINY = ("--repeat", "1", "--operations", "100", "--live", "20")
NAMES = [
    *("execute", "in-flight", "publish", "fan-out", "fan-out-sync", "latency-p50", "latency-p99"),
    *("observed", "tap-0", "tap-1", "tap-3"),
    *("session", "session-bare", "session-used"),
    *("crowd-session", "crowd-session-bare", "crowd-session-used"),
    *("crowd-execute", "crowd-publish", "crowd-publish-session", "crowd-expect", "crowd-stop"),
    *("bytes", "bytes-lane", "neighbour", "neighbour-session", "order"),
    *("import", "import-bus", "requirements", "disk"),
]
COUNTS_AND_BYTES = {"bytes", "bytes-lane", "neighbour", "neighbour-session", "order", "requirements", "disk"}


def benchmark(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "error", "benchmarks/bus.py", *TINY, *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=170, check=False)


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What a whole run writes."""
    file = tmp_path_factory.mktemp("benchmark") / "figures.json"
    done = benchmark("--json", file)
    assert done.returncode == 0, done.stderr
    read: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return read


def test_every_measure_has_a_row(document: dict[str, Any]) -> None:
    assert [row["name"] for row in document["rows"]] == NAMES


def test_every_figure_was_taken(document: dict[str, Any]) -> None:
    """Nothing is missing, and only the count of events out of order is 0."""
    rows = document["rows"]
    assert [row["note"] for row in rows if row["note"]] == []
    assert [row["name"] for row in rows if not row["value"] > 0] == ["order"]


def test_times_have_a_positive_ratio_to_a_limit(document: dict[str, Any]) -> None:
    times = [row for row in document["rows"] if row["bound"] == "ratio"]
    assert {row["name"] for row in times} == set(NAMES) - COUNTS_AND_BYTES
    assert all(row["limit"] > 0 and row["ratio"] == pytest.approx(row["value"] / row["limit"]) for row in times)


def test_every_measure_but_the_taps_has_a_goal(document: dict[str, Any]) -> None:
    without = [row["name"] for row in document["rows"] if row["must"] is None]
    assert without == ["tap-0", "tap-1", "tap-3"]


def test_no_event_is_seen_out_of_order(document: dict[str, Any]) -> None:
    assert [row["value"] for row in document["rows"] if row["name"] == "order"] == [0]


def test_the_gate_opens_when_all_goals_are_met() -> None:
    done = benchmark("--gate", "--only", "execute", "publish", "--must", "execute=1e9", "publish=1e9")
    assert done.returncode == 0, done.stderr
    assert "missed" not in done.stderr


def test_the_gate_closes_on_a_missed_goal_and_names_it() -> None:
    done = benchmark("--gate", "--only", "execute", "publish", "--must", "execute=0.001", "publish=1e9")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == "missed: execute"
    assert "MISSED" in done.stdout


def test_without_the_gate_a_missed_goal_is_only_shown() -> None:
    done = benchmark("--only", "execute", "--must", "execute=0.001")
    assert done.returncode == 0
    assert "MISSED" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--only", "exceute"), "no measure is called 'exceute'; did you mean execute or crowd-execute?"),
        (("--only", "zzz"), f"no measure is called 'zzz'; there are {', '.join(NAMES)}"),
        (("--profile", "publsh"), "no measure is called 'publsh'; did you mean publish"),
        (("--must", "fan-ot=3"), "no measure is called 'fan-ot'; did you mean fan-out"),
        (("--must", "execute"), "'execute' is not NAME=FIGURE: there is no '='"),
        (("--must", "execute=fast"), "'execute=fast' is not NAME=FIGURE: 'fast' is no number"),
        (("--repeat", "0"), "0 is less than 1"),
    ],
)
def test_what_it_does_not_know_is_an_error_that_helps(arguments: tuple[str, ...], says: str) -> None:
    done = benchmark(*arguments)
    assert done.returncode == 2
    assert says in done.stderr


def test_only_what_is_named_is_measured() -> None:
    done = benchmark("--only", "publish", "requirements")
    shown = done.stdout.splitlines()[4:]
    assert [line.split()[0] for line in shown] == ["publish", "requirements"]


def test_the_profile_names_functions_of_the_bus() -> None:
    done = benchmark("--profile", "execute")
    assert done.returncode == 0, done.stderr
    assert "tottime" in done.stdout
    assert "(execute)" in done.stdout


def test_each_peer_is_measured_or_the_reason_is_given(tmp_path: Path) -> None:
    done = benchmark("--peers", "--only", "requirements", "--json", tmp_path / "figures.json")
    assert done.returncode == 0, done.stderr
    peers = json.loads((tmp_path / "figures.json").read_text(encoding="utf-8"))["peers"]
    assert len(peers["measured"]) + len(peers["absent"]) == len(PEERS)
    assert all(reason in done.stdout for reason in peers["absent"].values())


# what a row says


def fixed(*figures: float, log: list[str] | None = None, name: str = "") -> Subject:
    """A subject whose rounds give these figures, in turn."""

    @asynccontextmanager
    async def opening(_: Adapter, __: Size) -> AsyncGenerator[Round]:
        left = list(figures)

        async def once() -> float:
            if log is not None:
                log.append(name)
            return left.pop(0)

        yield once

    return opening


@pytest.mark.parametrize(
    ("figure", "verdict"), [(1.0, "aim"), (2.0, "aim"), (2.5, "must"), (3.0, "must"), (3.1, "missed")]
)
def test_a_goal_includes_its_own_figure(figure: float, verdict: str) -> None:
    measure = Measure(name="m", title="m", subject=fixed(figure), must=3, aim=2, bound="value")
    assert run(measure, LIMIT, Size(), 1).verdict == verdict


def test_a_ratio_is_held_against_the_limit_of_the_same_run() -> None:
    measure = Measure(name="m", title="m", subject=fixed(6.0), limit=fixed(2.0), must=3)
    row = run(measure, LIMIT, Size(), 1)
    assert (row.ratio, row.verdict) == (3.0, "must")


def test_limit_and_bus_take_turns() -> None:
    log: list[str] = []
    limit, bus = fixed(1, 1, log=log, name="limit"), fixed(1, 1, log=log, name="bus")
    run(Measure(name="m", title="m", subject=bus, limit=limit), LIMIT, Size(), 2)
    assert log == ["limit", "bus", "limit", "bus"]


def test_the_best_round_counts_and_of_faults_the_worst() -> None:
    best = Measure(name="m", title="m", subject=fixed(3, 1, 2))
    worst = Measure(name="m", title="m", subject=fixed(3, 4, 2), keep="worst")
    assert (run(best, LIMIT, Size(), 3).value, run(worst, LIMIT, Size(), 3).value) == (1, 4)


def test_a_measure_limits_its_rounds() -> None:
    measure = Measure(name="m", title="m", subject=fixed(1, 2), keep="worst", rounds=1)
    assert run(measure, LIMIT, Size(), 2).value == 1


def test_a_figure_that_could_not_be_taken_has_missed() -> None:
    """A bus cannot pass by not offering what is measured."""
    measure = Measure(name="execute", title="execute", subject=loops.execute, must=3.5)
    row = run(measure, Adapter(), Size(), 1)
    assert row.note == " has no commands"
    assert missed([row]) == [row]


def test_a_figure_without_a_goal_never_misses() -> None:
    assert missed([Row(measure=Measure(name="m", title="m", subject=fixed(1)))]) == []


# what is measured is what is claimed


class Losing(Adapter):
    """A bus that loses every event."""

    @asynccontextmanager
    async def channel(self, handlers: Sequence[Handler]) -> AsyncGenerator[Channel]:
        async def publish(event: Any) -> None:
            await asyncio.sleep(0)

        yield Channel(publish, Plain)


class Inline(Adapter):
    """A bus that delivers in `publish` without saying so."""

    @asynccontextmanager
    async def channel(self, handlers: Sequence[Handler]) -> AsyncGenerator[Channel]:
        async def publish(event: Any) -> None:
            tasks.append(asyncio.create_task(handlers[0](event)))
            await asyncio.sleep(0)

        tasks: list[asyncio.Task[None]] = []
        yield Channel(publish, Plain)
        await asyncio.gather(*tasks)


def test_an_event_that_is_lost_is_not_a_fast_event() -> None:
    measure = Measure(name="publish", title="publish", subject=loops.publish)
    with pytest.raises(TimeoutError):
        run(measure, Losing(), Size(operations=100), 1, deadline=0.05)


@pytest.mark.parametrize("subject", [memory.bytes_before_delivery, memory.bytes_behind_handler])
def test_bytes_are_those_of_events_still_queued(subject: Subject) -> None:
    row = run(Measure(name="bytes", title="bytes", subject=subject), Inline(), Size(operations=3), 1)
    assert (row.value, row.note) == (None, "3 events were delivered instead of queued")


@pytest.mark.parametrize("asynchronous", [True, False])
def test_the_limit_shows_every_event_to_every_handler_in_order(asynchronous: bool) -> None:
    """Else it would be no limit."""
    seen: list[tuple[str, int]] = []

    def handler(name: str) -> Handler:
        def note(event: Plain) -> None:
            seen.append((name, event.number))

        async def accept(event: Plain) -> None:
            note(event)

        return accept if asynchronous else note

    async def story() -> None:
        async with LIMIT.channel([handler("a"), handler("b")]) as channel:
            for number in range(3):
                await channel.publish(channel.event(number))
            await asyncio.sleep(0)

    asyncio.run(story())
    assert seen == [(name, number) for number in range(3) for name in "ab"]


def test_what_a_bus_does_not_offer_says_so() -> None:
    with pytest.raises(NotOfferedError, match="keeps its handlers for good"):
        Adapter().churn(0)
