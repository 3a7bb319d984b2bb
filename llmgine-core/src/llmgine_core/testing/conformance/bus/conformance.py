"""`MessageBusConformance`: every clause of a message bus."""

from __future__ import annotations

from llmgine_core.testing.conformance.bus.bounds import BoundClauses
from llmgine_core.testing.conformance.bus.closing import ClosingClauses
from llmgine_core.testing.conformance.bus.commands import CommandClauses
from llmgine_core.testing.conformance.bus.context import ContextClauses
from llmgine_core.testing.conformance.bus.events import EventClauses
from llmgine_core.testing.conformance.bus.failures import FailureClauses
from llmgine_core.testing.conformance.bus.order import OrderClauses
from llmgine_core.testing.conformance.bus.ownership import OwnershipClauses
from llmgine_core.testing.conformance.bus.reentrancy import ReentrancyClauses
from llmgine_core.testing.conformance.bus.sessions import SessionClauses
from llmgine_core.testing.conformance.bus.stop import StopClauses
from llmgine_core.testing.conformance.bus.streams import StreamClauses
from llmgine_core.testing.conformance.bus.watching import WatchingClauses

__all__ = ["MessageBusConformance"]


class MessageBusConformance(
    CommandClauses,
    StreamClauses,
    EventClauses,
    OrderClauses,
    BoundClauses,
    FailureClauses,
    ReentrancyClauses,
    SessionClauses,
    ClosingClauses,
    OwnershipClauses,
    StopClauses,
    ContextClauses,
    WatchingClauses,
):
    """Proves a message bus, clause by clause.

    Subclass it in a test module and give it a fixture `make`: what makes a bus, not started, of the options that it is
    called with (`capacity` and `overflow`), and another one at each call. Say with `capabilities` what the bus cannot
    do.
    """
