"""blinker: signals that call their receivers before `send` returns."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

from benchmarks.adapter import Adapter, Channel, Handler, Visit
from benchmarks.limits import Plain

__all__ = ["PEER"]

blinker: Any = importlib.import_module("blinker")


def ignore(_event: Plain) -> None:
    """A receiver that does nothing."""


class Blinker(Adapter):
    """A signal whose sender is the event itself."""

    name = "blinker"
    distribution = "blinker"
    module = "blinker"
    delivers_inline = True

    @asynccontextmanager
    async def channel(self, handlers: Sequence[Handler]) -> AsyncGenerator[Channel]:
        """A signal with these receivers."""
        signal = blinker.Signal()
        for handler in handlers:
            signal.connect(handler, weak=False)

        async def send(event: Plain) -> None:
            signal.send(event)

        yield Channel(signal.send_async if inspect.iscoroutinefunction(handlers[0]) else send, Plain)

    @asynccontextmanager
    async def churn(self, live: int) -> AsyncGenerator[Visit]:
        """Receivers that connect and disconnect, beside others that stay."""
        signal = blinker.Signal()
        for _ in range(live):
            signal.connect(partial(ignore), weak=False)

        async def visit(_number: int) -> None:
            signal.connect(ignore)
            signal.disconnect(ignore)

        yield visit


PEER = Blinker()
