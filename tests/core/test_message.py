"""Messages: how users make them, and what is refused."""

import dataclasses
from typing import Annotated, ClassVar

import attrs
import pytest

from llmgine_core import Command, Event, content
from llmgine_core.contracts import is_content, message_type
from llmgine_core.serialization import dumps, loads


def test_a_class_is_stored_under_its_module_and_name_or_the_name_that_it_sets() -> None:
    @attrs.frozen
    class Plain(Event):
        x: int = 0

    @attrs.frozen
    class Named(Event):
        type_name: ClassVar[str] = "tests.Named"
        x: int = 0

    assert Plain.type_name == f"{__name__}:{Plain.__qualname__}"
    assert message_type(Plain.type_name) is Plain
    assert message_type("tests.Named") is Named
    assert message_type("nobody's") is None


def test_a_subclass_whose_decorator_was_forgotten_is_refused_with_the_line_to_add() -> None:
    class Forgotten(Event):
        text: str

    with pytest.raises(TypeError, match=r"Forgotten\.text is an annotation but no field; put @attrs\.frozen"):
        Forgotten()
    with pytest.raises(TypeError, match="Forgotten"):
        Forgotten("x")  # type: ignore[call-arg]


def test_a_subclass_that_adds_nothing_needs_no_decorator() -> None:
    class Bare(Event):
        constant: ClassVar[int] = 5

    assert Bare(session_id="s").session_id == "s"
    assert type(loads(dumps(Bare()))) is Bare


def test_messages_are_frozen_and_slotted() -> None:
    @attrs.frozen
    class Ask(Command[str]):
        question: str

    ask = Ask("x")
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        ask.question = "y"  # type: ignore[misc]
    assert not hasattr(ask, "__dict__")
    assert attrs.evolve(ask, question="z").question == "z"


def test_content_is_marked_as_a_value_or_in_the_annotation() -> None:
    @attrs.frozen
    class Marked(Event):
        value: str = content(default="", metadata={"mine": 1})
        annotated: Annotated[str, content()] = ""
        plain: str = ""

    assert [is_content(f) for f in attrs.fields(Marked)] == [True, True, False]
    assert attrs.fields(Marked).value.metadata["mine"] == 1


def test_a_frozen_dataclass_works_or_is_refused_but_is_never_half_built() -> None:
    @dataclasses.dataclass(frozen=True)
    class Data(Event):
        text: str = ""

    try:
        event = Data("x")
        back = loads(dumps(event))
    except TypeError as error:
        assert "attrs.frozen" in str(error)  # noqa: PT017 - either way is right
    else:
        assert isinstance(back, Data)
        assert (back.text, back.id) == ("x", event.id)
