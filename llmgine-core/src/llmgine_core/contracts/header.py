"""The header that every message carries, and how it costs next to nothing until it is read.

A message is made far more often than its header is read. So construction stores one clock reading; the id is minted
when it is first read, and what the bus knows (session, cause, correlation) arrives as one `Header` object that all
messages of the same origin share. The header's names are read as properties.
"""

from __future__ import annotations

import functools
import inspect
import itertools
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from time import time_ns
from types import MappingProxyType, MemberDescriptorType
from typing import TYPE_CHECKING, Any, Self, SupportsIndex

import attrs

__all__ = [
    "NOTHING_SAID",
    "RESERVED",
    "Header",
    "HeaderFields",
    "State",
    "complete_header",
    "derived_header",
    "lifecycle_header",
    "random_hex",
    "session_header",
    "set_header",
    "stamping_first",
    "stamping_init",
    "take_header",
]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _read_only(metadata: Mapping[str, Any]) -> Mapping[str, Any]:
    # one header serves many messages: what one of them did to it, all would see
    return MappingProxyType(dict(metadata))


@attrs.frozen(kw_only=True)
class Header:
    """What messages of one origin share. Empty fields are filled when the message enters the bus.

    Attributes:
        session_id: the session that the message belongs to.
        correlation_id: id of the message that began the chain; None means the message itself.
        causation_id: id of the message that was being handled when this one was made.
        deadline: when the answer is of no more use (aware, UTC).
        traceparent: W3C Trace Context header of the caller outside llmgine (https://www.w3.org/TR/trace-context/).
        tracestate: its companion header.
        metadata: anything else that travels along; JSON values.
        unknown: what the document from which the message was read says, and this version does not know, at any depth;
            it is written again with the message.
    """

    session_id: str | None = None
    correlation_id: str | None = None
    causation_id: str | None = None
    deadline: datetime | None = None
    traceparent: str | None = None
    tracestate: str | None = None
    metadata: Mapping[str, Any] = attrs.field(factory=dict[str, Any], converter=_read_only)
    unknown: Mapping[str, Any] | None = attrs.field(default=None, repr=False)

    def __reduce__(self) -> tuple[Any, ...]:
        values = {**_values(self), "metadata": dict(self.metadata), "unknown": self.unknown}
        return _make_header, (type(self), values)


_NO_METADATA = _read_only({})


class _OpenHeader(Header):
    """A header while it is being filled, with values taken from other headers; then it is frozen like any other.

    To write past the frozen class costs more for each field than all this does.
    """

    __slots__ = ()
    __setattr__, __delattr__ = object.__setattr__, object.__delattr__

    def __init__(
        self,
        session_id: str | None,
        correlation_id: str | None = None,
        causation_id: str | None = None,
        deadline: datetime | None = None,
        traceparent: str | None = None,
        tracestate: str | None = None,
        metadata: Mapping[str, Any] = _NO_METADATA,
    ) -> None:
        header: Any = self  # of which checkers know only that it is frozen
        header.session_id = session_id
        header.correlation_id = correlation_id
        header.causation_id = causation_id
        header.deadline = deadline
        header.traceparent = traceparent
        header.tracestate = tracestate
        header.metadata = metadata
        header.unknown = None
        header.__class__ = Header


def session_header(session_id: str | None) -> Header:
    """The header of messages of a session of which nothing else is known."""
    return _OpenHeader(session_id)


def _make_header(cls: type[Header], values: dict[str, Any]) -> Header:
    return cls(**values)


class _Draft(Header):
    """What a message's maker named, to be completed when the message enters the bus."""

    __slots__ = ()


NOTHING_SAID = _Draft()
"""The header of a message whose maker named nothing, until it enters the bus."""

_HEADER_FIELDS = frozenset(a.name for a in attrs.fields(Header)) - {"unknown"}  # which no maker of a message names
RESERVED = _HEADER_FIELDS | {"id", "timestamp", "header", "with_header"}
"""Names that a message's own fields cannot have."""

_CACHED_HASH = "_attrs_cached_hash"
_MORE_IN_INIT = ("__attrs_pre_init__", "__attrs_post_init__", _CACHED_HASH)
_mint_lock = threading.Lock()
_TIME = (1 << 60) - 1  # of the milliseconds 48 bits, so that a time before 1970 is one, too, and 12 of their fraction
_ALL_DIGITS = 1 << 60  # a bit above them, lest leading zeros be left out


_VARIANT = bytes(byte & 0x3F | 0x80 for byte in range(256))


def _draw_numbers(_: int) -> list[str]:
    """Random numbers of 128 bits; many at a time, since each draw is a call of the kernel."""
    return os.urandom(4096).hex(" ", 16).split(" ")


def _draw_tails(_: int) -> list[str]:
    """The second halves of ids: two bits of variant, 62 random ones."""
    drawn = bytearray(os.urandom(4096))
    drawn[::8] = drawn[::8].translate(_VARIANT)
    return drawn.hex(" ", 8).split(" ")


def _endless(draw: Callable[[int], list[str]]) -> Iterator[str]:
    return itertools.chain.from_iterable(map(draw, itertools.count()))


def _renew_numbers() -> None:
    """Begin anew in a child process, which would repeat its parent's numbers.

    A thread of the parent may hold the lock; in the child there is nobody to let it go.
    """
    global _numbers, _tails, _mint_lock
    _numbers, _tails, _mint_lock = _endless(_draw_numbers), _endless(_draw_tails), threading.Lock()


_numbers, _tails = _endless(_draw_numbers), _endless(_draw_tails)
if hasattr(os, "register_at_fork"):  # Windows does not fork
    os.register_at_fork(after_in_child=_renew_numbers)


def random_hex() -> str:
    """128 random bits as 32 hexadecimal digits."""
    return next(_numbers)


class State:
    """The slots behind the header's properties; written in place, once.

    `_id` holds the stamp, nanoseconds since the epoch, until the id is minted; from then on `_stamp` does.

    Attributes:
        header: what messages of one origin share. An unset slot costs four times as much to ask for as one that is
            set, so this one is set from the beginning. (A `__getattr__` would make all attributes cost as much.)
    """

    __slots__ = ("__weakref__", "_id", "_stamp", "header")
    header: Header
    _id: str | int
    _stamp: int

    def with_header(self, header: Header) -> Self:
        """Give a message that was just made the header that it shares with others, and return it."""
        set_header(self, header)
        return self

    def __reduce_ex__(self, protocol: SupportsIndex) -> tuple[Any, ...]:
        """A copy, and what comes out of a pickle, is the same message: its header goes along."""
        if type(self._id) is int:
            _mint(self)
        slots = {name for kind in type(self).__mro__ for name in kind.__dict__.get("__slots__", ())} - _NO_VALUES
        values = {name: getattr(self, name) for name in slots if hasattr(self, name)} | getattr(self, "__dict__", {})
        if _CACHED_HASH in values:  # of another process, words have other hashes
            values[_CACHED_HASH] = None
        return _rebuilt, (type(self), values)


_NO_VALUES = {"__weakref__", "__dict__"}


def _rebuilt(cls: type[State], values: dict[str, Any]) -> State:
    message = cls.__new__(cls)
    for name, value in values.items():
        object.__setattr__(message, name, value)  # the classes are frozen
    return message


if TYPE_CHECKING:

    @attrs.frozen
    class HeaderFields(State):
        """What type checkers see: the header as keyword-only arguments and attributes."""

        id: str = attrs.field(default="", kw_only=True, eq=False, repr=False)
        timestamp: datetime = attrs.field(default=_EPOCH, kw_only=True, eq=False, repr=False)
        session_id: str | None = attrs.field(default=None, kw_only=True, eq=False, repr=False)
        correlation_id: str = attrs.field(default="", kw_only=True, eq=False, repr=False)
        causation_id: str | None = attrs.field(default=None, kw_only=True, eq=False, repr=False)
        deadline: datetime | None = attrs.field(default=None, kw_only=True, eq=False, repr=False)
        traceparent: str | None = attrs.field(default=None, kw_only=True, eq=False, repr=False)
        tracestate: str | None = attrs.field(default=None, kw_only=True, eq=False, repr=False)
        metadata: Mapping[str, Any] = attrs.field(factory=dict[str, Any], kw_only=True, eq=False, repr=False)

else:

    class HeaderFields(State):
        """What runs: the same names as properties over three slots."""

        __slots__ = ()

        @property
        def id(self) -> str:
            """128 bits as 32 hexadecimal digits, minted when first read."""
            id_ = self._id
            return id_ if type(id_) is str else _mint(self)

        @property
        def timestamp(self) -> datetime:
            """When the message was made."""
            stamp = self._id
            return _EPOCH + timedelta(microseconds=(self._stamp if type(stamp) is str else stamp) // 1000)

        @property
        def correlation_id(self) -> str:
            """Id of the message that began the chain."""
            return self.header.correlation_id or self.id

        session_id = property(lambda self: self.header.session_id)
        causation_id = property(lambda self: self.header.causation_id)
        deadline = property(lambda self: self.header.deadline)
        traceparent = property(lambda self: self.header.traceparent)
        tracestate = property(lambda self: self.header.tracestate)
        metadata = property(lambda self: self.header.metadata)


# The stamp is written through the slots' descriptors, since the classes are frozen.
_set_stamp = State.__dict__["_stamp"].__set__
_set_id = State.__dict__["_id"].__set__
set_header: Callable[[State, Header], None] = State.__dict__["header"].__set__
"""Write a message's header in place; the bus does, when the message enters it."""


def stamping_init(init: Any, owner: type[State]) -> Any:
    """Wrap an `__init__` so that it stamps the message and takes the header's names.

    The wrapper is generated with the same parameters, because a call through `*args, **kwargs` costs twice as much.
    Where all that `init` does is to put its arguments into slots, the wrapper does it in its place, at half the cost.
    """
    init = getattr(init, "_llmgine_written", init)
    code = init.__code__
    if code.co_flags & (inspect.CO_VARARGS | inspect.CO_VARKEYWORDS):
        return stamping_first(init)
    positional = code.co_varnames[1 : code.co_argcount]
    keyword_only = code.co_varnames[code.co_argcount : code.co_argcount + code.co_kwonlyargcount]
    declared = ["self", *positional, *(["*", *keyword_only] if keyword_only else []), "**_llmgine_header"]
    passed = ["self", *positional, *(f"{name}={name}" for name in keyword_only)]
    slots = _plain_slots(owner, init, (*positional, *keyword_only))
    setting = f"_llmgine_init({', '.join(passed)})"
    if slots is not None:
        setting = "\n    ".join(
            f"_llmgine_set_{name}(self, {name if convert is None else f'_llmgine_convert_{name}({name})'})"
            for name, (_, convert) in slots.items()
        )
    # the header comes first, so that validators and __attrs_post_init__ see it
    source = (
        f"def __init__({', '.join(declared)}):\n"
        f"    _llmgine_set_id(self, _llmgine_now())\n"
        f"    _llmgine_set_header(self, _llmgine_nothing)\n"
        f"    if _llmgine_header: _llmgine_take_header(self, _llmgine_header)\n"
        f"    {setting}\n"
    )
    # Every name but `self` is reserved: the parameters are called what users call their fields.
    namespace: dict[str, Any] = {
        "_llmgine_init": init,
        "_llmgine_set_id": _set_id,
        "_llmgine_now": time_ns,
        "_llmgine_set_header": set_header,
        "_llmgine_nothing": NOTHING_SAID,
        "_llmgine_take_header": take_header,
        **{f"_llmgine_set_{name}": set_slot for name, (set_slot, _) in (slots or {}).items()},
        **{f"_llmgine_convert_{name}": convert for name, (_, convert) in (slots or {}).items()},
    }
    exec(source, namespace)
    wrapper = namespace["__init__"]
    wrapper.__defaults__, wrapper.__kwdefaults__ = init.__defaults__, init.__kwdefaults__
    wrapper.__annotations__, wrapper.__qualname__ = init.__annotations__, f"{owner.__qualname__}.__init__"
    return wrapper


def stamping_first(init: Any) -> Any:
    """Wrap an `__init__` that somebody has written so that the message is stamped even if it never calls ours."""

    @functools.wraps(init)
    def stamped_init(self: State, *args: Any, **kwargs: Any) -> None:
        if not hasattr(self, "_id"):  # else a class below has done it
            _set_id(self, time_ns())
            set_header(self, NOTHING_SAID)
        init(self, *args, **kwargs)

    written: Any = stamped_init
    written._llmgine_written = init
    return written


def _plain_slots(owner: type[State], init: Any, parameters: tuple[str, ...]) -> dict[str, tuple[Any, Any]] | None:
    """By parameter of a class's `__init__`, what writes it into its slot, and what converts it before, if anything.

    None if `__init__` does more than that.
    """
    if not init.__code__.co_filename.startswith("<attrs generated"):  # somebody has written it
        return None
    fields: tuple[Any, ...] = owner.__dict__.get("__attrs_attrs__", ())
    slots = {field.name: inspect.getattr_static(owner, field.name, None) for field in fields}
    is_plain = (
        tuple(slots) == parameters  # else a field goes by another name, or is left out
        and all(isinstance(slot, MemberDescriptorType) for slot in slots.values())
        and not any(map(_does_more, fields))
        and not any(hasattr(owner, name) for name in _MORE_IN_INIT)
    )
    return {f.name: (slots[f.name].__set__, f.converter) for f in fields} if is_plain else None


def _does_more(field: Any) -> bool:
    converts_more = isinstance(field.converter, attrs.Converter)  # one that asks for the message or the field, too
    return field.validator is not None or converts_more or hasattr(field.default, "factory")


def take_header(message: State, given: dict[str, Any]) -> None:
    """Give a message the header fields that its maker named.

    Raises:
        TypeError: a name is no field of the header.
        ValueError: the timestamp or the deadline has no time zone.
    """
    unknown = given.keys() - _HEADER_FIELDS - {"id", "timestamp"}
    if unknown:
        raise TypeError(
            f"{type(message).__name__}() got an unexpected keyword argument {min(unknown)!r}; "
            f"beside its fields a message takes id, timestamp, {', '.join(sorted(_HEADER_FIELDS))}"
        )
    if (timestamp := given.pop("timestamp", None)) is not None:
        _set_id(message, _nanoseconds(timestamp))
    if (id_ := given.pop("id", None)) is not None:
        if not isinstance(id_, str):
            raise TypeError(f"id is a string, not {id_!r}")
        _set_stamp(message, message._id)  # pyright: ignore[reportPrivateUsage]
        _set_id(message, id_)
    deadline = given.get("deadline")
    if deadline is not None and deadline.tzinfo is None:
        raise ValueError(f"deadline {deadline.isoformat()} has no time zone; give an aware one, datetime.now(UTC) + …")
    if given:
        set_header(message, _Draft(**given))


def _nanoseconds(timestamp: datetime) -> int:
    if not isinstance(timestamp, datetime):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError(f"timestamp is a datetime, not {timestamp!r}")
    if timestamp.tzinfo is None:
        raise ValueError(f"timestamp {timestamp.isoformat()} has no time zone; give an aware one, datetime.now(UTC)")
    return (timestamp - _EPOCH) // timedelta(microseconds=1) * 1000


def _mint(message: Any) -> str:
    """Give the message its id: 48 bits of milliseconds, 12 of their fraction, 62 random (RFC 9562, method 3)."""
    with _mint_lock:  # two threads that read the id at once must see the same one
        stamp: Any = message._id
        if type(stamp) is str:
            return stamp
        time = hex((stamp << 12) // 1_000_000 & _TIME | _ALL_DIGITS)
        id_ = f"{time[3:15]}7{time[15:]}{next(_tails)}"
        _set_stamp(message, stamp)
        _set_id(message, id_)
        return id_


def lifecycle_header(message: HeaderFields) -> Header:
    """The header of events that tell of `message` itself: its session, its chain, its cause."""
    header = message.header
    correlation_id = header.correlation_id
    if correlation_id and type(header) is Header and header.unknown is None:
        return header
    return _OpenHeader(
        header.session_id,
        correlation_id or message.id,
        header.causation_id,
        header.deadline,
        header.traceparent,
        header.tracestate,
        header.metadata,
    )


def _values(header: Header) -> dict[str, Any]:
    return {name: getattr(header, name) for name in _HEADER_FIELDS}


def derived_header(cause: HeaderFields) -> Header:
    """The header of what is made while `cause` is being handled."""
    header = cause.header
    return _OpenHeader(
        header.session_id,
        header.correlation_id or cause.id,
        cause.id,
        traceparent=header.traceparent,
        tracestate=header.tracestate,
    )


def complete_header(message: State, origin: Header, derived: Header | None) -> None:
    """Fill, once, what the message's maker left empty.

    Args:
        message: the message.
        origin: what messages sent through the same bus or session share.
        derived: what is made while another message is being handled; None if none is.
    """
    given = message.header
    if type(given) is Header:
        return
    if given is NOTHING_SAID and derived is None:
        set_header(message, origin)
        return
    known = derived or origin
    values = {name: getattr(given, name) or getattr(known, name) for name in _HEADER_FIELDS}
    values["session_id"] = given.session_id or origin.session_id or known.session_id
    if given.unknown is not None:
        values["unknown"] = given.unknown
    set_header(message, Header(**values))
