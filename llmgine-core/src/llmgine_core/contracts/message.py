"""`Message` and its kinds: what every command and event is, whoever made it."""

from __future__ import annotations

import dataclasses
import inspect
import sys
import weakref
from collections.abc import AsyncIterator, Awaitable, Generator, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, ClassVar, Final, Generic, Self, TypeVar, cast

import attrs

from llmgine_core.contracts.header import (
    RESERVED,
    Header,
    HeaderFields,
    derived_header,
    lifecycle_header,
    stamping_first,
    stamping_init,
)

__all__ = [
    "CONTENT",
    "Command",
    "Event",
    "Handling",
    "Header",
    "Message",
    "StreamCommand",
    "content",
    "content_fields",
    "current_handling",
    "current_message",
    "handling",
    "lifecycle_header",
    "message_type",
    "still_handled",
]

R_co = TypeVar("R_co", covariant=True)
T_co = TypeVar("T_co", covariant=True)

CONTENT: Final = {"llmgine.content": True}
"""Field metadata that marks content; `content()` sets it."""


def content(**options: Any) -> Any:
    """Mark a field as content: words of users, models or tools, which observability omits unless told otherwise.

    Use it as the field's value (`text: str = content()`) or, where a type checker should keep seeing the plain type, as
    an annotation (`text: Annotated[str, content()]`).

    Args:
        **options: passed on to `attrs.field` (`default=`, `factory=`, `converter=` …).
    """
    metadata = {**options.pop("metadata", {}), **CONTENT}
    return attrs.field(metadata=metadata, **options)


def content_fields(cls: type[Any]) -> frozenset[str]:
    """The names of a class's fields that are marked `content()`, in either form.

    A field whose annotation cannot be read (a name that only type checkers import) counts as content, lest it leak.

    Args:
        cls: an attrs class or a dataclass.
    """
    # a dataclass that is a message has the attributes of its attrs base besides
    fields: tuple[Any, ...] = dataclasses.fields(cls) if dataclasses.is_dataclass(cls) else attrs.fields(cls)
    return frozenset(field.name for field in fields if _is_content(cls, field))


def _is_content(cls: type[Any], field: Any) -> bool:
    if CONTENT.items() <= dict(field.metadata).items():
        return True
    annotation = field.type
    if isinstance(annotation, str):
        owner = next(c for c in cls.__mro__ if field.name in vars(c).get("__annotations__", ()))
        try:
            annotation = eval(annotation, vars(sys.modules[owner.__module__]), dict(vars(owner)))
        except Exception:  # whatever an annotation may raise: what is not known is not shown
            return True
    marks = (getattr(mark, "metadata", {}) for mark in getattr(annotation, "__metadata__", ()))
    return any(CONTENT.items() <= mark.items() for mark in marks)


_types: weakref.WeakValueDictionary[str, type[Message]] = weakref.WeakValueDictionary()
current_handling: ContextVar[Handling | None] = ContextVar("llmgine_handling", default=None)
"""What is being handled here; the bus sets it around every call of a handler."""


def message_type(type_name: str) -> type[Message] | None:
    """The message class of that stored name, if it has been imported."""
    return _types.get(type_name)


def _own_fields(cls: type[Any]) -> Iterator[tuple[type[Any], str]]:
    """Annotations that look like fields, with the class that has them."""
    for base in cls.__mro__:
        if issubclass(base, Message):
            for name, annotation in vars(base).get("__annotations__", {}).items():
                if _is_field(annotation):
                    yield base, name


def _is_field(annotation: Any) -> bool:
    return "ClassVar" not in str(annotation)


def _refuse_lost_fields(cls: type[Message]) -> None:
    """Refuse a class whose annotations are no fields because the decorator was forgotten."""
    known = {a.name for a in attrs.fields(cls)} | set(getattr(cls, "__dataclass_fields__", ()))
    for base, name in _own_fields(cls):
        if name not in known:
            raise TypeError(
                f"{base.__qualname__}.{name} is an annotation but no field; "
                f"put @attrs.frozen on the line above `class {base.__name__}`"
            )


def _refuse_header_names(cls: type[Message]) -> None:
    """Refuse fields that would hide the header's."""
    for base, name in _own_fields(cls):
        if name in RESERVED:
            raise TypeError(f"{base.__qualname__}.{name} hides the header's {name!r}; give the field another name")


def _look_first(cls: type[Message], *_: Any, **__: Any) -> Message:
    _refuse_lost_fields(cls)
    return object.__new__(cls)


def _look_no_more(cls: type[Message], *_: Any, **__: Any) -> Message:
    return object.__new__(cls)


_LOOK_FIRST, _LOOK_NO_MORE = staticmethod(_look_first), staticmethod(_look_no_more)


class _MessageType(type):
    """Sees whether a decorator has made fields of a class's annotations, and wraps the `__init__` that it sets.

    A slotted attrs class is built anew, with its `__init__` in place. `@dataclass` and `@attrs.frozen(slots=False)` set
    `__init__` on the class that is there already. What comes with neither looks at its fields when it is constructed;
    that is asked here, once for a class, since to ask each message costs as much as one of its fields.
    """

    def __new__(mcs, name: str, bases: tuple[type, ...], namespace: dict[str, Any], **kwargs: Any) -> _MessageType:
        if "__attrs_attrs__" not in namespace:
            if any(map(_is_field, namespace.get("__annotations__", {}).values())):
                namespace.setdefault("__new__", _LOOK_FIRST)
        elif namespace.get("__new__") is _LOOK_FIRST:
            del namespace["__new__"]
        return super().__new__(mcs, name, bases, namespace, **kwargs)

    def __setattr__(cls, name: str, value: Any) -> None:
        if name == "__init__" and inspect.isfunction(value):
            value = stamping_init(value, cast("type[Message]", cls))
            if cls.__dict__.get("__new__") is _LOOK_FIRST:  # to delete it would not make `object.__new__` do again
                super().__setattr__("__new__", _LOOK_NO_MORE)
        super().__setattr__(name, value)


@attrs.frozen
class Message(HeaderFields, metaclass=_MessageType):
    """What travels on the bus. Subclass `Command`, `StreamCommand` or `Event`, decorated with `@attrs.frozen`.

    Every message takes the header's names as keyword-only arguments. None of them is part of equality, and what is left
    empty is filled in when the message enters the bus.

    Attributes:
        id: 128 bits as 32 hexadecimal digits, ordered by time of creation (UUID version 7, RFC 9562 §5.7).
        timestamp: when the message was made (aware, UTC).
        session_id: the session that the message belongs to.
        correlation_id: id of the message that began the chain; the message's own id if it did.
        causation_id: id of the message that was being handled when this one was made.
        deadline: when the answer is of no more use (aware, UTC).
        traceparent: W3C Trace Context header of the caller outside llmgine.
        tracestate: its companion header.
        metadata: anything else that travels along; JSON values.

    Raises:
        TypeError: on construction, if a subclass has annotations that never became fields.
    """

    type_name: ClassVar[str] = "Message"
    """The name under which the class is stored; `module:qualname` unless the class sets it."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "type_name" not in cls.__dict__:
            cls.type_name = f"{cls.__module__}:{cls.__qualname__}"
        _refuse_header_names(cls)
        _register(cls)
        if "__init__" not in cls.__dict__:
            return
        # attrs builds a slotted class anew, with its __init__ already in place: this is the moment to wrap that one.
        if "__attrs_attrs__" in cls.__dict__:
            _refuse_lost_fields(cls)
            setattr(cls, "__init__", cls.__dict__["__init__"])  # noqa: B010 - wrapped on the way, by the metaclass
        else:
            type.__setattr__(cls, "__init__", stamping_first(cls.__dict__["__init__"]))


def _register(cls: type[Message]) -> None:
    known = _types.get(cls.type_name)
    if known is not None and (known.__module__, known.__qualname__) != (cls.__module__, cls.__qualname__):
        raise TypeError(
            f"the type name {cls.type_name!r} belongs to {known.__module__}:{known.__qualname__}; give "
            f"{cls.__qualname__} another type_name"
        )
    _types[cls.type_name] = cls


@attrs.frozen
class Command(Message, Generic[R_co]):
    """Asks for one thing and is answered with an `R`: `class Ask(Command[str])`."""

    type_name: ClassVar[str] = "Command"

    if TYPE_CHECKING:  # what `abc.CommandType` reads off the class; nothing of it exists at run time

        @classmethod
        def _llmgine_handled(cls) -> Self: ...

        @classmethod
        def _llmgine_answered(cls, answer: Awaitable[R_co], /) -> None: ...


@attrs.frozen
class StreamCommand(Message, Generic[T_co]):
    """Asks for something and is answered with a stream of `T`."""

    type_name: ClassVar[str] = "StreamCommand"

    if TYPE_CHECKING:

        @classmethod
        def _llmgine_handled(cls) -> Self: ...

        @classmethod
        def _llmgine_answered(cls, answer: AsyncIterator[T_co], /) -> None: ...


@attrs.frozen
class Event(Message):
    """Says that something happened.

    Attributes:
        span_field: name of the field that holds the id of the message (a command, a start event) whose span this event
            belongs to; None for an event that stands for itself.
    """

    type_name: ClassVar[str] = "Event"
    span_field: ClassVar[str | None] = None


class Handling:
    """A message that is being handled, as seen from the code below it.

    One is made for every message that is handled. So where a bus makes one it writes the slots itself, all of them:
    that costs half as much as an `__init__`. Elsewhere `below` does.

    Attributes:
        message: the message.
        above: what was being handled where this began.
        over: whether it has ended; tasks that it started may still see it.
        known_derived: `derived`, once it has been asked for.
    """

    __slots__ = ("above", "known_derived", "message", "over")
    message: Message
    above: Handling | None
    over: bool
    known_derived: Header | None

    @classmethod
    def below(cls, above: Handling | None, message: Message) -> Self:
        """The handling of a message that begins below another's."""
        here = cls()
        here.message, here.above, here.over, here.known_derived = message, above, False, None
        return here

    def end(self) -> None:
        """Note that it has ended, and let go of those above that have: a chain of events must not keep them all."""
        self.over = True
        if self.above is not None:
            self.above = still_handled(self.above)

    @property
    def derived(self) -> Header:
        """The header that everything made below shares, as far as its maker leaves it empty."""
        if self.known_derived is None:
            self.known_derived = derived_header(self.message)
        return self.known_derived


def still_handled(handling: Handling | None) -> Handling | None:
    """The nearest of `handling` and those above it that has not ended."""
    while handling is not None and handling.over:
        handling = handling.above
    return handling


def current_message() -> Message | None:
    """The message that is being handled here; what is sent meanwhile names it as its cause."""
    here = current_handling.get()
    return None if here is None else here.message


@contextmanager
def handling(message: Message) -> Generator[None]:
    """Let what is sent inside the block name `message` as its cause, and take over its session and chain."""
    here = Handling.below(current_handling.get(), message)
    token = current_handling.set(here)
    try:
        yield
    finally:
        here.end()
        current_handling.reset(token)
