"""The tools of one session, and the calls that a model makes of them."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Awaitable, Callable, Sequence
from difflib import get_close_matches
from functools import partial
from time import perf_counter
from typing import Any, cast

import anyio

from llmgine_core.abc import BusSession
from llmgine_core.contracts import ToolCall, ToolContext, ToolDefinition, ToolResult, handling, lifecycle_header
from llmgine_core.errors import ToolArgumentsError, ToolExecutionError, ToolNotFoundError, ToolSchemaError
from llmgine_core.events import ToolExecuteResultEvent, ToolExecuteStartEvent
from llmgine_tools._approval import refusal
from llmgine_tools._arguments import read_arguments
from llmgine_tools._attempt import Attempt, attempt
from llmgine_tools._ending import Ending
from llmgine_tools._output import Output, make_output
from llmgine_tools._results import shortened, to_text
from llmgine_tools._settings import ToolSettings
from llmgine_tools._threads import Threads
from llmgine_tools._tool import Tool, make_tool

__all__ = ["ToolManager"]

_logger = logging.getLogger("llmgine.tools")
_LONGEST_NAME = 64


class ToolManager:
    """Offers functions to models and makes the calls they ask for.

    Args:
        session: the session whose tools these are; events and requests for approval go through it.
        settings: limits; see `ToolSettings`.
        threads: the worker threads, where several managers share them.
    """

    def __init__(
        self, session: BusSession, *, settings: ToolSettings | None = None, threads: Threads | None = None
    ) -> None:
        self._session = session
        self._settings = settings or ToolSettings()
        self._threads = threads or Threads(self._settings)
        self._tools: dict[str, Tool] = {}

    def register_tool(
        self,
        function: Callable[..., Any],
        *,
        name: str | None = None,
        description: str | None = None,
        timeout: float | None = None,
        requires_approval: bool | None = None,
        examples: Sequence[str] = (),
    ) -> None:
        """Offer a function to models. What is left out is taken from `@tool`, else from the function itself.

        Args:
            function: a function, coroutine function, method, partial or callable object.
            name: what models call it.
            description: what it does and when to use it.
            timeout: seconds that one call may take.
            requires_approval: whether each call asks for `ApproveToolCall` first.
            examples: things that a user might say for which this is the right tool.

        Raises:
            ToolSchemaError: its signature cannot be stated as a JSON Schema, or the name is taken or not allowed.
        """
        tool = make_tool(
            function,
            name=name,
            description=description,
            timeout=timeout,
            requires_approval=requires_approval,
            examples=examples,
        )
        if tool.definition.name in self._tools:
            raise ToolSchemaError(tool.definition.name, "the name is taken; give another one with name=")
        self._tools[tool.definition.name] = tool

    def get_tools(self, *, strict: bool = False) -> list[dict[str, Any]]:
        """The tools as OpenAI-compatible definitions.

        Args:
            strict: state each tool in the form of OpenAI's strict mode. One that this form cannot express is stated as
                ever, with `strict` false.
        """
        return [tool.openai(strict=strict) for tool in self._tools.values()]

    def definitions(self) -> tuple[ToolDefinition, ...]:
        """The tools as contracts."""
        return tuple(tool.definition for tool in self._tools.values())

    def output_format(self, output: type[Any]) -> Output:
        """The form of an answer of that type, from the same walk over types that tools are read with.

        Args:
            output: the type that an answer must have.

        Raises:
            ToolSchemaError: JSON Schema has no words for the type.
        """
        return make_output(output, max_chars=self._settings.max_argument_chars)

    async def execute_tool_call(self, call: ToolCall) -> ToolResult:
        """Make the call.

        Whatever the tool does, there is one result, and one `ToolExecuteResultEvent` after one `ToolExecuteStartEvent`.

        Args:
            call: what the model asks for.

        Returns:
            What the model is told, with the call's outcome.

        Raises:
            BusClosedError: the bus does not run, so the call was not begun.
            SessionClosedError: the session has ended, so the call was not begun.
            QueueFullError: the bus has no room, so the call was not begun.
            CancelledError (asyncio) or Cancelled (Trio): the caller was cancelled; the event says so too.
        """
        tool = self._tools.get(call.name)
        start = ToolExecuteStartEvent(call, tool.definition.description if tool else "")
        await self._session.publish(start)
        began = perf_counter()
        ending = Ending.cancelled(call.name[:_LONGEST_NAME])
        try:
            with handling(start):
                ending = await self._serve(call)
        finally:
            result = ToolResult(call.id, call.name, shortened(ending.content, self._limit), ending.outcome)
            await self._report(start, result, ending, perf_counter() - began)
        return result

    async def execute_tool_calls(self, calls: Sequence[ToolCall]) -> tuple[ToolResult, ...]:
        """Make the calls in parallel.

        Returns:
            The results, in the order of the calls.

        Raises:
            The same as `execute_tool_call`, of the first call that raises; the others are cancelled.
        """
        results: dict[int, ToolResult] = {}
        errors: list[Exception] = []

        async def make(index: int) -> None:
            try:
                results[index] = await self.execute_tool_call(calls[index])
            except Exception as error:  # raised below, so that it does not arrive in an exception group
                errors.append(error)
                tasks.cancel_scope.cancel()

        async with anyio.create_task_group() as tasks:
            for index in range(len(calls)):
                tasks.start_soon(make, index)
        if errors:
            raise errors[0]
        return tuple(results[index] for index in range(len(calls)))

    @property
    def _limit(self) -> int:
        return self._settings.max_result_chars

    async def _serve(self, call: ToolCall) -> Ending:
        """Everything between the call's two events. Raises nothing but a cancellation of the caller."""
        tool = self._tools.get(call.name)
        if tool is None:
            return Ending.not_found(self._not_found(call.name))
        try:
            values = read_arguments(
                call.arguments,
                tool.parameters.record.read,
                tool=call.name,
                max_chars=self._settings.max_argument_chars,
            )
        except ToolArgumentsError as error:
            return Ending.invalid_arguments(error)
        if tool.requires_approval:
            wait = self._settings.approval_timeout
            if denied := await refusal(self._session, call, tool.definition, timeout=wait):
                return denied
        return await self._run(tool, call, values)

    def _not_found(self, name: str) -> ToolNotFoundError:
        name, names = name[:_LONGEST_NAME], tuple(self._tools)
        return ToolNotFoundError(name, names, tuple(get_close_matches(name, names)))

    async def _run(self, tool: Tool, call: ToolCall, values: dict[str, Any]) -> Ending:
        positional, keyword = tool.parameters.bind(values, self._context(call))
        function = partial(tool.function, *positional, **keyword)
        timeout = self._settings.default_timeout if tool.timeout is None else tool.timeout
        if tool.is_async:
            made = await attempt(partial(_awaited, function), timeout=timeout)
        elif self._threads.exhausted:
            busy = f"{self._threads.abandoned} earlier calls that timed out are still running"
            return Ending.failed(call.name, ToolExecutionError(call.name, busy))
        else:
            made = await self._in_thread(function, timeout)
        if made.error is not None:
            return Ending.failed(call.name, made.error)
        return Ending(made.value[0]) if made.value else Ending.timed_out(call.name, timeout)

    async def _in_thread(self, function: Callable[[], Any], timeout: float | None) -> Attempt[str]:
        began = perf_counter()
        made = await self._threads.attempt(partial(_called, function), timeout=timeout)
        if made.value and not isinstance(value := made.value[0], str):
            left = None if timeout is None else max(0.0, timeout - (perf_counter() - began))
            return await attempt(partial(_awaited, lambda: value), timeout=left)
        return cast("Attempt[str]", made)

    def _context(self, call: ToolCall) -> ToolContext:
        app = getattr(self._session, "app", None)
        return ToolContext(self._session, call, app, getattr(app, "state", None))

    async def _report(self, start: ToolExecuteStartEvent, result: ToolResult, ending: Ending, duration: float) -> None:
        event = ToolExecuteResultEvent(start.id, start.call, result, ending.event_outcome, duration, ending.error)
        # A call that was begun is ended in the trace too, whoever is cancelled meanwhile.
        with anyio.CancelScope(shield=True):
            try:
                await self._session.publish(event.with_header(lifecycle_header(start)))
            except Exception:  # the tool has run: its result must not be lost with the event
                _logger.warning("the end of a call of %s could not be published", result.name, exc_info=True)


async def _awaited(function: Callable[[], Awaitable[Any]]) -> str:
    return to_text(await function())


def _called(function: Callable[[], Any]) -> str | Awaitable[Any]:
    """In a thread: the result is made text there, since a large one takes its time.

    A plain function may still return a coroutine, as a decorator's wrapper does; that belongs on the loop.
    """
    value = function()
    return value if inspect.isawaitable(value) else to_text(value)
