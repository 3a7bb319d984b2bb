"""`ConsoleSettings`: what the console handler can be told."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import attrs

__all__ = ["Colour", "ConsoleSettings", "Level", "Stream"]

Stream = Literal["stderr", "stdout"]
Colour = Literal["auto", "always", "never"]
Level = Literal["debug", "info", "warning", "error", "critical"]


def _names(given: Iterable[str]) -> tuple[str, ...]:
    return (given,) if isinstance(given, str) else tuple(given)


@attrs.frozen(kw_only=True)
class ConsoleSettings:
    """The table `console` of the configuration.

    Attributes:
        stream: where lines go.
        colour: `auto` colours only a terminal, and not even that where `NO_COLOR` is set (https://no-color.org).
        level: the least level that is shown.
        events: names of the event types to show; empty for all.
        ids: whether each line ends with its trace and span id.
        width: most characters of one value.
    """

    stream: Stream = attrs.field(default="stderr", validator=attrs.validators.in_(("stderr", "stdout")))
    colour: Colour = attrs.field(default="auto", validator=attrs.validators.in_(("auto", "always", "never")))
    level: Level = attrs.field(
        default="debug", validator=attrs.validators.in_(("debug", "info", "warning", "error", "critical"))
    )
    events: tuple[str, ...] = attrs.field(default=(), converter=_names)
    ids: bool = True
    width: int = attrs.field(default=120, validator=attrs.validators.ge(8))
