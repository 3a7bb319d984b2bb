"""What tests of applications and plugins need.

An application with exactly the plugins that a test names, a scripted model, a handler that remembers, a transport with
faults, conformance kits.
"""

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

from llmgine_core.testing.application import application, plugin
from llmgine_core.testing.models import Answer, ScriptedModel
from llmgine_core.testing.recording import RecordingEventHandler
from llmgine_core.testing.transports import LoopbackTransport

if TYPE_CHECKING:
    from llmgine_conformance import BusCapabilities, Clause, MessageBusConformance

__all__ = [
    "Answer",
    "BusCapabilities",
    "Clause",
    "LoopbackTransport",
    "MessageBusConformance",
    "RecordingEventHandler",
    "ScriptedModel",
    "application",
    "plugin",
]


if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        """Load the kits when they are first asked for: their package needs pytest, which a scripted model does not."""
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(_kits(), name)

    def _kits() -> ModuleType:
        name = "llmgine_conformance"
        try:
            if name not in sys.modules:
                import_module("pytest").register_assert_rewrite(name)  # so that a clause that fails shows the values
            return import_module(name)
        except ModuleNotFoundError as error:
            cure = "install what tests need: pip install 'llmgine-core[testing]'"
            raise ImportError(f"conformance kits need {error.name}, which is not installed; {cure}") from error
