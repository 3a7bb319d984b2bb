"""Each clause of the kit can fail: for each there is a bus that breaks it, and with which it fails."""

import importlib
from collections.abc import Iterator
from typing import Any, cast

import anyio
import pytest

from llmgine_core import MessageBus
from llmgine_core.testing import Clause, MessageBusConformance
from tests.contracts.broken_buses.table import BROKEN

for _room in ("bounds", "commands", "events", "sessions", "stops", "watching"):
    importlib.import_module(f"tests.contracts.broken_buses.{_room}")

CLAUSES = {clause.id: clause for clause in MessageBusConformance.clauses()}


class Impatient(MessageBusConformance):
    """The kit for buses that hang."""

    patience = 0.5


def leaves(error: BaseException) -> Iterator[BaseException]:
    """An error, or what a group of them holds."""
    if isinstance(error, BaseExceptionGroup):
        for each in cast("BaseExceptionGroup[BaseException]", error).exceptions:
            yield from leaves(each)
    else:
        yield error


def verdict(clause: Clause, make: type[MessageBus]) -> BaseException | None:
    """Why the bus does not pass the clause; None if it does."""
    test: Any = getattr(Impatient(), clause.test)
    try:
        anyio.run(test, make)
    except BaseException as error:
        return error
    return None


def test_each_clause_is_in_the_table() -> None:
    assert sorted(BROKEN) == sorted(CLAUSES)


@pytest.mark.parametrize("id", sorted(BROKEN))
def test_a_clause_fails_with_the_bus_that_breaks_it(id: str, caplog: pytest.LogCaptureFixture) -> None:
    """It fails by what the clause asserts, not by a slip in the broken bus."""
    error = verdict(CLAUSES[id], BROKEN[id])
    assert error is not None
    assert not [e for e in leaves(error) if isinstance(e, (AttributeError, NameError, TypeError, NotImplementedError))]


def test_a_bus_that_is_whole_passes() -> None:
    assert verdict(CLAUSES["COMMAND-1"], MessageBus) is None
