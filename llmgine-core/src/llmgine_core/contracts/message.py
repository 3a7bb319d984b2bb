"""`Message` and its kinds: what every command and event is, whoever made it."""

from __future__ import annotations

import weakref
from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, ClassVar, Final, Generic, TypeVar

import attrs

from llmgine_core.contracts.header import Header, HeaderFields, lifecycle_header, stamping_init

__all__ = [
    "CONTENT",
    "Command",
    "Event",
    "Header",
    "Message",
    "StreamCommand",
    "content",
    "current_message",
    "handling",
    "is_content",
    "lifecycle_header",
    "message_type",
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


def is_content(field: attrs.Attribute[Any]) -> bool:
    """Whether a field of a message class is marked `content()`, in either form."""
    marks = [field.metadata, *(getattr(m, "metadata", {}) for m in getattr(field.type, "__metadata__", ()))]
    return any(CONTENT.items() <= mark.items() for mark in marks)


_types: weakref.WeakValueDictionary[str, type[Message]] = weakref.WeakValueDictionary()
_current: ContextVar[Message | None] = ContextVar("llmgine_current_message", default=None)


def message_type(type_name: str) -> type[Message] | None:
    """The message class of that stored name, if it has been imported."""
    return _types.get(type_name)


def _refuse_lost_fields(cls: type[Message], surplus: tuple[Any, ...]) -> None:
    """Refuse a subclass whose annotations are no fields because the decorator was forgotten; and surplus arguments."""
    fields = {a.name for a in attrs.fields(cls)}
    for base in cls.__mro__:
        for name, annotation in vars(base).get("__annotations__", {}).items():
            if name not in fields and "ClassVar" not in str(annotation) and issubclass(base, Message):
                raise TypeError(
                    f"{base.__qualname__}.{name} is an annotation but no field; "
                    f"put @attrs.frozen on the line above `class {base.__name__}`"
                )
    if surplus:
        raise TypeError(f"{cls.__name__}() takes {len(fields)} positional arguments at most; left over: {surplus!r}")


@attrs.frozen
class Message(HeaderFields):
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
        _types[cls.type_name] = cls
        # attrs builds a slotted class anew, with its __init__ already in place: this is the moment to wrap that one.
        if "__attrs_attrs__" in cls.__dict__ and "__init__" in cls.__dict__:
            setattr(cls, "__init__", stamping_init(cls.__dict__["__init__"], cls, _refuse_lost_fields))  # noqa: B010


@attrs.frozen
class Command(Message, Generic[R_co]):
    """Asks for one thing and is answered with an `R`: `class Ask(Command[str])`."""

    type_name: ClassVar[str] = "Command"


@attrs.frozen
class StreamCommand(Message, Generic[T_co]):
    """Asks for something and is answered with a stream of `T`."""

    type_name: ClassVar[str] = "StreamCommand"


@attrs.frozen
class Event(Message):
    """Says that something happened.

    Attributes:
        span_field: name of the field that holds the id of the message (a command, a start event) whose span this event
            belongs to; None for an event that stands for itself.
    """

    type_name: ClassVar[str] = "Event"
    span_field: ClassVar[str | None] = None


def current_message() -> Message | None:
    """The message that is being handled here; what is sent meanwhile names it as its cause."""
    return _current.get()


@contextmanager
def handling(message: Message) -> Generator[None]:
    """Let what is sent inside the block name `message` as its cause, and take over its session and chain."""
    token = _current.set(message)
    try:
        yield
    finally:
        _current.reset(token)
