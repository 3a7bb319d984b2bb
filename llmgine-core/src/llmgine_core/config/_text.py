"""Texts that come from variables: they may stand for numbers and the like, and some of them are secrets."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Self, cast

__all__ = ["Hidden", "Secret", "Text", "conceal", "hide", "holds_secrets", "mask", "resolve"]

_REFERENCE = re.compile(r"(\$?)\$\{env:([^}]*)\}")
_SECRET_KEY = re.compile(r"(?:^|_)(?:passwords?|passwd|secrets?|token|credentials?|authorization|api_?keys?|\w+_key)$")
_URL_PASSWORD = re.compile(r"(://[^/:@\s]*:)([^/\s]+)(?=@)")
_MASK = "********"


class Text(str):
    """The text of an environment variable; the setting that it is for says whether it is a number, a list, ….

    As a setting of type `str` it is what the variable says, to the letter.
    """

    __slots__ = ()


class Hidden(str):
    """A text that its `repr` does not show: a secret that was written into the configuration itself.

    Attributes:
        reference: what is shown in its place.
        parts: what of it must not be shown anywhere, each with what is shown in its place.
    """

    __slots__ = ("parts", "reference")

    reference: str
    parts: tuple[tuple[str, str], ...]

    def __new__(cls, value: str, reference: str, parts: Sequence[tuple[str, str]] = ()) -> Self:
        """Make one of the value, what is shown in its place, and its parts."""
        made = super().__new__(cls, value)
        made.reference, made.parts = reference, tuple(parts)
        return made

    def __repr__(self) -> str:
        return repr(self.reference)

    def __reduce__(self) -> tuple[type[Self], tuple[str, str, tuple[tuple[str, str], ...]]]:
        return type(self), (str.__str__(self), self.reference, self.parts)


class Secret(Hidden, Text):
    """A hidden text of a variable: one with `${env:NAME}` in it, or a variable for a setting that is secret."""

    __slots__ = ()


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
    """The text without the secrets that stand in these settings, each of which gives way to its reference.

    That goes for a variable's value that is a part of a longer text, or an item of a list, too.
    """
    shown: dict[str, str] = {}
    patterns: dict[str, str] = {}
    for value, reference, may_be_word in _secrets(settings):
        for form in _forms(value):
            shown[form], patterns[form] = reference, _pattern(form, may_be_word=may_be_word)
    if not shown:
        return text
    pattern = "|".join(patterns[form] for form in sorted(patterns, key=len, reverse=True))
    return re.sub(pattern, lambda match: shown[match[0]], text)


def holds_secrets(settings: Any) -> bool:
    """Whether there is anything in these settings that `hide` would take out of a text."""
    return any(value for value, _, _ in _secrets(settings))


def _secrets(value: Any) -> Iterator[tuple[str, str, bool]]:
    """Each secret, what may be shown in its place, and whether it may be a word that stands elsewhere too."""
    if isinstance(value, Mapping):
        for each in cast("Mapping[str, Any]", value).values():
            yield from _secrets(each)
    elif isinstance(value, (list, tuple)):
        for each in cast("Sequence[Any]", value):
            yield from _secrets(each)
    elif isinstance(value, Hidden):
        may_be_word = not isinstance(value, Secret)
        for text, reference in (*value.parts, (str(value), value.reference)):
            if not may_be_word:
                yield from ((item.strip("[]\"' "), reference, False) for item in text.split(","))
            yield text, reference, may_be_word


def _forms(value: str) -> set[str]:
    """A text as messages may have it: as it is, on one line, or quoted."""
    return {value, value.strip(), " ".join(value.split()), repr(value)[1:-1]} - {""}


def _pattern(value: str, *, may_be_word: bool) -> str:
    # A short one, such as a number, is taken out only where it stands alone.
    is_bounded = may_be_word or len(value) <= 3
    return rf"(?<!\w){re.escape(value)}(?!\w)" if is_bounded else re.escape(value)


def _names_secret(key: str) -> bool:
    return _SECRET_KEY.search(str(key).lower()) is not None


def conceal(key: str, value: Any) -> Any:
    """A setting whose texts hide themselves where `mask` would mask them; it is worth the same as before."""
    if isinstance(value, Mapping):
        return {k: conceal(k, v) for k, v in cast("Mapping[str, Any]", value).items()}
    if isinstance(value, list):
        return [conceal(key, each) for each in cast("Sequence[Any]", value)]
    if not isinstance(value, str) or isinstance(value, Hidden) or (shown := mask(key, value)) == value:
        return value
    passwords = [(match[2], _MASK) for match in _URL_PASSWORD.finditer(value)] if shown != _MASK else []
    return (Secret if isinstance(value, Text) else Hidden)(value, shown, passwords)


def mask(key: str, value: Any) -> Any:
    """A setting as it may be shown: what its key calls a secret, and passwords in URLs, are masked.

    References (`${env:NAME}`) are shown as they were written, since they give nothing away.
    """
    if isinstance(value, Mapping):
        return {k: mask(k, v) for k, v in cast("Mapping[str, Any]", value).items()}
    if isinstance(value, (list, tuple)):
        return [mask(key, each) for each in cast("Sequence[Any]", value)]
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        return value
    if isinstance(value, Hidden):
        return value.reference
    if _names_secret(key) and value != "" and not _REFERENCE.fullmatch(str(value)):
        return _MASK
    return _URL_PASSWORD.sub(rf"\1{_MASK}", value) if isinstance(value, str) else value
