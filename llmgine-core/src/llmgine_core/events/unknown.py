"""What somebody else wrote."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import attrs

from llmgine_core.contracts import CONTENT, Event

__all__ = [
    "UnknownEvent",
]


@attrs.frozen
class UnknownEvent(Event):
    """A stored message of a type that is not known here, kept as it was read.

    Attributes:
        original_type: its stored type name.
        data: its fields; JSON data.
    """

    type_name: ClassVar[str] = "UnknownEvent"
    original_type: str
    data: Mapping[str, Any] = attrs.field(factory=dict[str, Any], metadata=CONTENT)
