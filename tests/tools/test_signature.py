"""Functions of every kind are read and called."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial, wraps
from typing import TYPE_CHECKING, Annotated, Any

import pytest

from llmgine_core import MessageBus, ToolCall, ToolContext, ToolSchemaError
from llmgine_tools._signature import compiled
from tests.tools.shapes import Point, arguments

if TYPE_CHECKING:
    from elsewhere import Unknown  # type: ignore[import-not-found] # pyright: ignore[reportMissingImports, reportUnknownVariableType]


def call(function: Callable[..., Any], text: str) -> Any:
    """Call a function as a model would have it called."""
    context = ToolContext(MessageBus().session("s"), ToolCall("1", "probe"))
    positional, keyword = compiled(function, "probe").bind(arguments(function, text), context)
    return function(*positional, **keyword)


def every_kind(a: int, /, b: int, *rest: int, c: int = 3, **others: int) -> tuple[Any, ...]:
    return a, b, rest, c, others


def test_parameters_of_all_five_kinds_are_passed() -> None:
    text = '{"a": 1, "b": 2, "rest": [4, 5], "c": 6, "others": {"d": 7}}'
    assert call(every_kind, text) == (1, 2, (4, 5), 6, {"d": 7})
    assert call(every_kind, '{"a": 1, "b": 2}') == (1, 2, (), 3, {})


def skipping(a: int = 1, /, b: int = 2, *rest: int) -> tuple[Any, ...]:
    return a, b, rest


def test_a_default_stands_in_for_what_is_skipped_before_others() -> None:
    assert call(skipping, '{"rest": [9]}') == (1, 2, (9,))


def pay(amount: int, *, key: str) -> str:
    """Pay.

    Args:
        amount: How much.
    """
    return f"{amount} {key}"


def test_what_a_partial_fixes_is_hidden_from_the_model() -> None:
    bound = partial(pay, key="secret")
    read = compiled(bound, "probe")
    assert list(read.schema["properties"]) == ["amount"]
    assert "secret" not in str(read.schema)
    assert read.documentation.text == "Pay."
    assert call(bound, '{"amount": 5}') == "5 secret"


def plus_five(by: int) -> int:
    return by + 5


class Counter:
    """Counts."""

    def __call__(self, by: int) -> int:
        """Count on."""
        return by + 1

    def method(self, by: int) -> int:
        return by + 2

    @classmethod
    def of_class(cls, by: int) -> int:
        return by + 3

    @staticmethod
    def static(by: int) -> int:
        return by + 4


@pytest.mark.parametrize(
    ("function", "result"),
    [(Counter(), 2), (Counter().method, 3), (Counter.of_class, 4), (Counter.static, 5), (plus_five, 6)],
    ids=["object", "method", "class method", "static method", "function"],
)
def test_everything_that_can_be_called_can_be_a_tool(function: Callable[..., Any], result: int) -> None:
    assert call(function, '{"by": 1}') == result


def test_a_callable_object_is_described_by_its_call() -> None:
    assert compiled(Counter(), "probe").documentation.text == "Count on."


def decorated(function: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return wrapper


@decorated
def far(point: Point) -> int:
    """Far."""
    return point.x


def test_a_decorated_function_is_seen_through_its_wrapper() -> None:
    assert call(far, '{"point": {"x": 4}}') == 4


def with_context(
    city: str, context: ToolContext, other: Annotated[ToolContext | None, "Not for you."] = None
) -> tuple[Any, ...]:
    return city, context.call.name, other is context


def test_the_context_is_given_by_annotation_and_never_by_the_model() -> None:
    assert list(compiled(with_context, "probe").schema["properties"]) == ["city"]
    assert call(with_context, '{"city": "Tokyo"}') == ("Tokyo", "probe", True)
    with pytest.raises(Exception, match="unknown key 'context'"):
        call(with_context, '{"city": "Tokyo", "context": {}}')


def test_the_annotation_of_the_context_may_be_imported_for_type_checking_alone() -> None:
    namespace: dict[str, Any] = {}
    exec('def probe(ctx: "ToolContext", n: "int") -> "Nowhere": ...', namespace)
    assert list(compiled(namespace["probe"], "probe").schema["properties"]) == ["n"]


def unresolvable(value: Unknown) -> None: ...  # pyright: ignore[reportUnknownParameterType]


def generator(count: int) -> Any:
    yield count


REFUSED: list[tuple[Any, str]] = [
    (unresolvable, "'Unknown' is not defined; define or import it at the level of the module"),
    (generator, "generator function; return a list"),
    (Point, "it is a class"),
    (max, "signature cannot be read"),
]


@pytest.mark.parametrize(("function", "reason"), REFUSED, ids=["name", "generator", "class", "builtin"])
def test_what_cannot_be_read_is_refused_with_the_reason(function: Any, reason: str) -> None:
    with pytest.raises(ToolSchemaError, match=reason):
        compiled(function, "probe")


def test_a_function_is_read_once_for_all_sessions() -> None:
    assert compiled(pay, "probe") is compiled(pay, "probe")


def test_a_mutable_default_in_the_schema_is_a_copy() -> None:
    def collect(names: list[str] = []) -> None:  # noqa: B006
        names.append("x")

    schema = compiled(collect, "probe").schema
    collect()
    assert schema["properties"]["names"]["default"] == []
