"""The machinery of the kits: clauses that fail in time, and that nobody overrides."""

from pathlib import Path
from typing import Any

import anyio
import pytest

from llmgine_conformance import Conformance, clause
from llmgine_core import MessageBus, testing
from llmgine_core.testing import BusCapabilities, Clause, MessageBusConformance

pytest_plugins = ["pytester"]


class Patience(Conformance):
    """A kit of one clause, that never ends."""

    patience = 0.01

    @clause
    async def test_patience_1_hangs(self) -> None:
        """Nothing
        comes.
        """
        await anyio.sleep_forever()


async def test_a_clause_that_hangs_fails_and_says_which_it_is() -> None:
    with pytest.raises(pytest.fail.Exception, match=r"PATIENCE-1 was not over within 0\.01 s: Nothing comes\."):
        await Patience().test_patience_1_hangs()


def test_a_kit_lists_its_clauses() -> None:
    assert Patience.clauses() == (Clause("PATIENCE-1", "Nothing comes.", "test_patience_1_hangs"),)


def test_a_test_that_is_not_named_as_a_clause_is_refused() -> None:
    async def test_nameless(self: Any) -> None:
        """It has no number."""

    async def test_silent_1_without_a_docstring(self: Any) -> None:
        pass

    for test in (test_nameless, test_silent_1_without_a_docstring):
        with pytest.raises(ValueError, match=f"{test.__name__} is no test_<subject>_<number>_<words>"):
            clause(test)


@pytest.mark.parametrize("value", [None, print])
def test_a_class_that_overrides_a_clause_is_refused_and_told_which(value: Any) -> None:
    with pytest.raises(TypeError, match="Lenient overrides ORDER-1, test_order_1_as_published, of OrderClauses"):
        type("Lenient", (MessageBusConformance,), {"test_order_1_as_published": value})


def test_a_mixin_that_overrides_a_clause_is_refused_too() -> None:
    mixin = type("Mixin", (), {"test_order_1_as_published": None})
    with pytest.raises(TypeError, match="overrides ORDER-1"):
        type("Lenient", (mixin, MessageBusConformance), {})


def test_each_clause_of_the_bus_has_an_id_and_a_sentence_of_its_own() -> None:
    clauses = MessageBusConformance.clauses()
    assert len({each.id for each in clauses}) == len({each.sentence for each in clauses}) == len(clauses)
    assert [each for each in clauses if not each.sentence.endswith(".")] == []


def test_the_clauses_of_a_subject_are_numbered_from_one() -> None:
    numbers: dict[str, list[int]] = {}
    for each in MessageBusConformance.clauses():
        subject, number = each.id.split("-")
        numbers.setdefault(subject, []).append(int(number))
    assert numbers == {subject: list(range(1, len(found) + 1)) for subject, found in numbers.items()}


class Homebound(MessageBusConformance):
    """A bus without contexts."""

    capabilities = BusCapabilities(contexts=False)


async def test_a_clause_about_what_the_bus_cannot_do_is_skipped() -> None:
    with pytest.raises(pytest.skip.Exception, match="contexts are declared not to travel"):
        await Homebound().test_context_1_of_the_publisher(MessageBus)


def test_a_stranger_runs_the_kit_on_the_loops_that_the_bus_is_declared_for(pytester: pytest.Pytester) -> None:
    """Without any configuration of pytest, and with assertions that show their values."""
    pytester.makepyfile(
        """
        import pytest
        from llmgine_core import MessageBus, testing
        from llmgine_core.testing import BusCapabilities, MessageBusConformance

        class Forgetful(MessageBus):
            async def execute(self, command, *, timeout=None):
                await super().execute(command, timeout=timeout)

        class TestForgetful(MessageBusConformance):
            capabilities = BusCapabilities(backends={"asyncio"})

            @pytest.fixture
            def make(self):
                return Forgetful
        """
    )
    result = pytester.runpytest_subprocess("-k", "command_1_ or order_1_", "-rsf")
    result.assert_outcomes(passed=1, failed=1, skipped=2)
    result.stdout.fnmatch_lines(["*None == 'answer to life'*", "*the bus is declared not to run on trio*"])


def test_importing_a_scripted_model_loads_no_pytest(pytester: pytest.Pytester) -> None:
    path = pytester.makepyfile(
        "import sys; from llmgine_core.testing import ScriptedModel; print('pytest' in sys.modules)"
    )
    assert isinstance(path, Path)
    assert pytester.run("python", path).outlines == ["False"]


def test_the_testing_module_says_what_it_does_not_have() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'Nothing'"):
        getattr(testing, "Nothing")  # noqa: B009 - type checkers know already
