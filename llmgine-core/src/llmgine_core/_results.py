"""What hooks return, held against what they must return."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, cast

import attrs

from llmgine_core import abc
from llmgine_core._faults import Fault, shown
from llmgine_core.observability import ObservabilityEventHandler

__all__ = ["fault_of_hook", "fault_of_product"]

_PROTOCOLS: Mapping[str, type] = {
    "bus": abc.MessageBus,
    "context_store": abc.ContextStore,
    "llm": abc.LanguageModel,
    "plugins": abc.Redactor,
}
"""What each kind's factory makes; the one factory of `plugins` makes redactors."""


def _is_list_of_functions(result: Any) -> bool:
    return isinstance(result, (list, tuple)) and all(map(callable, cast("Sequence[Any]", result)))


def _is_dict_of_functions(result: Any) -> bool:
    return isinstance(result, Mapping) and all(map(callable, cast("Mapping[str, Any]", result).values()))


_RETURNS: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    "llmgine_settings": (lambda result: isinstance(result, type) and attrs.has(result), "an attrs class"),
    "llmgine_register_tools": (_is_list_of_functions, "a list of functions"),
    "llmgine_lifespan": (
        lambda result: isinstance(result, AbstractAsyncContextManager) and not isinstance(result, type),
        "an async context manager",
    ),
    "llmgine_health_checks": (_is_dict_of_functions, "a dict of functions, by name"),
}
"""What the hooks beside the factories return: a test, and how a message says it."""


def fault_of_hook(hook: str, result: Any) -> Fault | None:
    """What is wrong with what a hook returned; of factories only what is wrong whatever they make."""
    test, wanted = _RETURNS.get(hook, (None, ""))
    if result is None or (test is not None and test(result)):
        return None
    if fault := _waiting(hook, result):
        return fault
    return Fault(f"{hook} returned {shown(result)}", f"it must return {wanted}") if test is not None else None


def _waiting(hook: str, result: Any) -> Fault | None:
    """Whether a hook returned what is still to be awaited or iterated."""
    if inspect.iscoroutine(result):
        result.close()  # or Python warns that nobody awaited it
        return Fault(f"{hook} returned a coroutine", "hooks are plain functions; await in what they return")
    if inspect.isasyncgen(result) or inspect.isgenerator(result):
        lifespan = hook == "llmgine_lifespan"
        cure = "put @asynccontextmanager on the function that yields" if lifespan else "return, do not yield"
        return Fault(f"{hook} returned a generator", cure)
    if inspect.isawaitable(result):
        return Fault(f"{hook} returned an awaitable, {shown(result)}", "return the object; await in what it does")
    return None


def fault_of_product(kind: str, product: Any, hook: str = "") -> Fault | None:
    """What is wrong with what a kind's factory made, or with a ready object, where no hook is named."""
    wanted = _lacking(kind, product)
    if not wanted:
        return None
    said, must = (f"{hook} returned", "return") if hook else ("it is", "be")
    return Fault(f"{said} {shown(product)}", f"it must {must} {wanted}")


def _lacking(kind: str, product: Any) -> str:
    """What should stand in the product's place, if anything."""
    if kind == "tool_manager":
        return "" if callable(product) else "a callable that makes a session's tool manager"
    if isinstance(product, type):
        return f"an object; make one: {product.__name__}(…)"
    if kind == "observability":
        return "" if isinstance(product, ObservabilityEventHandler) else "an ObservabilityEventHandler"
    protocol = _PROTOCOLS[kind]
    missing = _missing(product, protocol)
    return f"a {protocol.__name__} (without {', '.join(missing)} it is none)" if missing else ""


def _missing(product: Any, protocol: type) -> list[str]:
    wanted = [name for base in protocol.__mro__ for name in vars(base) if not name.startswith("_")]
    return sorted({name for name in wanted if not hasattr(product, name)})
