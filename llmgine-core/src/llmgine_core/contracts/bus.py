"""What a bus tells of itself: counts, reports and health."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

__all__ = ["BusStats", "DeliveryStats", "Health", "StopReport"]


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
        unmatched: accepted events that no subscription matched.
        executed: commands handed to a handler.
        total: deliveries of all subscriptions, living and gone.
        subscriptions: deliveries by subscription name.
        sessions: sessions open now.
        abandoned_threads: worker threads that still run although their handler was given up.
    """

    accepted: int = 0
    refused: int = 0
    unmatched: int = 0
    executed: int = 0
    total: DeliveryStats = attrs.field(factory=DeliveryStats)
    subscriptions: Mapping[str, DeliveryStats] = attrs.field(factory=dict[str, DeliveryStats])
    sessions: int = 0
    abandoned_threads: int = 0


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
