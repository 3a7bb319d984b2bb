"""`llmgine chat` as a newcomer runs it: a process of its own, the real model, a pipe."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.obs_otel.collector import collector

QUESTION = "What time is it in Tokyo?\n"
TIME = re.compile(r"\b([01]?\d|2[0-3]):[0-5]\d\b")

# Put first on the path, this hides distributions from their finders, as if they had never been installed.
HIDING = """
import os
from importlib import metadata

_all = metadata.distributions
_hidden = set(os.environ["HIDDEN"].split(","))
metadata.distributions = lambda **options: (d for d in _all(**options) if d.metadata["Name"] not in _hidden)
"""

# A model for the tests that are not about the model: it calls the tool it is offered, and answers from the result.
SCRIPTED = """
from llmgine_core import ToolCall
from llmgine_core.hookspecs import impl
from llmgine_core.testing import ScriptedModel

@impl.llmgine_create_language_model
def llmgine_create_language_model(build):
    call = ToolCall("1", "get_time", '{"city": "Tokyo"}')
    return ScriptedModel(call, lambda request: f"It is {request.messages[-1].tool_results[0].content}.")
"""


def chat(
    *options: str, cwd: Path, text: str = QUESTION, variables: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run the command in a folder of its own."""
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(("LLMGINE_", "OTEL_"))}
    return subprocess.run(
        [sys.executable, "-m", "llmgine_core.cli", "chat", *options],
        cwd=cwd,
        input=text,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={**inherited, **(variables or {})},
    )


def scripted(cwd: Path) -> tuple[str, str]:
    """Options that select the scripted model."""
    (cwd / "scripted.py").write_text(SCRIPTED, encoding="utf-8")
    return "--llm", "scripted:"


def without(*distributions: str, cwd: Path) -> dict[str, str]:
    """Environment variables under which these distributions are not installed."""
    (cwd / "sitecustomize.py").write_text(HIDING, encoding="utf-8")
    return {"HIDDEN": ",".join(distributions), "PYTHONPATH": str(cwd)}


@pytest.fixture(scope="module")
def traced(
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[subprocess.CompletedProcess[str], list[dict[str, object]]]:
    """One run with a trace, of two questions and an empty line: the process and its JSON lines."""
    folder = tmp_path_factory.mktemp("chat")
    text = f"{QUESTION}\nWhat is 12 * 12?\n"
    done = chat("--observability", "console,file", "--session", "newcomer", cwd=folder, text=text)
    lines = (folder / "llmgine-events.jsonl").read_text(encoding="utf-8").splitlines()
    return done, [json.loads(line) for line in lines]


def test_a_question_from_a_pipe_is_answered_by_a_real_model_with_a_real_tool(
    traced: tuple[subprocess.CompletedProcess[str], list[dict[str, object]]],
) -> None:
    """The answer, on standard output, holds the time that the tool told."""
    done, events = traced
    assert done.returncode == 0, done.stderr
    result = next(e for e in events if e["type"] == "ToolExecuteResultEvent")
    assert TIME.search(done.stdout)
    assert "get_time" in json.dumps(result)
    assert "Traceback" not in done.stderr


def test_the_trace_holds_every_step_with_the_session_id(
    traced: tuple[subprocess.CompletedProcess[str], list[dict[str, object]]],
) -> None:
    """Session, command, model, tool and history events are there, in order, all of the one session."""
    _, events = traced
    types = [e["type"] for e in events if e["session_id"] == "newcomer"]
    wanted = [
        "SessionStartEvent",
        "CommandStartedEvent",
        "LLMRequestEvent",
        "LLMResponseEvent",
        "ToolExecuteResultEvent",
        "ChatHistoryUpdatedEvent",
        "CommandResultEvent",
        "SessionEndEvent",
    ]
    assert [t for t in dict.fromkeys(types) if t in wanted and t != "CommandResultEvent"] == [
        t for t in wanted if t != "CommandResultEvent"
    ]
    assert "CommandResultEvent" in types
    assert (types[0], types[-1]) == ("SessionStartEvent", "SessionEndEvent")
    assert all(e["timestamp"] for e in events)


def test_the_console_shows_the_events_on_standard_error(
    traced: tuple[subprocess.CompletedProcess[str], list[dict[str, object]]],
) -> None:
    """Each event type of the trace stands on a line of standard error; standard output holds the answer alone."""
    done, events = traced
    shown = done.stderr
    assert [t for t in {str(e["type"]) for e in events} if t.removesuffix("Event") not in shown] == []
    assert "SessionStart" not in done.stdout


def test_nothing_that_was_said_leaves_the_process_unless_asked(
    traced: tuple[subprocess.CompletedProcess[str], list[dict[str, object]]],
) -> None:
    """By default the trace holds neither the question nor the answer."""
    _, events = traced
    assert "Tokyo" not in json.dumps(events)


def test_content_is_written_when_asked(tmp_path: Path) -> None:
    """With --content the trace holds what was said."""
    done = chat(*scripted(tmp_path), "--observability", "file", "--content", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "What time is it in Tokyo?" in (tmp_path / "llmgine-events.jsonl").read_text(encoding="utf-8")


def test_several_lines_are_several_turns_of_one_session(
    traced: tuple[subprocess.CompletedProcess[str], list[dict[str, object]]],
) -> None:
    """Each line of the pipe that says something gets its answer."""
    done, events = traced
    assert TIME.search(done.stdout)
    assert "144" in done.stdout
    turns = [e["session_id"] for e in events if e["type"] == "CommandStartedEvent" and '"StreamTurn"' in json.dumps(e)]
    assert turns == ["newcomer", "newcomer"]


@pytest.mark.parametrize(
    ("hidden", "told"),
    [
        ("llmgine-llm-local", "pip install llmgine-llm-local"),
        ("llmgine-tools", "pip install llmgine-tools"),
        ("llmgine-context", "pip install llmgine-context"),
    ],
)
def test_a_missing_package_is_named_with_the_command_that_installs_it(hidden: str, told: str, tmp_path: Path) -> None:
    """Without a package that the conversation needs, the command says what to install, and shows no traceback."""
    model = () if hidden == "llmgine-llm-local" else scripted(tmp_path)
    done = chat(*model, cwd=tmp_path, variables=without(hidden, cwd=tmp_path))
    assert done.returncode == 1
    assert told in done.stderr
    assert "Traceback" not in done.stderr


def test_a_missing_handler_that_was_asked_for_stops_the_start(tmp_path: Path) -> None:
    """A handler that is named but not installed is an error, not a silence."""
    done = chat("--observability", "console", cwd=tmp_path, variables=without("llmgine-obs-console", cwd=tmp_path))
    assert done.returncode == 1
    assert "pip install llmgine-obs-console" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_misspelt_handler_is_answered_with_the_nearest_name(tmp_path: Path) -> None:
    """The error names what exists."""
    done = chat("--observability", "consoel", cwd=tmp_path)
    assert done.returncode == 1
    assert "did you mean 'console'?" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_broken_configuration_file_is_named(tmp_path: Path) -> None:
    """Unknown keys are reported with file, key and nearest match."""
    (tmp_path / "llmgine.toml").write_text('observabilty = ["console"]\n', encoding="utf-8")
    done = chat(cwd=tmp_path)
    assert done.returncode == 1
    assert "llmgine.toml: unknown key 'observabilty'; did you mean 'observability'?" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_configuration_file_selects(tmp_path: Path) -> None:
    """A handler named in llmgine.toml is used without a word on the command line."""
    (tmp_path / "llmgine.toml").write_text('observability = [{ use = "file", path = "t.jsonl" }]\n', encoding="utf-8")
    done = chat(*scripted(tmp_path), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "t.jsonl").read_text(encoding="utf-8").count("\n") > 5


def test_the_environment_changes_the_model_that_nobody_configured(tmp_path: Path) -> None:
    """A setting of the default model needs no model in the configuration; one that it does not have is named."""
    done = chat(cwd=tmp_path, variables={"LLMGINE_LLM__DEFAULT__PATH": "elsewhere.gguf"})
    assert done.returncode == 1
    assert "elsewhere.gguf" in done.stderr
    done = chat(cwd=tmp_path, variables={"LLMGINE_LLM__DEFAULT__MAX_TOKENS": "50"})
    assert done.returncode == 1
    assert "LLMGINE_LLM__DEFAULT__MAX_TOKENS: unknown setting 'max_tokens'" in done.stderr


def test_a_collector_gets_the_spans_of_the_conversation(tmp_path: Path) -> None:
    """With otel and an endpoint from the environment, turn, model and tool spans arrive as one trace."""
    with collector() as arrived:
        variables = {"LLMGINE_OBSERVABILITY": "otel", "LLMGINE_OBSERVABILITY__OTEL__ENDPOINT": arrived.endpoint}
        done = chat(*scripted(tmp_path), "--session", "s-9", cwd=tmp_path, variables=variables)
        assert done.returncode == 0, done.stderr
        turn = next(span for span in arrived.spans() if span.name.startswith("invoke_agent"))
        below = [span for span in arrived.spans() if span.parent_span_id == turn.span_id]
        names = sorted(span.name.split(" ")[0] for span in below)
    assert names == ["chat", "chat", "execute_tool"]
    assert {span.trace_id for span in below} == {turn.trace_id}


def test_a_reader_that_has_seen_enough_ends_the_command_without_a_word(tmp_path: Path) -> None:
    """A pipe that is closed at its other end is no traceback."""
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "llmgine_core.cli", "chat", *scripted(tmp_path)]
    with os.fdopen(writer, "wb") as output:
        done = subprocess.run(
            command,
            cwd=tmp_path,
            input=QUESTION,
            stdout=output,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
            check=False,
        )
    assert done.returncode == 1
    assert "Error" not in done.stderr


def test_what_a_terminal_cannot_show_is_replaced(tmp_path: Path) -> None:
    """An answer beyond the output's encoding is shown as far as it goes."""
    (tmp_path / "scripted.py").write_text(
        SCRIPTED.replace("ScriptedModel(call", "ScriptedModel('\u6771\u4eac ok', call"), encoding="utf-8"
    )
    done = chat("--llm", "scripted:", cwd=tmp_path, variables={"PYTHONIOENCODING": "ascii"})
    assert (done.returncode, done.stdout) == (0, "?? ok\n")
