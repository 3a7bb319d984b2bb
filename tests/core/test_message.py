"""Messages: how users make them, and what is refused."""

from __future__ import annotations

import copy
import dataclasses
import pickle
from collections.abc import Callable
from typing import Annotated, Any, ClassVar

import attrs
import pytest

from llmgine_core import Command, Event, content
from llmgine_core.contracts import content_fields, message_type
from llmgine_core.observability import ContentPolicy
from llmgine_core.serialization import dumps, loads


@attrs.frozen
class Ask(Command[str]):
    question: str


@dataclasses.dataclass(frozen=True, slots=True)
class Slotted(Event):
    text: str


@attrs.frozen(cache_hash=True)
class Hashed(Event):
    text: str


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

    assert content_fields(Marked) == {"value", "annotated"}
    assert attrs.fields(Marked).value.metadata["mine"] == 1


@attrs.frozen
class Unreadable(Event):
    text: NobodyKnows  # type: ignore[name-defined]  # noqa: F821


@dataclasses.dataclass(frozen=True)
class Noted(Event):
    note: Annotated[str, content()]
    number: int = 0


def test_what_cannot_be_read_counts_as_content() -> None:
    """An annotation that only type checkers can resolve must not let words leak."""
    assert content_fields(Unreadable) == {"text"}
    assert content_fields(Noted) == {"note"}
    shown = ContentPolicy().project(Noted("SECRET", 3))
    assert shown == {"note": {"omitted": "content", "bytes": 6}, "number": 3}


def test_a_dataclass_is_a_message_like_any_other() -> None:
    """Decorators that set `__init__` on a finished class are seen too: header, stamp and fields are whole."""
    noted = Noted("x", session_id="s")  # type: ignore[call-arg]
    assert (noted.note, noted.session_id) == ("x", "s")
    assert loads(dumps(noted)) == noted

    @attrs.frozen(slots=False)
    class Loose(Event):
        text: str

    loose = Loose("x", session_id="s")
    assert (loose.text, loose.session_id) == ("x", "s")


def test_fields_may_be_called_what_construction_uses() -> None:
    """No name but the header's is taken."""

    @attrs.frozen
    class Named(Event):
        type: str
        now: str = "n"
        init: str = "i"
        owner: str = "o"
        check: str = "c"
        surplus: str = "s"

    assert Named("t").type == "t"
    assert Named("t", session_id="q").session_id == "q"


@pytest.mark.parametrize("name", ["id", "timestamp", "session_id", "metadata", "header"])
def test_a_field_cannot_hide_the_header(name: str) -> None:
    """The class is refused where it is written."""
    with pytest.raises(TypeError, match=rf"{name} hides the header's '{name}'"):
        type("Hiding", (Event,), {"__annotations__": {name: str}, "__module__": __name__})


def test_a_taken_type_name_is_refused() -> None:
    """Stored messages would read back as another class."""
    with pytest.raises(
        TypeError, match=r"'SessionStartEvent' belongs to llmgine_core\.events\.runtime:SessionStartEvent"
    ):
        type("Mine", (Event,), {"type_name": "SessionStartEvent", "__module__": __name__})


def test_a_forgotten_decorator_is_found_below_a_decorated_class_too() -> None:
    """A base whose annotation never became a field is refused when the class below is made."""

    class Forgotten(Event):
        x: int

    with pytest.raises(TypeError, match=r"put @attrs\.frozen on the line above `class Forgotten`"):

        @attrs.frozen
        class Below(Forgotten):
            y: int = 0


def pickled(message: Event) -> Any:
    return pickle.loads(pickle.dumps(message))


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, pickled])
def test_a_copy_is_the_same_message(copied: Callable[[Any], Any]) -> None:
    """Id, time and header go along, whatever kind of class it is."""
    kinds: list[Any] = [Ask, Noted, Slotted, Hashed]
    for kind in kinds:
        event = kind("x", session_id="s", metadata={"k": [1]})
        known = hash(event)
        again = copied(event)
        assert (again, hash(again)) == (event, known)
        assert (again.id, again.timestamp, again.session_id) == (event.id, event.timestamp, "s")
        assert again.metadata == {"k": [1]}


def test_metadata_cannot_be_changed_through_one_of_the_messages_that_share_it() -> None:
    """What one message did to a shared header, all would see."""
    with pytest.raises(TypeError, match="does not support item assignment"):
        Ask("x").metadata["leak"] = 1  # type: ignore[index]
    assert dict(Ask("y").metadata) == {}


def test_validators_see_the_header() -> None:
    """The header is there before the fields are."""
    seen: list[str | None] = []

    @attrs.frozen
    class Checked(Event):
        text: str

        def __attrs_post_init__(self) -> None:
            seen.append(self.session_id)

    Checked("x", session_id="s")
    assert seen == ["s"]


def test_an_init_that_does_more_than_fill_fields_is_called_for_what_it_does() -> None:
    """Converters, factories, hooks, defaults and an `__init__` of its own work as in any attrs class."""

    @attrs.frozen(init=False)
    class Written(Event):
        number: int

        def __init__(self, number: int) -> None:
            object.__setattr__(self, "number", number + 1)

    @attrs.frozen
    class Converted(Event):
        number: int = attrs.field(converter=int)
        more: list[int] = attrs.field(factory=list[int])

    @attrs.frozen
    class Plain(Event):
        number: Any = attrs.field(default="7", converter=int)

    def above_base(value: int, event: Any) -> int:
        return int(event.base) + value

    @attrs.frozen
    class Relative(Event):
        base: int
        number: int = attrs.field(converter=attrs.Converter(above_base, takes_self=True))  # type: ignore[misc]

    @attrs.frozen
    class Checked(Event):
        number: int = attrs.field(validator=attrs.validators.gt(0))

    @attrs.frozen
    class Renamed(Event):
        _number: int = attrs.field(default=7, alias="count")

    @attrs.frozen
    class Fixed(Event):
        number: int = attrs.field(init=False, default=7)

    @attrs.frozen(cache_hash=True)
    class Hashed(Event):
        number: int

    assert Written(1).number == 2
    assert (Converted("1").number, Converted(1).more) == (1, [])
    assert (Plain().number, Plain("3").number) == (7, 3)
    assert Relative(40, 2).number == 42
    with pytest.raises(ValueError, match="> 0"):
        Checked(0)
    assert Renamed(count=3) == Renamed(3) != Renamed()
    assert Fixed().number == 7
    assert hash(Hashed(1)) == hash(Hashed(1))
    assert all(m.timestamp for m in (Written(1), Converted(1), Checked(1), Renamed(), Fixed(), Hashed(1)))


def test_a_class_decorated_in_place_looks_at_its_fields_no_more_and_one_below_it_does() -> None:
    class Lost(Noted):
        more: int

    assert Noted("x").number == 0
    with pytest.raises(TypeError, match=r"Lost\.more is an annotation but no field"):
        Lost("x")
