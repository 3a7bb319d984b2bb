"""What tests of applications and plugins need.

An application with exactly the plugins that a test names, a scripted model, a handler that remembers, a transport with
faults, conformance kits.
"""

import sys
from typing import TYPE_CHECKING, Any

from llmgine_core.testing.application import application, plugin
from llmgine_core.testing.models import Answer, ScriptedModel
from llmgine_core.testing.recording import RecordingEventHandler
from llmgine_core.testing.transports import LoopbackTransport

if TYPE_CHECKING:
    from llmgine_core.testing.conformance import BusCapabilities, Clause, MessageBusConformance

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
        """Load the kits when they are first asked for: they need pytest, which a scripted model does not."""
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        if (kits := f"{__name__}.conformance") not in sys.modules:
            import pytest

            pytest.register_assert_rewrite(kits)  # so that a clause that fails shows the values
        from llmgine_core.testing import conformance

        return getattr(conformance, name)
