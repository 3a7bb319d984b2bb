"""llama-index-workflows: steps that events drive; one step for each type of event."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from benchmarks.adapter import Adapter, Calls, Channel, Handler, NotOfferedError
from benchmarks.handlers import Answerer

__all__ = ["PEER"]

workflows: Any = importlib.import_module("workflows")
workflow_events: Any = importlib.import_module("workflows.events")


class Ask(workflow_events.StartEvent):
    """What starts a run that answers."""

    number: int


class Begin(workflow_events.StartEvent):
    """What starts a run that listens."""


class Said(workflow_events.HumanResponseEvent):
    """An event of one field, of the kind that comes from outside the run."""

    number: int


class Done(workflow_events.HumanResponseEvent):
    """What ends a run that listens."""


class Answered(workflow_events.StopEvent):
    """The answer, which ends the run."""

    number: int


class Ended(workflow_events.StopEvent):
    """The end of a run that listens."""


class Answering(workflows.Workflow):
    """A workflow whose one step answers."""

    answerer: Answerer

    @workflows.step
    async def answer(self, event: Ask) -> Answered:
        """Answer."""
        return Answered(number=await self.answerer.answer(event))


class Listening(workflows.Workflow):
    """A workflow whose step is the handler, one event at a time."""

    handler: Handler

    @workflows.step
    async def begin(self, _event: Begin) -> None:
        """Wait for events."""

    @workflows.step(num_workers=1)
    async def hear(self, event: Said) -> None:
        """Call the handler."""
        await self.handler(event)

    @workflows.step
    async def finish(self, _event: Done) -> Ended:
        """End."""
        return Ended()


class Workflows(Adapter):
    """A run per command; for events, one run that goes on."""

    name = "llama-index-workflows"
    distribution = "llama-index-workflows"
    module = "workflows"

    @asynccontextmanager
    async def calls(self) -> AsyncGenerator[Calls]:
        """A workflow that is run for each command."""
        workflow = Answering(timeout=None)
        workflow.answerer = Answerer()

        async def execute(event: Ask) -> object:
            return await workflow.run(start_event=event)

        yield Calls(execute, lambda number: Ask(number=number))

    @asynccontextmanager
    async def channel(self, handlers: Sequence[Handler]) -> AsyncGenerator[Channel]:
        """A run that events are sent to."""
        if len(handlers) > 1 or not inspect.iscoroutinefunction(handlers[0]):
            raise NotOfferedError("llama-index-workflows has one async step for an event")
        workflow = Listening(timeout=None)
        workflow.handler = handlers[0]
        run = workflow.run(start_event=Begin())
        try:
            yield Channel(run.send_event, lambda number: Said(number=number))
        finally:
            await run.send_event(Done())
            await run


PEER = Workflows()
