"""All three handlers, found through their entry points by a running application."""

from __future__ import annotations

import json
from pathlib import Path

import attrs
import pytest

from llmgine_core import ApplicationBootstrap, Command
from tests.obs_otel.collector import attributes, collector


@attrs.frozen
class Greet(Command[str]):
    """Says hello."""


async def test_an_application_selects_them_by_name_and_gives_them_their_settings(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async def greet(command: Greet) -> str:
        return "hello"

    path = tmp_path / "events.jsonl"
    with collector() as running:
        otel = ("otel", {"endpoint": running.endpoint, "interval": 0, "headers": {"x-key": "abc"}})
        handlers = ["console", ("file", {"path": str(path), "fsync": "always"}), otel]
        async with ApplicationBootstrap("clock", observability=handlers) as app:
            app.bus.register_command_handler(Greet, greet)
            async with app.session("chat-42") as session:
                assert await session.execute(Greet()) == "hello"

        span = running.span("execute Greet")
        assert attributes(span.attributes)["session.id"] == "chat-42"
        assert running.span("bootstrap clock").name
        assert attributes(running.resources()[0].attributes)["service.name"] == "clock"

    lines = [json.loads(line) for line in path.read_bytes().splitlines()]
    (result,) = [line for line in lines if line["type"] == "CommandResultEvent"]
    assert (result["session_id"], result["span_id"]) == ("chat-42", span.span_id.hex())
    assert f"CommandResultEvent       session=chat-42 command_type={Greet.type_name}" in capsys.readouterr().err
