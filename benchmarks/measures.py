"""The table: every measure, what it is held against, and what llmgine must and aims to reach."""

from __future__ import annotations

from typing import Final, Literal

import attrs

from benchmarks import footprint, isolation, loops, memory, observed, sessions
from benchmarks.adapter import Adapter
from benchmarks.limits import LIMIT
from benchmarks.loops import Opening, Size, Subject

__all__ = ["MEASURES", "Measure", "Unit"]

Unit = Literal["µs", "ms", "bytes", "MB", ""]

DEQUE_EVENT: Final = 0.62
"""µs of the limit `publish` where the goals were set; turns a goal in µs into a ratio that holds on other machines."""
LATENCY: Final = 5.0
"""µs of the limit's median latency there."""
ASYNCIO_IMPORT: Final = 40.0
"""ms of CPU of `import asyncio` there; does the same for the import."""


@attrs.frozen(kw_only=True)
class Measure:
    """One line of the table.

    Attributes:
        name: what `--only` takes.
        title: what a reader sees.
        subject: opens what is measured, for a given bus.
        limit: opens what it is held against, for the same bus; None where the figure stands for itself.
        must: the most that passes; None: reported only.
        aim: what it should come to.
        unit: of the figures in the table; inside, times are seconds.
        bound: whether `must` and `aim` bound the ratio to the limit or the value itself.
        peers: whether other buses are measured too.
        rounds: most rounds, where a round is long or always gives the same.
        keep: which round's figure counts: the best, since a busy machine only ever adds; the worst, of faults.
    """

    name: str
    title: str
    subject: Subject
    limit: Subject | None = None
    must: float | None = None
    aim: float | None = None
    unit: Unit = "µs"
    bound: Literal["ratio", "value"] = "ratio"
    peers: bool = False
    rounds: int | None = None
    keep: Literal["best", "worst"] = "best"


def limit(subject: Subject) -> Subject:
    """The same loop on the limit instead of on a bus."""

    def opening(_: Adapter, size: Size) -> Opening:
        return subject(LIMIT, size)

    return opening


def against_limit(name: str, title: str, subject: Subject, *, must: float, aim: float | None = None) -> Measure:
    """What the limits do too, by the same loop."""
    return Measure(name=name, title=title, subject=subject, limit=limit(subject), must=must, aim=aim, peers=True)


def against_event(
    name: str, title: str, subject: Subject, *, must: float | None = None, aim: float | None = None, peers: bool = False
) -> Measure:
    """What no limit does; held against the limit of one event. The goals are µs and become ratios here."""
    return Measure(
        name=name,
        title=title,
        subject=subject,
        limit=limit(loops.publish),
        must=None if must is None else must / DEQUE_EVENT,
        aim=None if aim is None else aim / DEQUE_EVENT,
        peers=peers,
    )


def against_empty(name: str, title: str, crowdable: sessions.Crowdable, *, peers: bool = False) -> Measure:
    """The same beside many open sessions and beside none; the ratio says whether it grows with them."""
    beside, alone = sessions.beside_many(crowdable), sessions.alone(crowdable)
    return Measure(name=name, title=title, subject=beside, limit=alone, must=1.2, aim=1.05, peers=peers, rounds=10)


MEASURES: Final = (
    against_limit("execute", "execute", loops.execute, must=3.5, aim=2.5),
    against_limit("in-flight", "1,000 executes in flight", loops.in_flight, must=1.3, aim=1.2),
    against_limit("publish", "publish → 1 async handler", loops.publish, must=3.3, aim=2.5),
    against_limit("fan-out", "publish → 10 async handlers", loops.fan_out, must=3.3, aim=2.5),
    against_limit("fan-out-sync", "publish → 10 sync handlers", loops.fan_out_sync, must=4.0, aim=2.5),
    against_limit("latency-p50", "publish → handler, median", loops.latency(0.5), must=2.5, aim=10 / LATENCY),
    # No aim here: that of 50 µs is a busy machine's, and less than the must on a quiet one.
    against_limit("latency-p99", "publish → handler, 99th percentile", loops.latency(0.99), must=2.5),
    Measure(
        name="observed",
        title="execute with started and result events to a handler",
        subject=observed.execute_observed,
        limit=limit(loops.execute),
        must=20,
        aim=8,
    ),
    against_event("tap-0", "publish, no observability handler", observed.publish_tapped(0)),
    against_event("tap-1", "publish, one observability handler", observed.publish_tapped(1)),
    against_event("tap-3", "publish, three observability handlers", observed.publish_tapped(3)),
    against_event("session", "session, one handler", sessions.alone(sessions.churn), must=5, aim=3, peers=True),
    against_event("session-bare", "session, nobody subscribed", sessions.alone(sessions.bare), must=3),
    against_event("session-used", "session, a handler that gets an event", sessions.alone(sessions.used), must=80),
    against_empty("crowd-session", "session, one handler, beside many", sessions.churn, peers=True),
    against_empty("crowd-session-bare", "session, nobody subscribed, beside many", sessions.bare),
    against_empty("crowd-session-used", "session, a handler that gets an event, beside many", sessions.used),
    against_empty("crowd-execute", "execute beside many sessions", sessions.executing),
    against_empty("crowd-publish", "publish beside many sessions", sessions.publishing),
    against_empty("crowd-publish-session", "publish in one of many sessions", sessions.publishing_in_session),
    against_empty("crowd-expect", "expected event in one of many sessions that expect one", sessions.expecting),
    Measure(
        name="crowd-stop",
        title="stop of many sessions, each (a tenth of many; a hundredth)",
        subject=sessions.stopping(10),
        limit=sessions.stopping(100),
        must=1.2,
        aim=1.05,
        rounds=3,
    ),
    Measure(
        name="bytes",
        title="bytes of a queued event",
        subject=memory.bytes_before_delivery,
        limit=limit(memory.bytes_before_delivery),
        must=200,
        aim=150,
        unit="bytes",
        bound="value",
        peers=True,
        rounds=3,
    ),
    Measure(
        name="bytes-lane",
        title="bytes of an event behind a busy handler",
        subject=memory.bytes_behind_handler,
        limit=limit(memory.bytes_behind_handler),
        must=200,
        aim=150,
        unit="bytes",
        bound="value",
        peers=True,
        rounds=3,
    ),
    Measure(
        name="neighbour",
        title="50 events to a fast handler beside a slow one",
        subject=isolation.neighbours,
        must=0.005,
        aim=0.001,
        unit="ms",
        bound="value",
        peers=True,
        rounds=5,
    ),
    Measure(
        name="neighbour-session",
        title="50 events to a fast handler beside a slow session",
        subject=isolation.sessions_apart,
        must=0.005,
        aim=0.001,
        unit="ms",
        bound="value",
        rounds=5,
    ),
    Measure(
        name="order",
        title="events out of order beside a slow handler",
        subject=isolation.order,
        must=0,
        aim=0,
        unit="",
        bound="value",
        peers=True,
        rounds=5,
        keep="worst",
    ),
    Measure(
        name="import",
        title="import, CPU",
        subject=footprint.import_of_module,
        limit=footprint.import_of_asyncio,
        must=115 / ASYNCIO_IMPORT,
        aim=80 / ASYNCIO_IMPORT,
        unit="ms",
        peers=True,
        rounds=10,
    ),
    Measure(
        name="import-bus",
        title="import of command, event and bus, CPU",
        subject=footprint.import_of_bus,
        limit=footprint.import_of_asyncio,
        must=115 / ASYNCIO_IMPORT,
        aim=80 / ASYNCIO_IMPORT,
        unit="ms",
        peers=True,
        rounds=10,
    ),
    Measure(
        name="requirements",
        title="distributions required",
        subject=footprint.requirements,
        must=6,
        aim=5,
        unit="",
        bound="value",
        peers=True,
        rounds=1,
    ),
    Measure(
        name="disk",
        title="installed, with what is required",
        subject=footprint.megabytes,
        must=2.5,
        aim=2.0,
        unit="MB",
        bound="value",
        peers=True,
        rounds=1,
    ),
)
