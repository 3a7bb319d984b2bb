"""The turn loop: what it asks, calls, answers and writes down."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager

import anyio
import attrs
import pytest

from llmgine_core import (
    Application,
    ApplicationBootstrap,
    ChatMessage,
    FinishReason,
    LanguageModelError,
    LLMRequest,
    LLMResponse,
    LLMStreamEvent,
    LLMTextDelta,
    RefusalPart,
    Role,
    RunTurn,
    StoppedBy,
    StreamTurn,
    ToolCall,
    ToolOutcome,
    ToolSchemaError,
    TurnCompleted,
    TurnTextDelta,
    TurnToolCall,
    TurnToolResult,
    UnknownType,
    Usage,
)
from llmgine_core.testing import Answer, RecordingEventHandler, ScriptedModel

CALL = ToolCall("call-1", "get_time", '{"city": "Tokyo"}')


def get_time(city: str) -> str:
    """The local time in a city."""
    return {"Tokyo": "21:04"}.get(city, "unknown")


def application(*answers: Answer, **options: object) -> tuple[ApplicationBootstrap, ScriptedModel]:
    """An application with the agent, the default tools and history, and a model that says `answers`."""
    model = ScriptedModel(*answers)
    usual = {"llm": model, "tools": [get_time], "tool_manager": "default", "context_store": "memory"}
    given = {**usual, "plugins": ["agent"], **options}
    return ApplicationBootstrap(discover=False, **given), model  # type: ignore[arg-type]


async def history(app: Application, session_id: str) -> list[tuple[str, str]]:
    messages = await app.context_store.get_context(session_id)
    return [(m.role, m.text or ",".join(r.outcome for r in m.tool_results) or "calls") for m in messages]


async def test_a_turn_answers_in_words() -> None:
    bootstrap, model = application("Hello!")
    async with bootstrap as app, app.session() as session:
        turn = await session.execute(RunTurn("Hi", system="Be brief."))
    assert (turn.text, turn.steps, turn.stopped_by) == ("Hello!", 1, StoppedBy.ANSWER)
    assert [m.role for m in model.requests[0].messages] == [Role.SYSTEM, Role.USER]
    assert turn.usage == Usage(input_tokens=2, output_tokens=1)


async def test_a_turn_calls_tools_and_answers_from_their_results() -> None:
    bootstrap, model = application(CALL, lambda request: f"It is {request.messages[-1].tool_results[0].content}.")
    async with bootstrap as app, app.session("s") as session:
        turn = await session.execute(RunTurn("What time is it in Tokyo?"))
        assert session.usage == turn.usage
        written = await history(app, "s")
    assert (turn.text, turn.steps) == ("It is 21:04.", 2)
    assert written == [
        ("user", "What time is it in Tokyo?"),
        ("assistant", "calls"),
        ("tool", "ok"),
        ("assistant", "It is 21:04."),
    ]
    assert [d.name for d in model.requests[0].tools] == ["get_time"]


async def test_a_turn_that_the_model_refuses_says_so_and_keeps_its_words() -> None:
    """A refusal is no answer, but the next turn may look back at it."""
    refusal = ChatMessage("assistant", [RefusalPart("I cannot help with that.")])

    class Refusing(ScriptedModel):
        async def generate(self, request: LLMRequest) -> LLMResponse:
            return LLMResponse(model="m", message=refusal, finish_reason=FinishReason.REFUSAL)

    bootstrap, _ = application(llm={"default": Refusing()})
    async with bootstrap as app, app.session() as session:
        turn = await session.execute(RunTurn("Help me."))
    assert (turn.text, turn.stopped_by) == ("", StoppedBy.REFUSAL)
    assert turn.messages[-1] == refusal


async def test_the_next_turn_sees_the_history_without_the_system_prompt_twice() -> None:
    bootstrap, model = application("One.", "Two.")
    async with bootstrap as app, app.session() as session:
        await session.execute(RunTurn("First", system="S"))
        await session.execute(RunTurn("Second", system="S"))
    assert [m.text for m in model.requests[1].messages] == ["S", "First", "One.", "Second"]


async def test_two_sessions_share_no_history() -> None:
    bootstrap, model = application("One.", "Two.")
    async with bootstrap as app:
        for name in ("a", "b"):
            async with app.session(name) as session:
                await session.execute(RunTurn(f"I am {name}"))
    assert [m.text for m in model.requests[1].messages] == ["I am b"]


async def test_a_streamed_turn_tells_each_step_and_ends_with_its_result() -> None:
    bootstrap, _ = application(CALL, "It is 21:04.")
    async with bootstrap as app, app.session() as session:
        async with session.stream(StreamTurn("What time is it in Tokyo?")) as events:
            seen = [event async for event in events]
    assert [type(e) for e in seen[:2]] == [TurnToolCall, TurnToolResult]
    assert "".join(e.text for e in seen if isinstance(e, TurnTextDelta)) == "It is 21:04."
    assert isinstance(seen[-1], TurnCompleted)
    assert seen[-1].result.text == "It is 21:04."


async def test_calls_run_in_parallel_and_results_keep_their_order() -> None:
    first_may_end, order = anyio.Event(), list[str]()

    async def slow() -> str:
        await first_may_end.wait()
        order.append("slow")
        return "slow"

    async def quick() -> str:
        order.append("quick")
        first_may_end.set()
        return "quick"

    calls = (ToolCall("1", "slow"), ToolCall("2", "quick"))
    bootstrap, model = application(calls, "Done.", tools=[slow, quick])
    async with bootstrap as app, app.session() as session:
        await session.execute(RunTurn("Go"))
    assert order == ["quick", "slow"]
    assert [r.content for r in model.requests[1].messages[-1].tool_results] == ["slow", "quick"]


async def test_a_failing_model_leaves_the_history_as_it_was() -> None:
    bootstrap, _ = application("One.", LanguageModelError("m", "out of order"))
    async with bootstrap as app, app.session("s") as session:
        await session.execute(RunTurn("First"))
        with pytest.raises(LanguageModelError, match="out of order"):
            await session.execute(RunTurn("Second"))
        assert await history(app, "s") == [("user", "First"), ("assistant", "One.")]


async def test_a_call_of_an_unknown_tool_is_told_to_the_model() -> None:
    bootstrap, model = application(ToolCall("1", "get_tiem"), "Sorry.")
    async with bootstrap as app, app.session() as session:
        turn = await session.execute(RunTurn("Go"))
    result = model.requests[1].messages[-1].tool_results[0]
    assert result.outcome is ToolOutcome.NOT_FOUND
    assert "get_time" in result.content
    assert turn.text == "Sorry."


async def test_the_last_step_may_not_call_and_unmade_calls_are_not_kept() -> None:
    bootstrap, model = application(CALL, CALL)
    async with bootstrap as app, app.session("s") as session:
        turn = await session.execute(RunTurn("Go", max_steps=2))
        written = await history(app, "s")
    assert model.requests[-1].tool_choice == "none"
    assert turn.stopped_by is StoppedBy.MAX_STEPS
    assert [role for role, _ in written] == ["user", "assistant", "tool"]


async def test_a_cancelled_turn_leaves_no_call_without_a_result() -> None:
    running = anyio.Event()

    async def quick() -> str:
        return "quick"

    async def hang() -> str:
        running.set()
        await anyio.sleep_forever()
        return ""

    calls = (ToolCall("1", "quick"), ToolCall("2", "hang"))
    bootstrap, _ = application(calls, tools=[quick, hang])
    async with bootstrap as app, app.session("s") as session:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(session.execute, RunTurn("Go"))
            await running.wait()
            await anyio.wait_all_tasks_blocked()
            tasks.cancel_scope.cancel()
        assert await history(app, "s") == [("user", "Go"), ("assistant", "calls"), ("tool", "ok,cancelled")]


async def test_a_turn_ends_when_its_time_is_up() -> None:
    async def hang() -> str:
        await anyio.sleep_forever()
        return ""

    bootstrap, _ = application(ToolCall("1", "hang"), tools=[hang])
    async with bootstrap as app, app.session("s") as session:
        with pytest.raises(TimeoutError):
            await session.execute(RunTurn("Go", timeout=0.05))
        assert (await history(app, "s"))[-1] == ("tool", "cancelled")


async def test_leaving_a_streamed_turn_early_ends_it() -> None:
    bootstrap, _ = application("one two three")
    async with bootstrap as app, app.session("s") as session:
        async with session.stream(StreamTurn("Go")) as events:
            async for event in events:
                assert isinstance(event, TurnTextDelta)
                break
        await app.bus.wait_idle(timeout=5)
        assert app.bus.stats().total.pending == 0


async def test_an_empty_answer_is_not_written_down() -> None:
    bootstrap, _ = application("")
    async with bootstrap as app, app.session("s") as session:
        turn = await session.execute(RunTurn("Hi"))
        assert turn.text == ""
        assert await history(app, "s") == [("user", "Hi")]


async def test_a_turn_outside_a_session_is_refused_with_the_way_out() -> None:
    bootstrap, _ = application("Hello!")
    async with bootstrap as app:
        with pytest.raises(ValueError, match=r"send it through one: session\.execute"):
            await app.bus.execute(RunTurn("Hi"))


async def test_the_trace_of_a_turn_holds_every_step_in_its_session() -> None:
    recorder = RecordingEventHandler()
    bootstrap, _ = application(CALL, "It is 21:04.", observability=[recorder])
    async with bootstrap as app, app.session("s-1") as session:
        await session.execute(RunTurn("What time is it in Tokyo?"))
    steps = [r for r in recorder.records if r.session_id == "s-1"]
    assert [r.type for r in steps] == [
        "SessionStartEvent",
        "CommandStartedEvent",
        *("CommandStartedEvent", "LLMRequestEvent", "LLMResponseEvent", "CommandResultEvent"),
        *("ToolExecuteStartEvent", "ToolExecuteResultEvent", "ChatHistoryUpdatedEvent"),
        *("CommandStartedEvent", "LLMRequestEvent", "LLMResponseEvent", "CommandResultEvent"),
        "ChatHistoryUpdatedEvent",
        "CommandResultEvent",
        "SessionEndEvent",
    ]
    turn = steps[1]
    assert {r.trace_id for r in steps[1:-1]} == {turn.trace_id}
    children = [r for r in steps if r.type in ("LLMRequestEvent", "ToolExecuteStartEvent")]
    assert [r.parent_span_id for r in children] == [turn.span_id] * 3


@attrs.frozen
class Invoice:
    """An invoice."""

    number: str
    total: float


async def test_a_turn_answers_in_the_type_asked_for() -> None:
    """The model is told the type's schema, and its answer becomes a value of the type."""
    bootstrap, model = application('{"number": "A17", "total": 12.5}')
    async with bootstrap as app, app.session() as session:
        turn = await session.execute(RunTurn("Which invoice?", output=Invoice))
    assert turn.output == Invoice("A17", 12.5)
    told = model.requests[0].response_format
    assert told is not None
    assert "total" in str(told)


async def test_an_answer_that_does_not_fit_is_repaired_once_and_the_history_keeps_the_good_one() -> None:
    """The model is told every fault, and only what fits is written down."""
    bootstrap, model = application('{"number": "A17"}', '{"number": "A17", "total": 1}')
    async with bootstrap as app, app.session("s") as session:
        turn = await session.execute(RunTurn("Which invoice?", output=Invoice))
        assert await history(app, "s") == [("user", "Which invoice?"), ("assistant", '{"number": "A17", "total": 1}')]
    assert turn.output == Invoice("A17", 1.0)
    assert "total" in model.requests[1].messages[-1].text


async def test_an_answer_that_never_fits_is_an_error_that_names_the_faults() -> None:
    """After one repair the turn fails, and the history is as it was."""
    bootstrap, _ = application("no", '{"number": "A17"}')
    async with bootstrap as app, app.session("s") as session:
        with pytest.raises(LanguageModelError, match=r"the answer is no Invoice: .*total"):
            await session.execute(RunTurn("Which invoice?", output=Invoice))
        assert await history(app, "s") == []


async def test_a_type_that_is_not_imported_here_is_refused_by_name() -> None:
    """A turn that was asked for elsewhere may name a class that this process does not have."""
    bootstrap, model = application("never asked")
    async with bootstrap as app, app.session() as session:
        with pytest.raises(ToolSchemaError, match="shop:Invoice cannot be a tool: no type of that name is imported"):
            await session.execute(RunTurn("Which invoice?", output=UnknownType("shop:Invoice")))
    assert model.requests == []


async def test_without_a_tool_manager_a_turn_goes_without_tools() -> None:
    """Absence is absence: nothing is offered, and words are answered."""
    bootstrap, model = application("Hello!", tools=[], tool_manager=None)
    async with bootstrap as app, app.session() as session:
        assert (await session.execute(RunTurn("Hi"))).text == "Hello!"
    assert model.requests[0].tools == ()


async def test_words_are_words() -> None:
    """What is no text is refused where it is given, not when the history is read."""
    with pytest.raises(TypeError, match="'text' must be <class 'str'>"):
        RunTurn(3)  # type: ignore[arg-type]


async def test_a_stream_that_ends_without_the_answer_is_an_error_and_told_once() -> None:
    """A model that breaks off leaves no call open in the trace."""

    class Broken(ScriptedModel):
        @asynccontextmanager
        async def stream(self, request: LLMRequest) -> AsyncGenerator[AsyncIterator[LLMStreamEvent]]:
            async def steps() -> AsyncGenerator[LLMStreamEvent]:
                yield LLMTextDelta("Well, ")

            async with aclosing(steps()) as some:
                yield some

    recorder = RecordingEventHandler()
    options = {"tool_manager": "default", "context_store": "memory", "plugins": ["agent"], "observability": [recorder]}
    async with ApplicationBootstrap(llm=Broken(), discover=False, **options) as app, app.session() as session:  # type: ignore[arg-type]
        with pytest.raises(LanguageModelError, match="its stream ended without the answer"):
            async with session.stream(StreamTurn("Hi")) as events:
                assert [event async for event in events] == []
    (told,) = recorder.of_type("LLMResponseEvent")
    assert told.fields["outcome"] == "error"
