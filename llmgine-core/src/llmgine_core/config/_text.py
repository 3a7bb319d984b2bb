"""Texts that come from variables: they may stand for numbers and the like, and some of them are secrets."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Self, cast

__all__ = ["Hidden", "Secret", "Text", "conceal", "hide", "mask", "resolve"]

_REFERENCE = re.compile(r"(\$?)\$\{env:([^}]*)\}")
_SECRET_KEY = re.compile(r"(?:^|_)(?:passwords?|passwd|secrets?|token|credentials?|authorization|api_?keys?|\w+_key)$")
_URL_PASSWORD = re.compile(r"(://[^/:@\s]*:)[^/@\s]+(?=@)")
_MASK = "********"


class Text(str):
    """The text of an environment variable; the setting that it is for says whether it is a number, a list, ….

    As a setting of type `str` it is what the variable says, to the letter.
    """

    __slots__ = ()


class Hidden(str):
    """A text that its `repr` does not show: a secret that was written into the configuration itself."""

    __slots__ = ("reference",)

    reference: str

    def __new__(cls, value: str, reference: str) -> Self:
        """Make one of the value and what is shown in its place."""
        made = super().__new__(cls, value)
        made.reference = reference
        return made

    def __repr__(self) -> str:
        return repr(self.reference)

    def __reduce__(self) -> tuple[type[Self], tuple[str, str]]:
        return type(self), (str.__str__(self), self.reference)


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
    if isinstance(value, list):
        return [resolve(each, environment, missing) for each in cast("Sequence[Any]", value)]
    return value


def _resolve_text(text: str, environment: Mapping[str, str], missing: Callable[[str], None]) -> str:
    names: list[str] = []

    def put(match: re.Match[str]) -> str:
        if match[1]:
            return match[0][1:]
        names.append(match[2])
        if match[2] not in environment:
            missing(match[2])
        return environment.get(match[2], "")

    resolved = _REFERENCE.sub(put, text)
    return Secret(resolved, text) if names else resolved


def _secrets(value: Any) -> Iterator[Hidden]:
    if isinstance(value, Hidden):
        yield value
    elif isinstance(value, Mapping):
        for each in cast("Mapping[str, Any]", value).values():
            yield from _secrets(each)
    elif isinstance(value, list):
        for each in cast("Sequence[Any]", value):
            yield from _secrets(each)


def hide(text: str, settings: Any) -> str:
    """The text without the secrets that stand in these settings; each gives way to its reference."""
    for secret in sorted(_secrets(settings), key=len, reverse=True):
        if value := str(secret):
            # A short one, such as a number, and one that may be a word, is taken out only where it stands alone.
            within = isinstance(secret, Secret) and len(value) > 3
            pattern = re.escape(value) if within else rf"(?<!\w){re.escape(value)}(?!\w)"
            text = re.sub(pattern, secret.reference.replace("\\", r"\\"), text)
    return text


def conceal(key: str, value: Any) -> Any:
    """A setting whose texts hide themselves where `mask` would mask them; it is worth the same as before."""
    if isinstance(value, Mapping):
        return {k: conceal(k, v) for k, v in cast("Mapping[str, Any]", value).items()}
    if isinstance(value, list):
        return [conceal(key, each) for each in cast("Sequence[Any]", value)]
    if not isinstance(value, str) or isinstance(value, Hidden) or (shown := mask(key, value)) == value:
        return value
    return (Secret if isinstance(value, Text) else Hidden)(value, shown)


def mask(key: str, value: Any) -> Any:
    """A setting as it may be shown: what its key calls a secret, and passwords in URLs, are masked.

    References (`${env:NAME}`) are shown as they were written, since they give nothing away.
    """
    if isinstance(value, Mapping):
        return {k: mask(k, v) for k, v in cast("Mapping[str, Any]", value).items()}
    if isinstance(value, list):
        return [mask(key, each) for each in cast("Sequence[Any]", value)]
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        return value
    if isinstance(value, Hidden):
        return value.reference
    if _SECRET_KEY.search(key.lower()) and value != "" and not _REFERENCE.fullmatch(str(value)):
        return _MASK
    return _URL_PASSWORD.sub(rf"\1{_MASK}", value) if isinstance(value, str) else value
