"""Handlers, as they are given: what they are called, of which kind they are, and what is refused."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from types import CoroutineType
from typing import Any, NoReturn, cast

from llmgine_core.contracts import Command, Event, StreamCommand

__all__ = [
    "call_plainly",
    "check_command_handler",
    "check_event_handler",
    "handler_name",
    "refuse_coroutine",
    "unwrapped",
]

_COROUTINE: type[Any] = CoroutineType
_COROUTINE_FLAG = inspect.CO_COROUTINE


def unwrapped(handler: Any) -> Any:
    """What a partial wraps."""
    while isinstance(handler, functools.partial):
        handler = cast("Any", handler).func
    return handler


def handler_name(handler: Callable[..., Any]) -> str:
    """How messages and stats name a handler: `module.qualname`, of what a partial wraps, of an object's class."""
    target = unwrapped(handler)
    named: Any = target if hasattr(target, "__qualname__") else type(target)  # pyright: ignore[reportUnknownVariableType]
    return f"{named.__module__}.{named.__qualname__}"


def _is(handler: Any, test: Callable[[Any], bool]) -> bool:
    """Whether the handler is a function of that kind, or an object that is called like one."""
    target = unwrapped(handler)
    return test(target) or test(getattr(target, "__call__", None))  # noqa: B004 - the method itself is inspected


def _is_coroutine_function(handler: Any) -> bool:
    code = getattr(handler, "__code__", None)  # functions and methods have it; inspect takes ten times as long
    return (code is not None and code.co_flags & _COROUTINE_FLAG != 0) or _is(handler, inspect.iscoroutinefunction)


def _is_async_generator_function(handler: Any) -> bool:
    return _is(handler, inspect.isasyncgenfunction)


def call_plainly(handler: Callable[[Any], Any], event: Event) -> None:
    """Call a plain function; what turns out to be a coroutine function would never run, so it is a fault."""
    answer: Any = handler(event)
    if type(answer) is _COROUTINE:
        refuse_coroutine(handler, answer)


def refuse_coroutine(handler: Callable[..., Any], coroutine: CoroutineType[Any, Any, Any]) -> NoReturn:
    """Say that a handler, taken for a plain function, is a coroutine function.

    Raises:
        TypeError: always.
    """
    coroutine.close()
    raise TypeError(f"{handler_name(handler)} returns a coroutine; register the coroutine function itself")


def check_command_handler(command_type: Any, handler: Callable[..., Any]) -> bool:
    """Whether the handler streams its answers; refuses what cannot answer such commands."""
    if not (isinstance(command_type, type) and issubclass(command_type, (Command, StreamCommand))):
        raise TypeError(f"{command_type!r} is no command class; subclass llmgine_core.Command or StreamCommand")
    streams = issubclass(command_type, StreamCommand)
    if not (_is_async_generator_function if streams else _is_coroutine_function)(handler):
        wanted = "an async generator function (`async def` with `yield`)" if streams else "a coroutine function"
        raise TypeError(f"the handler of {command_type.__qualname__} must be {wanted}, not {handler!r}")
    return streams


def check_event_handler(event_type: Any, handler: Any, *, in_thread: bool, is_known: bool) -> bool:
    """Whether the handler suspends; refuses what cannot handle events."""
    if not is_known and not (isinstance(event_type, type) and issubclass(event_type, Event)):
        raise TypeError(f"{event_type!r} is no event class; subclass llmgine_core.Event")
    if not callable(handler):
        raise TypeError(f"an event handler must be callable, not {handler!r}")
    if _is_coroutine_function(handler):
        if in_thread:
            raise TypeError(f"{handler_name(handler)} is a coroutine function and runs on the loop; drop in_thread")
        return True
    if _is_async_generator_function(handler):
        raise TypeError(f"{handler_name(handler)} has a `yield`, so nothing would run; an event handler only returns")
    return in_thread
