"""`MessageBusConformance`: every clause of a message bus."""

from __future__ import annotations

from llmgine_conformance.bus.bounds import BoundClauses
from llmgine_conformance.bus.closing import ClosingClauses
from llmgine_conformance.bus.commands import CommandClauses
from llmgine_conformance.bus.context import ContextClauses
from llmgine_conformance.bus.events import EventClauses
from llmgine_conformance.bus.failures import FailureClauses
from llmgine_conformance.bus.order import OrderClauses
from llmgine_conformance.bus.ownership import OwnershipClauses
from llmgine_conformance.bus.reentrancy import ReentrancyClauses
from llmgine_conformance.bus.sessions import SessionClauses
from llmgine_conformance.bus.stop import StopClauses
from llmgine_conformance.bus.streams import StreamClauses
from llmgine_conformance.bus.watching import WatchingClauses

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
