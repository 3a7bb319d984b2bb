"""What is wrong with settings, told with source, key and cure."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

import attrs

from llmgine_core._settings._types import fields_of, is_enumeration, is_table, key_of, noun
from llmgine_core.config import Selection, Text, hide, mask
from llmgine_core.contracts.outcomes import exception_message

__all__ = ["Fault", "faults_in", "tell", "unknown"]

_ABSENT = object()


@attrs.frozen
class Fault:
    """One thing that is wrong with the settings.

    Attributes:
        error: what was raised.
        path: of the setting.
        wanted: the setting's type.
    """

    error: BaseException
    path: tuple[str, ...]
    wanted: Any


def faults_in(error: BaseException, wanted: Any, path: tuple[str, ...] = ()) -> Iterator[Fault]:
    """Each single thing that is wrong; cattrs notes on each error which attribute or item it is of."""
    from cattrs.errors import AttributeValidationNote, IterableValidationNote

    for note in getattr(error, "__notes__", ()):
        if isinstance(note, AttributeValidationNote):
            path, wanted = (*path, key_of(wanted, note.name)), note.type
        elif isinstance(note, IterableValidationNote):
            path, wanted = (*path, str(note.index)), note.type
    if isinstance(error, BaseExceptionGroup):
        for each in cast("BaseExceptionGroup[BaseException]", error).exceptions:
            yield from faults_in(each, wanted, path)
    else:
        yield Fault(error, path, wanted)


def tell(selection: Selection, fault: Fault) -> Iterator[str]:
    """Say what is wrong, where it was said, and of which plugin; of unknown keys, one text each."""
    from cattrs.errors import ForbiddenExtraKeysError

    error, path = fault.error, fault.path
    if isinstance(error, ForbiddenExtraKeysError):
        known = list(fields_of(error.cl))
        yield from (unknown(selection, (*path, key), known) for key in sorted(map(str, error.extra_fields)))
        return
    value = _value_at(selection.settings, path)
    if value is _ABSENT:
        yield _told(selection, path, f"it is missing; {noun(fault.wanted)} is wanted")
    elif (isinstance(error, ValueError) and not is_enumeration(fault.wanted)) or _fits(value, fault.wanted):
        yield _told(selection, (*path, *_field_of(error, fault.wanted)), hide(_text_of(error), selection.settings))
    else:
        yield _told(selection, path, f"{noun(fault.wanted)} is wanted, not {_shown(value, path)}")


def _shown(value: Any, path: tuple[str, ...]) -> str:
    """The value as it may be shown: an item of a list is as secret as the list, what is in a table as the table."""
    key = next((step for step in reversed(path) if not step.isdigit()), "")
    if isinstance(value, Mapping) and mask(key, "a text") != "a text":
        return "a table"
    return repr(mask(key, value))


def _fits(value: Any, wanted: Any) -> bool:
    """Whether a table was given where one is wanted, so that it is the class itself that refuses it."""
    return isinstance(value, Mapping) and is_table(wanted)


def _told(selection: Selection, path: tuple[str, ...], text: str) -> str:
    return f"{selection.where(path)}: {text} ({selection.kind} {selection.name!r})"


def unknown(selection: Selection, path: tuple[str, ...], known: Sequence[str]) -> str:
    """Say that a setting is not known, with the nearest that is."""
    near = difflib.get_close_matches(path[-1], known, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    takes = f"{selection.kind} {selection.name!r} takes {', '.join(known) or 'none'}"
    return f"{selection.where(path)}: unknown setting {path[-1]!r}{hint} ({takes})"


def _value_at(settings: Any, path: tuple[str, ...]) -> Any:
    """The value that was written there; a marker where there is none."""
    for step in path:
        if isinstance(settings, Mapping) and step in settings:
            settings = cast("Mapping[str, Any]", settings)[step]
        elif isinstance(settings, list) and step.isdigit() and int(step) < len(cast("Sequence[Any]", settings)):
            settings = cast("Sequence[Any]", settings)[int(step)]
        elif isinstance(settings, Text):
            return settings  # of a variable, whose parts are no values of their own
        else:
            return _ABSENT
    return settings


def _field_of(error: BaseException, settings_class: Any) -> tuple[str, ...]:
    """The setting that a class's own validator refused, as far as what it raised tells: attrs' quote it first."""
    fields: list[attrs.Attribute[Any]] = [each for each in error.args if isinstance(each, attrs.Attribute)]
    quoted = re.match(r"'(\w+)'", _text_of(error))
    names = [str(field.alias) for field in fields] or ([quoted[1]] if quoted else [])
    return tuple(name for name in names[:1] if name in fields_of(settings_class))


def _text_of(error: BaseException) -> str:
    said = error.args[0] if error.args and isinstance(error.args[0], str) else ""
    speaks_for_itself = said and isinstance(error, (ValueError, TypeError))
    return " ".join((said if speaks_for_itself else f"{type(error).__name__}: {exception_message(error)}").split())
