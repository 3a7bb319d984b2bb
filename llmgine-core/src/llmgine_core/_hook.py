"""`Hook`: what is known of a hook, and the decorator that marks what implements it."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar, overload

import attrs
import pluggy

__all__ = ["PROJECT", "Hook", "declare", "hookimpl", "hookspec"]

PROJECT: str = "llmgine"
hookspec: pluggy.HookspecMarker = pluggy.HookspecMarker(PROJECT)
hookimpl: pluggy.HookimplMarker = pluggy.HookimplMarker(PROJECT)

P = ParamSpec("P")
R = TypeVar("R")
M = TypeVar("M", bound=Callable[..., Any])
M_co = TypeVar("M_co", bound=Callable[..., Any], covariant=True)


@attrs.frozen(eq=False)
class Hook(Generic[M_co]):
    """A hook: what is known of it, and the decorator that marks what implements it.

    As a decorator it takes a function with the parameters of the specification, by their names, or a method with these
    behind `self` or `cls`, and gives it back. Type checkers refuse any other, and a function of fewer parameters too.

    Attributes:
        specification: the function that states its signature and, in its docstring, its meaning.
        kinds: the kinds of plugins in which it is looked for.
        since: the version of the interface that brought it.
    """

    specification: M_co
    kinds: tuple[str, ...]
    since: int

    @property
    def name(self) -> str:
        """Its name."""
        return self.specification.__name__

    @property
    def arguments(self) -> tuple[str, ...]:
        """The names of what it is called with."""
        return tuple(inspect.signature(self.specification).parameters)[1:]

    @overload
    def __call__(self: Hook[Callable[Concatenate[Any, P], R]], function: Callable[P, R], /) -> Callable[P, R]: ...

    @overload
    def __call__(
        self: Hook[Callable[Concatenate[Any, P], R]], function: Callable[Concatenate[type[Any], P], R], /
    ) -> Callable[Concatenate[type[Any], P], R]: ...

    @overload
    def __call__(self: Hook[M], function: M, /) -> M: ...

    def __call__(self, function: Any, /) -> Any:
        """Mark a function as the hook's implementation."""
        # The function inside: what marks a staticmethod or classmethod itself is lost when it is looked up.
        hookimpl(specname=self.name)(getattr(function, "__func__", function))
        return function


def declare(*kinds: str, since: int = 1, collected: bool = False) -> Callable[[M], Hook[M]]:
    """Make a hook of the function that specifies it.

    Args:
        kinds: the kinds of plugins in which it is looked for.
        since: the version of the interface that brings it.
        collected: whether pluggy returns a list of all answers in the place of the first.
    """

    def make(specification: M) -> Hook[M]:
        return Hook(hookspec(firstresult=not collected)(specification), kinds, since)

    return make
