"""The kit of message buses."""

from llmgine_core.testing.conformance.bus.conformance import MessageBusConformance
from llmgine_core.testing.conformance.bus.kit import BusCapabilities

__all__ = ["BusCapabilities", "MessageBusConformance"]
