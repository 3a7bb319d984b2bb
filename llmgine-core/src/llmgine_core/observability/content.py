"""`ContentPolicy`: which fields of an event leave the process in full."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from types import NoneType
from typing import TYPE_CHECKING, Any, cast

import attrs

from llmgine_core.contracts import Event, content_fields
from llmgine_core.serialization import make_converter

if TYPE_CHECKING:
    from cattrs import Converter

__all__ = ["ContentPolicy"]


class ContentPolicy:
    """Turns an event's fields into JSON data, with or without what users, models and tools said.

    Where content is off, a field marked `content()`, at any depth, is written as `{"omitted": "content", "bytes": n}`.

    Args:
        content: whether content is written in full.
    """

    def __init__(self, *, content: bool = False) -> None:
        self.content = content
        self._converter = _lenient_converter()
        if not content:
            _omit_content(self._converter)

    def project(self, event: Event) -> dict[str, Any]:
        """The event's fields as JSON data; a value that JSON cannot say is written as its `repr`."""
        fields: dict[str, Any] = self._converter.unstructure(event)
        return fields


def _lenient_converter() -> Converter:
    """The contracts' converter, which writes as `repr` what would reach JSON as it is and fail there."""
    from cattrs.fns import identity

    converter, plain = make_converter(), make_converter()

    def is_foreign(kind: Any) -> bool:
        if not isinstance(kind, type) or issubclass(kind, (str, int, float, type(None))):
            return False
        return plain.get_unstructure_hook(kind) is identity

    converter.register_unstructure_hook_func(is_foreign, repr)
    return converter


def _omit_content(converter: Converter) -> None:
    """Give every attrs class with content a writer that measures those fields instead of writing them."""
    from cattrs.gen import make_dict_unstructure_fn, override

    def has_content(kind: Any) -> bool:
        is_record = attrs.has(kind) or (isinstance(kind, type) and dataclasses.is_dataclass(kind))
        return is_record and bool(content_fields(cast("type[Any]", kind)))

    def make_writer(kind: Any) -> Callable[[Any], dict[str, Any]]:
        omitted: Any = {name: override(unstruct_hook=_omitted) for name in content_fields(kind)}
        return make_dict_unstructure_fn(kind, converter, **omitted)

    converter.register_unstructure_hook_factory(has_content, make_writer)


def _omitted(value: Any) -> Any:
    if not value and isinstance(value, (str, tuple, list, dict, NoneType)):
        return cast("Any", value)  # nothing was said
    text = value if isinstance(value, str) else repr(value)
    return {"omitted": "content", "bytes": len(text.encode("utf-8", "surrogatepass"))}
