"""autogen-core: agents behind a runtime in one process."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from benchmarks.adapter import Adapter, Calls, Channel, Handler, NotOfferedError, Visit
from benchmarks.handlers import Answerer

__all__ = ["PEER"]

autogen: Any = importlib.import_module("autogen_core")


@dataclass
class Ask:
    """A message to one agent."""

    number: int


@dataclass
class Said:
    """A message to all agents of a topic."""

    number: int


class Autogen(Adapter):
    """`autogen_core.SingleThreadedAgentRuntime`; a handler is an agent of one function."""

    name = "autogen-core"
    distribution = "autogen-core"
    module = "autogen_core"

    @asynccontextmanager
    async def calls(self) -> AsyncGenerator[Calls]:
        """A runtime with an agent that answers."""
        answerer, recipient = Answerer(), autogen.AgentId("answerer", "default")

        async def answer(_agent: Any, message: Ask, _context: Any) -> int:
            return await answerer.answer(message)

        async with running() as runtime:
            await autogen.ClosureAgent.register_closure(runtime, "answerer", answer)

            async def execute(message: Ask) -> object:
                return await runtime.send_message(message, recipient)

            yield Calls(execute, Ask)

    @asynccontextmanager
    async def channel(self, handlers: Sequence[Handler]) -> AsyncGenerator[Channel]:
        """A runtime with an agent for each handler."""
        if not inspect.iscoroutinefunction(handlers[0]):
            raise NotOfferedError("autogen-core takes async handlers only")
        topic = autogen.DefaultTopicId()
        async with running() as runtime:
            for number, handler in enumerate(handlers):
                await autogen.ClosureAgent.register_closure(
                    runtime, f"hearer{number}", closure(handler), subscriptions=lambda: [autogen.DefaultSubscription()]
                )

            async def publish(message: Said) -> None:
                await runtime.publish_message(message, topic)

            yield Channel(publish, Said)

    @asynccontextmanager
    async def churn(self, live: int) -> AsyncGenerator[Visit]:
        """Subscriptions that come and go beside others that stay."""
        async with running() as runtime:
            for number in range(live):
                await runtime.add_subscription(autogen.TypeSubscription(f"staying{number}", "hearer"))

            async def visit(number: int) -> None:
                subscription = autogen.TypeSubscription(f"passing{number}", "hearer")
                await runtime.add_subscription(subscription)
                await runtime.remove_subscription(subscription.id)

            yield visit


def closure(handler: Handler) -> Any:
    """The handler in the form that a closure agent takes."""

    async def hear(_agent: Any, message: Said, _context: Any) -> None:
        await handler(message)

    return hear


@asynccontextmanager
async def running() -> AsyncGenerator[Any]:
    """A started runtime."""
    runtime = autogen.SingleThreadedAgentRuntime()
    runtime.start()
    try:
        yield runtime
    finally:
        await runtime.stop_when_idle()
        await runtime.close()


PEER = Autogen()
