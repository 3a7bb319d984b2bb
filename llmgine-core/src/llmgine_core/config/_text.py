"""Texts that come from variables: they may stand for numbers and the like, and some of them are secrets."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Self, cast

__all__ = ["Secret", "Text", "hide", "holds_secrets", "mask", "resolve"]

_REFERENCE = re.compile(r"(\$?)\$\{env:([^}]*)\}")
_SECRET_KEY = re.compile(r"(?:^|_)(?:password|passwd|secret|token|credentials?|authorization|api_?key|\w+_key)$")
_URL_PASSWORD = re.compile(r"(://[^/:@\s]*:)[^/\s]+(?=@)")
_MASK = "********"


class Text(str):
    """The text of an environment variable; the setting that it is for says whether it is a number, a list, ….

    As a setting of type `str` it is what the variable says, to the letter.
    """

    __slots__ = ()


class Secret(Text):
    """A text with `${env:NAME}` in it: it has the variable's value, but its `repr` shows the reference alone.

    Attributes:
        reference: the text as it was written.
        parts: the value of each variable in it, with the reference that stood for it.
    """

    __slots__ = ("parts", "reference")

    reference: str
    parts: tuple[tuple[str, str], ...]

    def __new__(cls, value: str, reference: str, parts: Sequence[tuple[str, str]] = ()) -> Self:
        """Make one of the value and the text that referred to it."""
        made = super().__new__(cls, value)
        made.reference, made.parts = reference, tuple(parts)
        return made

    def __repr__(self) -> str:
        return repr(self.reference)

    def __reduce__(self) -> tuple[type[Self], tuple[str, str, tuple[tuple[str, str], ...]]]:
        return type(self), (str.__str__(self), self.reference, self.parts)


def resolve(value: Any, environment: Mapping[str, str], missing: Callable[[str], None]) -> Any:
    """Put the values of variables in the place of `${env:NAME}`, at any depth; `$${env:NAME}` stands for the text.

    Args:
        value: what a file or the constructor says of one setting.
        environment: the variables.
        missing: called with the name of each variable that is not set.
    """
    if isinstance(value, str):
        return _resolve_text(value, environment, missing)
    if isinstance(value, Mapping):
        return {k: resolve(v, environment, missing) for k, v in cast("Mapping[str, Any]", value).items()}
    if type(value) in (list, tuple):
        return [resolve(each, environment, missing) for each in cast("Sequence[Any]", value)]
    return value


def _resolve_text(text: str, environment: Mapping[str, str], missing: Callable[[str], None]) -> str:
    parts: list[tuple[str, str]] = []

    def put(match: re.Match[str]) -> str:
        if match[1]:
            return match[0][1:]
        if match[2] not in environment:
            missing(match[2])
        parts.append((environment.get(match[2], ""), match[0]))
        return parts[-1][0]

    resolved = _REFERENCE.sub(put, text)
    return Secret(resolved, text, parts) if parts else resolved


def hide(text: str, settings: Any) -> str:
    """The text without the secrets that stand in these settings.

    Each gives way to its reference, also a variable's value that is a part of a longer text, or an item of a list; what
    was written under a key that speaks of a secret gives way to a mask.
    """
    shown = {form: reference for value, reference in _secrets(settings) for form in _forms(value)}
    if not shown:
        return text
    pattern = "|".join(map(_pattern, sorted(shown, key=len, reverse=True)))
    return re.sub(pattern, lambda match: shown[match[0]], text)


def holds_secrets(settings: Any) -> bool:
    """Whether there is anything in these settings that `hide` would take out of a text."""
    return any(value for value, _ in _secrets(settings))


def _secrets(value: Any, key: str = "") -> Iterator[tuple[str, str]]:
    """Each secret, with what may be shown in its place; the more telling of two of the same text comes last."""
    if isinstance(value, Mapping):
        for name, each in cast("Mapping[str, Any]", value).items():
            yield from _secrets(each, name)
    elif isinstance(value, (list, tuple)):
        for each in cast("Sequence[Any]", value):
            yield from _secrets(each, key)
    elif isinstance(value, Secret):
        for text, reference in (*value.parts, (str(value), value.reference)):
            yield from ((item.strip("[]\"' "), reference) for item in text.split(","))
            yield text, reference
    elif isinstance(value, str) and _names_secret(key):
        yield str(value), _MASK


def _forms(value: str) -> set[str]:
    """A text as messages may have it: as it is, on one line, or quoted."""
    return {value, value.strip(), " ".join(value.split()), repr(value)[1:-1]} - {""}


def _pattern(value: str) -> str:
    # A short one, such as a number, is taken out only where it stands alone.
    return re.escape(value) if len(value) > 3 else rf"(?<!\w){re.escape(value)}(?!\w)"


def _names_secret(key: str) -> bool:
    return _SECRET_KEY.search(str(key).lower()) is not None


def mask(key: str, value: Any) -> Any:
    """A setting as it may be shown: what its key calls a secret, and passwords in URLs, are masked.

    References (`${env:NAME}`) are shown as they were written, since they give nothing away.
    """
    if isinstance(value, Mapping):
        return {k: mask(k, v) for k, v in cast("Mapping[str, Any]", value).items()}
    if isinstance(value, (list, tuple)):
        return [mask(key, each) for each in cast("Sequence[Any]", value)]
    is_reference = isinstance(value, Secret) or (isinstance(value, str) and _REFERENCE.fullmatch(value))
    if _names_secret(key) and value not in (None, "") and not isinstance(value, bool) and not is_reference:
        return _MASK
    return _URL_PASSWORD.sub(rf"\1{_MASK}", value) if isinstance(value, str) and not is_reference else value
