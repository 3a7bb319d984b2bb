"""Our own buses pass the public kit."""

from collections.abc import Callable
from typing import Any

import pytest

from llmgine_core import MessageBus
from llmgine_core.testing import LoopbackTransport, MessageBusConformance


class TestMemory(MessageBusConformance):
    """The bus in memory."""

    @pytest.fixture
    def make(self) -> type[MessageBus]:
        return MessageBus


class TestLoopbackBus(MessageBusConformance):
    """The core's bus, with its messages over a transport."""

    @pytest.fixture
    def make(self) -> Callable[..., MessageBus]:
        def over_a_hub(**options: Any) -> MessageBus:
            return MessageBus(transport=LoopbackTransport().connect(), **options)

        return over_a_hub
