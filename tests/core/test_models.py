"""Model calls go through the bus."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager

import pytest

from llmgine_core import (
    ChatMessage,
    LLMCompleted,
    LLMRequest,
    LLMResponse,
    LLMStreamChunkEvent,
    LLMStreamEvent,
    LLMTextDelta,
    PluginNotFoundError,
    StreamGenerateCommand,
)
from llmgine_core.testing import RecordingEventHandler, ScriptedModel, application
from tests.core.messages import Recorder


async def test_a_models_calls_go_through_the_bus_with_one_request_and_one_response_event() -> None:
    recorder = RecordingEventHandler()
    async with application(
        llm={"big": ScriptedModel("well", ValueError("torn"))}, observability=[recorder], content=True
    ) as app:
        model = app.llm("big")
        assert (model.provider, model.model) == ("scripted", "scripted")
        request = LLMRequest(messages=[ChatMessage.user("hi")])
        assert (await model.generate(request)).message.text == "well"
        with pytest.raises(ValueError, match="torn"):
            await model.generate(request)
        with pytest.raises(PluginNotFoundError, match="selected: big"):
            app.llm("small")
    requests, responses = recorder.of_type("LLMRequestEvent"), recorder.of_type("LLMResponseEvent")
    assert [r.fields["outcome"] for r in responses] == ["ok", "error"]
    assert [r.span_id for r in requests] == [r.span_id for r in responses]
    assert [r.trace_id for r in requests] == [r.trace_id for r in responses]
    started = recorder.of_type("CommandStartedEvent")
    assert [r.span_id for r in started] == [r.span_id for r in requests]
    assert responses[0].fields["response"]["message"]["parts"][0]["text"] == "well"


async def test_a_streamed_answer_is_told_of_once_however_it_ends() -> None:
    recorder = RecordingEventHandler()

    class Torn(ScriptedModel):
        @asynccontextmanager
        async def stream(self, request: LLMRequest) -> AsyncGenerator[AsyncIterator[LLMStreamEvent]]:
            async def steps() -> AsyncIterator[LLMStreamEvent]:
                yield LLMTextDelta("half")
                raise TimeoutError("too slow")

            yield steps()

    async with application(llm={"default": ScriptedModel("a b c"), "torn": Torn()}, observability=[recorder]) as app:
        app.bus.register_event_handler(LLMStreamChunkEvent, (chunks := Recorder()))
        request = LLMRequest(messages=[ChatMessage.user("hi")])
        async with app.llm().stream(request) as steps:
            got = [step async for step in steps]
        assert [type(s) for s in got] == [LLMTextDelta] * 3 + [LLMCompleted]
        with pytest.raises(TimeoutError, match="too slow"):
            async with app.bus.stream(StreamGenerateCommand(request, "torn")) as steps:
                _ = [step async for step in steps]
        await chunks.wait_for(5)
    responses = recorder.of_type("LLMResponseEvent")
    assert [r.fields["outcome"] for r in responses] == ["ok", "timeout"]
    assert responses[0].fields["time_to_first_chunk"] >= 0
    assert [r.fields["chunks"] for r in responses] == [4, 1]
    assert LLMResponse(model="m", message=ChatMessage.assistant("x")).model == "m"
