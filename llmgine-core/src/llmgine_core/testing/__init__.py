"""What tests of applications and plugins need: a scripted model, a handler that remembers, a transport with faults.

For an application with exactly the plugins that a test names, give `ApplicationBootstrap` the argument
`discover=False`.
"""

from llmgine_core.testing.models import Answer, ScriptedModel
from llmgine_core.testing.recording import RecordingEventHandler
from llmgine_core.testing.transports import LoopbackTransport

__all__ = ["Answer", "LoopbackTransport", "RecordingEventHandler", "ScriptedModel"]
