"""A call that needs approval is made only if somebody approves it."""

import asyncio
from functools import partial
from typing import Any

import anyio
import pytest

from llmgine_core import (
    Approval,
    ApproveToolCall,
    BusSession,
    Event,
    ToolCall,
    ToolExecuteResultEvent,
    ToolOutcome,
    ToolResult,
    current_message,
    tool,
)
from llmgine_tools import ToolManager, ToolSettings

calls: list[str] = []


@tool(requires_approval=True)
def delete(path: str) -> str:
    """Delete a file."""
    calls.append(path)
    return "gone"


@pytest.fixture(autouse=True)
def no_calls() -> None:
    calls.clear()


async def run(session: BusSession, function: Any = delete, **settings: Any) -> ToolResult:
    manager = ToolManager(session, settings=ToolSettings(**settings))
    manager.register_tool(function)
    return await manager.execute_tool_call(ToolCall("1", "delete", '{"path": "/"}'))


async def test_an_approved_call_is_made(session: BusSession) -> None:
    asked: list[ApproveToolCall] = []

    async def decide(command: ApproveToolCall) -> Approval:
        asked.append(command)
        return Approval(True)

    session.register_command_handler(ApproveToolCall, decide)
    assert (await run(session)).outcome is ToolOutcome.OK
    assert calls == ["/"]
    assert asked[0].call == ToolCall("1", "delete", '{"path": "/"}')
    assert asked[0].definition is not None
    assert asked[0].definition.name == "delete"


async def test_the_request_for_approval_names_the_call_as_its_cause(session: BusSession) -> None:
    causes: list[str | None] = []

    async def decide(command: ApproveToolCall) -> Approval:
        causes.append(command.causation_id)
        return Approval(False)

    session.register_command_handler(ApproveToolCall, decide)
    ends: list[ToolExecuteResultEvent] = []
    end = session.expect(ToolExecuteResultEvent, timeout=5)
    await run(session)
    ends.append(await end)
    assert causes == [ends[0].start_id]
    assert current_message() is None


async def test_a_denied_call_is_answered_with_the_reason(session: BusSession, events: list[Event]) -> None:
    async def decide(_: ApproveToolCall) -> Approval:
        return Approval(False, "not on my machine")

    session.register_command_handler(ApproveToolCall, decide)
    result = await run(session)
    assert result == ToolResult("1", "delete", "delete was not called: not on my machine", ToolOutcome.DENIED)
    assert not calls
    assert len([event for event in events if isinstance(event, ToolExecuteResultEvent)]) == 1


async def test_a_call_is_denied_where_nobody_can_approve_it(session: BusSession) -> None:
    result = await run(session)
    assert result.outcome is ToolOutcome.DENIED
    assert "nobody is there" in result.content
    assert not calls


async def test_a_call_is_denied_where_nobody_answers_in_time(session: BusSession) -> None:
    async def decide(_: ApproveToolCall) -> Approval:
        await anyio.sleep_forever()
        raise AssertionError

    session.register_command_handler(ApproveToolCall, decide)
    result = await run(session, approval_timeout=0.01)
    assert result.outcome is ToolOutcome.DENIED
    assert "in time" in result.content


@pytest.mark.parametrize("error", [ValueError(), SystemExit(), asyncio.CancelledError()], ids=repr)
async def test_a_call_is_denied_where_asking_fails(session: BusSession, error: BaseException) -> None:
    async def decide(_: ApproveToolCall) -> Approval:
        raise error

    session.register_command_handler(ApproveToolCall, decide)
    result = await run(session)
    assert result.outcome is ToolOutcome.DENIED
    assert not calls


@pytest.mark.parametrize("answer", [True, "yes", None])
async def test_only_an_approval_approves(session: BusSession, answer: Any) -> None:
    async def decide(_: ApproveToolCall) -> Any:
        return answer

    session.register_command_handler(ApproveToolCall, decide)
    assert (await run(session)).outcome is ToolOutcome.DENIED
    assert not calls


async def test_a_partial_needs_the_approval_that_its_function_needs(session: BusSession) -> None:
    manager = ToolManager(session)
    manager.register_tool(partial(delete, path="/"))
    result = await manager.execute_tool_call(ToolCall("1", "delete"))
    assert result.outcome is ToolOutcome.DENIED


class Deleter:
    @tool(requires_approval=True)
    def __call__(self, path: str) -> None:
        calls.append(path)


async def test_a_callable_object_needs_the_approval_that_its_call_needs(session: BusSession) -> None:
    manager = ToolManager(session)
    manager.register_tool(Deleter(), name="delete")
    result = await manager.execute_tool_call(ToolCall("1", "delete", '{"path": "/"}'))
    assert result.outcome is ToolOutcome.DENIED


async def test_nobody_is_asked_about_arguments_that_do_not_fit(session: BusSession) -> None:
    async def decide(_: ApproveToolCall) -> Approval:
        raise AssertionError("must not be asked")

    session.register_command_handler(ApproveToolCall, decide)
    manager = ToolManager(session)
    manager.register_tool(delete)
    result = await manager.execute_tool_call(ToolCall("1", "delete", "{}"))
    assert result.outcome is ToolOutcome.INVALID_ARGUMENTS
