"""Conformance kits: what everything that takes a place in llmgine must hold, clause by clause, as pytest classes."""

from llmgine_conformance.bus import BusCapabilities, MessageBusConformance
from llmgine_conformance.clause import Clause, Conformance, clause

__all__ = ["BusCapabilities", "Clause", "Conformance", "MessageBusConformance", "clause"]
