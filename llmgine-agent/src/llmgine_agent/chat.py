"""`llmgine chat`: a conversation in the terminal, or from a pipe."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import anyio

from llmgine_agent._lines import Lines
from llmgine_core import (
    ApplicationBootstrap,
    ApplicationSession,
    LlmgineError,
    StreamTurn,
    TurnCompleted,
    TurnStreamEvent,
    TurnTextDelta,
    TurnToolCall,
    TurnToolResult,
)
from llmgine_core.config import load_config

__all__ = ["main"]

_DEMONSTRATION = "SmolLM2-135M-Instruct"
_NOTICE = f"""\
{_DEMONSTRATION} is a tiny model for demonstration: it gets tool calls right, and is weak at talk.
Another is named with --llm, or in llmgine.toml under [llm.default]."""
_SYSTEM = "You are a helpful assistant. Answer in one or two short sentences."


def main(argv: Sequence[str]) -> int:
    """Run the command.

    Args:
        argv: the arguments behind `llmgine chat`.

    Returns:
        0 if every turn was answered, 1 if one or the start failed, 130 if interrupted.
    """
    logging.basicConfig(level=logging.WARNING, format="%(name)s: %(message)s")
    options = _parse(argv)
    if sys.stdin is None:  # pyright: ignore[reportUnnecessaryComparison]
        print("llmgine chat: there is no standard input to read", file=sys.stderr)
        return 1
    try:
        return anyio.run(_chat, options)
    except KeyboardInterrupt:
        print(file=sys.stderr)
        return 130
    except (LlmgineError, TimeoutError, ExceptionGroup) as error:
        for fault in _leaves(error):
            print(f"llmgine chat: {fault}", file=sys.stderr)
    return 1


def _parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="llmgine chat", description="Talk to a model, in a terminal or from a pipe.")
    parser.add_argument("--llm", metavar="NAME", help="the model's plugin (default: as configured, else local)")
    parser.add_argument("--observability", metavar="A,B", help="observability handlers, such as console,file")
    parser.add_argument("--session", metavar="ID", help="the session's id (default: a new one)")
    parser.add_argument("--system", metavar="TEXT", default=_SYSTEM, help="what the model is told beforehand")
    parser.add_argument("--content", action="store_true", default=None, help="show observability what is said")
    parser.add_argument("--config", type=Path, metavar="FILE", help="configuration in the place of llmgine.toml")
    parser.add_argument("--no-tools", action="store_true", help="do not offer the demonstration tools")
    return parser.parse_args(argv)


def _leaves(error: Exception) -> list[Exception]:
    """The errors of a group; those that are no fault of configuration or plugins are raised on."""
    if isinstance(error, ExceptionGroup):
        group = cast("ExceptionGroup[Exception]", error)
        return [leaf for each in group.exceptions for leaf in _leaves(each)]
    if not isinstance(error, (LlmgineError, TimeoutError)):
        raise error
    return [error]


# ── the application ──────────────────────────────────────────────────────────────────────────────────────────────────


def _bootstrap(options: argparse.Namespace) -> ApplicationBootstrap:
    """The configured application; where nothing is configured, the agent with the local model."""
    given: dict[str, Any] = {
        "llm": options.llm,
        "observability": _names(options.observability),
        "content": options.content,
    }
    config = load_config(given, defaults={"llm": "local", "plugins": ["agent"]}, file=options.config)
    tools = () if options.no_tools else _demo_tools()
    return ApplicationBootstrap("chat", config=config, tools=tools)


def _names(text: str | None) -> list[str] | None:
    return None if text is None else [name.strip() for name in text.split(",") if name.strip()]


def _demo_tools() -> tuple[Any, ...]:
    from llmgine_agent.demo_tools import DEMO_TOOLS

    return DEMO_TOOLS


async def _chat(options: argparse.Namespace) -> int:
    async with _bootstrap(options) as app, app.session(options.session) as session:
        if app.llm().model.startswith(_DEMONSTRATION):
            print(_NOTICE, file=sys.stderr)
        conversation = _Conversation(session, options.system)
        return await (conversation.in_terminal() if sys.stdin.isatty() else conversation.from_pipe())


# ── the conversation ─────────────────────────────────────────────────────────────────────────────────────────────────


class _Conversation:
    """Turns of one session, read from standard input and answered on standard output."""

    def __init__(self, session: ApplicationSession, system: str) -> None:
        self._session, self._system = session, system
        self._lines = Lines(sys.stdin.fileno())

    async def from_pipe(self) -> int:
        """Answer each line; the first that fails ends it."""
        while (line := await self._lines.next()) is not None:
            if line.strip() and not await self._answer(line.strip()):
                return 1
        return 0

    async def in_terminal(self) -> int:
        """Answer what is typed until `/quit` or the end of input."""
        print("Type a message; /quit or Ctrl-D ends.", file=sys.stderr)
        while (line := await self._typed()) not in (None, "/quit"):
            if line:
                await self._answer(line)
        return 0

    async def _typed(self) -> str | None:
        print("you> ", end="", flush=True)
        line = await self._lines.next()
        return None if line is None else line.strip()

    async def _answer(self, text: str) -> bool:
        """Answer one message; says on standard error what went wrong, and returns whether nothing did."""
        try:
            async with self._session.stream(StreamTurn(text, system=self._system)) as events:
                async for event in events:
                    _show(event)
        except (LlmgineError, TimeoutError) as error:
            print(f"llmgine chat: {error}", file=sys.stderr)
            return False
        return True


def _show(event: TurnStreamEvent) -> None:
    match event:
        case TurnTextDelta(text):
            print(text, end="", flush=True)
        case TurnToolCall(call):
            print(f"[{call.name} {call.arguments}]", file=sys.stderr)
        case TurnToolResult(result):
            print(f"[{result.name} → {result.outcome}: {result.content}]", file=sys.stderr)
        case TurnCompleted():
            print(flush=True)
        case _:
            pass
