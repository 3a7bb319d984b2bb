"""Applications of exactly the plugins that a test names."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import ModuleType
from typing import Any, cast

from llmgine_core import _builtin
from llmgine_core._building import GivenPlugin
from llmgine_core.bootstrap import ApplicationBootstrap
from llmgine_core.config import load_config
from llmgine_core.hookspecs import PROJECT

__all__ = ["application", "plugin"]

_MARK = f"{PROJECT}_impl"


def plugin(holder: object, name: str = "", /, **settings: Any) -> Any:
    """A plugin that is not installed, to be given in the place of a plugin's name.

    Args:
        holder: what holds its hooks: a module, an object, or a class, of which one is made.
        name: what the instance is called; by default as the module or class is.
        **settings: what its table of the configuration would say.

    Returns:
        What `application` and `ApplicationBootstrap` take as a plugin of any kind.
    """
    held: Any = holder() if isinstance(holder, type) else holder
    named = held.__name__.rpartition(".")[2] if isinstance(held, ModuleType) else type(held).__name__
    return GivenPlugin(held, name or named, settings)


def application(
    name: str = "test",
    *,
    bus: Any = None,
    context_store: Any = None,
    tool_manager: Any = None,
    llm: Any = None,
    observability: Sequence[Any] = (),
    plugins: Sequence[Any] = (),
    tools: Sequence[Callable[..., Any]] = (),
    handlers: Sequence[tuple[Any, Callable[..., Any]]] = (),
    state: Any = None,
    content: bool = True,
    start_timeout: float = 10.0,
    stop_timeout: float = 10.0,
) -> ApplicationBootstrap:
    """An application of exactly the plugins named: no environment, no files, nothing by default but the bus in memory.

    A plugin is a module, object or class that holds hooks, of any kind; `plugin(holder, setting=value)` gives it
    settings. Ready objects, and names of what is installed, are taken as `ApplicationBootstrap` takes them. Faults are
    what users would see of them.

    Args:
        name: the application's name.
        bus: the message bus; by default the one in memory.
        context_store: where histories are kept.
        tool_manager: what makes the sessions' tool managers.
        llm: one model, called `default`, or several by name.
        observability: handlers, in order.
        plugins: everything else, in order.
        tools: functions that every session offers to models.
        handlers: pairs of a command or event class and its handler.
        state: anything; handlers and tools find it as `app.state`.
        content: whether observability writes content in full.
        start_timeout: seconds that each part may take to start.
        stop_timeout: seconds that each part may take to stop.

    Returns:
        What `async with` starts and stops.

    Raises:
        ConfigError: something given is no plugin of any form, or a timeout is not above 0.
    """
    given = {
        "bus": plugin(_builtin, "memory") if bus is None else _wrapped(bus),
        "context_store": _wrapped(context_store),
        "tool_manager": _wrapped(tool_manager),
        "llm": {key: _wrapped(each) for key, each in _named(llm).items()},
        "observability": [_wrapped(each) for each in observability],
        "plugins": [_wrapped(each) for each in plugins],
        "content": content,
        "start_timeout": start_timeout,
        "stop_timeout": stop_timeout,
    }
    config = load_config(given, discover=False)
    return ApplicationBootstrap(name, tools=tools, handlers=handlers, state=state, config=config, discover=False)


def _named(llm: Any) -> Mapping[str, Any]:
    if isinstance(llm, Mapping) and "use" not in llm:
        return cast("Mapping[str, Any]", llm)
    return {} if llm is None else {"default": llm}


def _wrapped(value: Any) -> Any:
    """The value as a plugin, if it holds hooks; else as it is."""
    return plugin(value) if _holds_hooks(value) else value


def _holds_hooks(value: Any) -> bool:
    kind: Any = value if isinstance(value, type) else type(value)
    members = [getattr(kind, name, None) for name in dir(kind)]  # of the class, where no property is called
    members += getattr(value, "__dict__", {}).values()
    return any(hasattr(member, _MARK) for member in members)
