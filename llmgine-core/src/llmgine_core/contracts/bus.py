"""What a bus tells of itself: counts, reports and health."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

import attrs

from llmgine_core.contracts.message import Event
from llmgine_core.contracts.outcomes import ErrorInfo

__all__ = [
    "BusStats",
    "DeadLetter",
    "DeliveryStats",
    "Durability",
    "Health",
    "Overflow",
    "StopReport",
    "TransportCapabilities",
]

Durability = Literal["memory", "process_crash", "fsync", "replicated"]
"""What an accepted event survives: nothing but the process's own life, its crash, the machine's, the loss of one of
several machines."""

Overflow = Literal["wait", "drop_oldest", "drop_newest", "raise"]
"""What becomes of an event for which there is no room: the publisher waits, an older or this delivery is dropped, or
`QueueFullError` is raised and no subscription gets the event."""


@attrs.frozen(kw_only=True)
class DeliveryStats:
    """The books of one subscription, or of all: `deliveries` is the sum of the other counts at every moment.

    Attributes:
        deliveries: accepted events that were owed to the subscription.
        delivered: those that its handler took.
        failed: those on which its handler failed, after its retries.
        dropped: those given up because a queue was full.
        expired: those whose time to live passed first.
        discarded: those whose subscription, session or bus ended first.
        pending: those waiting or being handled.
    """

    deliveries: int = 0
    delivered: int = 0
    failed: int = 0
    dropped: int = 0
    expired: int = 0
    discarded: int = 0
    pending: int = 0


@attrs.frozen(kw_only=True)
class BusStats:
    """The books of a bus. Calls of `publish` = `accepted` + `refused`.

    Attributes:
        accepted: events taken.
        refused: events turned away with an error.
        emitted: events beside those: what the bus itself and telemetry tell.
        received: events taken from other buses, over the transport.
        deduplicated: events that the transport brought again, and which were let go.
        unmatched: events, accepted, emitted or received, that no subscription matched.
        executed: commands handed to a handler.
        total: deliveries of all subscriptions, living and gone.
        subscriptions: deliveries by subscription name.
        sessions: sessions open now.
        abandoned_threads: worker threads that still run although their handler was given up.
        dead_letters: failed deliveries that are kept for `redeliver`.
        dead_letters_forgotten: those that were let go because more came after them.
        stalls: how often a handler was seen to block the event loop.
    """

    accepted: int = 0
    refused: int = 0
    emitted: int = 0
    received: int = 0
    deduplicated: int = 0
    unmatched: int = 0
    executed: int = 0
    total: DeliveryStats = attrs.field(factory=DeliveryStats)
    subscriptions: Mapping[str, DeliveryStats] = attrs.field(factory=dict[str, DeliveryStats])
    sessions: int = 0
    abandoned_threads: int = 0
    dead_letters: int = 0
    dead_letters_forgotten: int = 0
    stalls: int = 0


@attrs.frozen(kw_only=True)
class DeadLetter:
    """A delivery on which a handler failed, after all its attempts.

    Attributes:
        id: what `redeliver` takes.
        event: what was to be delivered.
        subscription: to whom, as `stats()` names it.
        attempts: how often it was tried.
        error: what the last attempt raised.
        failed_at: when (aware, UTC).
    """

    id: str
    event: Event
    subscription: str
    attempts: int
    error: ErrorInfo
    failed_at: datetime


@attrs.frozen(kw_only=True)
class TransportCapabilities:
    """What a transport can do.

    Attributes:
        durability: what an event survives once `publish` has returned.
        cross_process: whether messages reach other buses.
        replay: whether events can be read again from the past.
        backends: the event loops that it runs on.
    """

    durability: Durability = "memory"
    cross_process: bool = False
    replay: bool = False
    backends: frozenset[str] = frozenset({"asyncio", "trio"})


@attrs.frozen(kw_only=True)
class StopReport:
    """What a stopping bus had to leave.

    Attributes:
        left: deliveries that were waiting or running at the deadline.
        discarded: deliveries that were given up, from the call of `stop` on.
        cancelled: handlers, commands, streams and tasks that were cancelled.
    """

    left: int = 0
    discarded: int = 0
    cancelled: int = 0


@attrs.frozen(kw_only=True)
class Health:
    """How an application is.

    Attributes:
        ok: whether every check passed.
        checks: by name, what each check says; JSON data with at least the key `ok`.
    """

    ok: bool
    checks: Mapping[str, Mapping[str, Any]] = attrs.field(factory=dict[str, Mapping[str, Any]])
