"""Clauses: tests that a kit gives to whoever implements what it is about."""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable, Coroutine
from typing import Any, ClassVar, ParamSpec

import anyio
import attrs
import pytest

__all__ = ["Clause", "Conformance", "clause"]

P = ParamSpec("P")

_NAME = re.compile(r"test_([a-z]+)_(\d+)_\w+")


@attrs.frozen
class Clause:
    """One guarantee, with the test that proves it.

    Attributes:
        id: its name for good, as `ORDER-1`; the test's name begins with it.
        sentence: what is guaranteed.
        test: the name of the test.
    """

    id: str
    sentence: str
    test: str


def clause(function: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, Coroutine[Any, Any, None]]:
    """Make a clause of a test: it fails after its class's `patience`, and no subclass may put another in its place.

    Args:
        function: a coroutine method named `test_<subject>_<number>_<words>`, whose docstring is the clause's sentence.

    Raises:
        ValueError: it is not named so.
    """
    if (named := _NAME.fullmatch(function.__name__)) is None or not function.__doc__:
        raise ValueError(f"{function.__qualname__} is no test_<subject>_<number>_<words> with a docstring")

    @functools.wraps(function)
    async def test(*args: P.args, **kwargs: P.kwargs) -> None:
        kit: Any = args[0]
        patience: float = kit.patience
        with anyio.move_on_after(patience):
            await function(*args, **kwargs)
            return
        pytest.fail(f"{found.id} was not over within {patience} s: {found.sentence}")

    found = Clause(f"{named[1].upper()}-{named[2]}", " ".join(function.__doc__.split()), function.__name__)
    test.clause = found  # type: ignore[attr-defined]  # pyright: ignore[reportFunctionMemberAccess]
    return test


class Conformance:
    """What the kits share: clauses that nobody overrides, on each event loop.

    Attributes:
        patience: seconds that a clause may take, so that what hangs fails.
    """

    pytestmark: ClassVar[list[pytest.MarkDecorator]] = [pytest.mark.anyio]
    patience: ClassVar[float] = 5.0

    def __init_subclass__(cls, **options: Any) -> None:
        """Refuse a class in which a clause is not the kit's.

        Raises:
            TypeError: it overrides a clause.
        """
        super().__init_subclass__(**options)
        for each in cls.__mro__[1:]:
            for name, test in vars(each).items():
                if (kept := _clause_of(test)) is not None and inspect.getattr_static(cls, name) is not test:
                    raise TypeError(f"{cls.__qualname__} overrides {kept.id}, {name}, of {each.__qualname__}")

    @classmethod
    def clauses(cls) -> tuple[Clause, ...]:
        """The clauses, subject by subject in the order of the kit."""
        found = [_clause_of(test) for each in cls.__mro__ for test in vars(each).values()]
        return tuple(c for c in found if c is not None)


def _clause_of(test: Any) -> Clause | None:
    found = getattr(test, "clause", None)
    return found if isinstance(found, Clause) else None
