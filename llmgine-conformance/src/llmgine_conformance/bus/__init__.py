"""The kit of message buses."""

from llmgine_conformance.bus.conformance import MessageBusConformance
from llmgine_conformance.bus.kit import BusCapabilities

__all__ = ["BusCapabilities", "MessageBusConformance"]
