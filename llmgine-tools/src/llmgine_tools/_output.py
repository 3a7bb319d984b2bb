"""The form of a structured answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from llmgine_tools._arguments import read_text
from llmgine_tools._schema import Field, Reader, Record, Walker

__all__ = ["Output", "make_output"]


@attrs.frozen
class Output:
    """What a model is told of the type that its answer is to have, and how its answer becomes a value of it.

    Attributes:
        name: the type's name.
        schema: JSON Schema of the answer, an object.
        reader: reads the value.
        max_chars: characters of the longest answer that is read.
    """

    name: str
    schema: Mapping[str, Any]
    reader: Reader
    max_chars: int

    def read(self, text: str) -> Any:
        """The value that the answer states; the repairs are those of arguments.

        Raises:
            ToolArgumentsError: the answer does not fit; the error lists every fault with its path.
        """
        return read_text(text, self.reader, tool=self.name, max_chars=self.max_chars)


def make_output(output: Any, *, max_chars: int) -> Output:
    """The form of answers of a type. What is no object in JSON is put into one, as its `value`.

    Raises:
        ToolSchemaError: JSON Schema has no words for the type.
    """
    name = getattr(output, "__name__", None) or str(output)
    walker = Walker(name)
    shape = walker.shape(output, "the answer")
    # Providers want the object itself at the root, not a reference to it.
    root = walker.definitions.get(shape.schema.get("$ref", "").rpartition("/")[2], {})
    reader = shape.read
    if root.get("properties") is None:
        record = Record(lambda given: given["value"])
        record.complete(walker.properties([Field("value", output)], {}, "the answer's"))
        root, reader = record.schema(), record.read
    definitions = {"$defs": walker.definitions} if walker.definitions else {}
    return Output(name, {**root, **definitions}, reader, max_chars)
