"""What `llmgine run module:attribute` does: find an application, run it until it is told to stop, and drain it."""

from __future__ import annotations

import difflib
import functools
import importlib
import inspect
import sys
import traceback
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any, cast

import anyio
import attrs

from llmgine_core._signals import told_of_signals
from llmgine_core._stopping import StopRequest, run_until_stopped
from llmgine_core.bootstrap import ApplicationBootstrap
from llmgine_core.errors import LlmgineError

__all__ = ["run_target"]

_KINDS = (
    "an ApplicationBootstrap, a function that returns one, or a coroutine function of the application or of nothing"
)
_Main = Callable[[], Coroutine[Any, Any, object]]


def run_target(target: str, *, config: str | Path | None = None, backend: str = "asyncio") -> int:
    """Run an application until it ends or the process is told to stop; then it drains.

    A signal (SIGTERM, SIGINT) during the start cancels it, and what had started is stopped again. A second signal has
    its ordinary effect.

    Args:
        target: `module:attribute`; the working directory is searched first. The attribute is an `ApplicationBootstrap`,
            a function that returns one, a coroutine function that takes the application, or one that takes nothing and
            starts an application itself.
        config: a configuration file for a target that takes the application.
        backend: `asyncio` or `trio`.

    Returns:
        The exit code: 0 if all went well, also where a signal ended it; 1 if something failed, which stands on standard
        error, with a traceback unless it is an error of llmgine; 2 if there is no such target.
    """
    try:
        main = _main_of(target, config, _found(target))
        _check_backend(backend)
    except _WrongTargetError as wrong:
        print(wrong, file=sys.stderr)
        return 2
    except Exception as error:
        return _fail(error)
    try:
        anyio.run(functools.partial(_run, main), backend=backend)
    except Exception as error:
        return _fail(error)
    return 0


async def _run(main: _Main) -> None:
    stop = StopRequest()
    with told_of_signals(stop.ask, once=True):
        await run_until_stopped(stop, main)


def _fail(error: Exception) -> int:
    """Print an error; those of ours say what to do, so that no traceback is needed."""
    if _is_ours(error):
        print(error if isinstance(error, LlmgineError) else _listed(error), file=sys.stderr)
    else:
        traceback.print_exception(error)
    return 1


def _is_ours(error: BaseException) -> bool:
    if isinstance(error, ExceptionGroup):
        return all(map(_is_ours, cast("ExceptionGroup[Exception]", error).exceptions))
    return isinstance(error, LlmgineError)


def _listed(error: Exception) -> str:
    if isinstance(error, ExceptionGroup) and not isinstance(error, LlmgineError):
        return "\n".join(map(_listed, cast("ExceptionGroup[Exception]", error).exceptions))
    return str(error)


# ── the target ───────────────────────────────────────────────────────────────────────────────────────────────────────


@attrs.define
class _WrongTargetError(Exception):
    """There is nothing to run by that name."""

    target: str
    reason: str

    def __str__(self) -> str:
        return f"{self.target!r} cannot be run: {self.reason}"


def _found(target: str) -> Any:
    """What the target names."""
    name, colon, attribute = target.partition(":")
    if not (name and colon and attribute):
        raise _WrongTargetError(target, "name a module and what to run in it, as in `shop.main:app`")
    if sys.path[:1] != [str(Path.cwd())]:
        sys.path.insert(0, str(Path.cwd()))
    try:
        found: Any = importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            raise  # the module is there, and what it imports is not
        cure = "look at its spelling and the working directory"
        raise _WrongTargetError(target, f"there is no module {error.name!r}; {cure}") from error
    for part in attribute.split("."):
        if not hasattr(found, part):
            near = difflib.get_close_matches(part, dir(found), n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise _WrongTargetError(target, f"{name} has no {attribute!r}{hint}")
        found = getattr(found, part)
    return found


def _main_of(target: str, config: str | Path | None, found: Any) -> _Main:
    """How to run what was found."""
    if inspect.iscoroutinefunction(found) or inspect.iscoroutinefunction(getattr(found, "__call__", None)):  # noqa: B004
        return _main_of_function(target, config, found)
    if callable(found) and not isinstance(found, ApplicationBootstrap):
        found = _made(target, found)
    if not isinstance(found, ApplicationBootstrap):
        raise _WrongTargetError(target, f"it is {found!r}; it must be {_KINDS}")
    _refuse_config(target, config)
    return functools.partial(_run_bootstrap, found)


def _made(target: str, factory: Callable[..., Any]) -> Any:
    if not _takes(factory):
        raise _WrongTargetError(target, f"it needs arguments; it must be {_KINDS}")
    made = factory()
    if inspect.iscoroutine(made):
        made.close()
        raise _WrongTargetError(
            target, "it returned a coroutine; make it an `async def`, or let it return what runs it"
        )
    if not isinstance(made, ApplicationBootstrap):
        raise _WrongTargetError(target, f"it returned {made!r}; it must be {_KINDS}")
    return made


def _main_of_function(target: str, config: str | Path | None, function: Callable[..., Awaitable[object]]) -> _Main:
    if _takes(function):
        _refuse_config(target, config)
        return functools.partial(_awaited, function)
    if _takes(function, object()):
        return functools.partial(_run_bootstrap, ApplicationBootstrap(config=config), function)
    raise _WrongTargetError(target, "it takes more than the application")


def _takes(function: Callable[..., Any], *arguments: object) -> bool:
    try:
        inspect.signature(function).bind(*arguments)
    except TypeError:
        return False
    return True


def _refuse_config(target: str, config: str | Path | None) -> None:
    if config is not None:
        reason = f"it says by itself how it is configured, so {config} would be ignored"
        raise _WrongTargetError(target, f"{reason}; give no configuration, or let it take the application")


def _check_backend(backend: str) -> None:
    known = anyio.get_all_backends()
    if backend not in known:
        raise _WrongTargetError(backend, f"there is no such event loop; there are {' and '.join(known)}")
    try:
        importlib.import_module(backend)
    except ModuleNotFoundError as error:
        raise _WrongTargetError(backend, f"it is not installed; install it with: pip install {backend}") from error


async def _awaited(function: Callable[[], Awaitable[object]]) -> None:
    await function()


async def _run_bootstrap(
    bootstrap: ApplicationBootstrap, main: Callable[[Any], Awaitable[object]] | None = None
) -> None:
    async with bootstrap as app:
        await (app.run() if main is None else app.run(main))
