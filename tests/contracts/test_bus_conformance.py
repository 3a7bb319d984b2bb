"""Our own buses pass the public kit."""

import pytest

from llmgine_core import MessageBus
from llmgine_core.testing import MessageBusConformance


class TestMemory(MessageBusConformance):
    """The bus in memory."""

    @pytest.fixture
    def make(self) -> type[MessageBus]:
        return MessageBus
