"""Messages, contracts, answers and errors as JSON and back.

A stored message is one object: `type` says what it is, the header's fields stand beside it, `data` holds its own. What
is of an unknown type reads back as `UnknownEvent`, what a known type has besides is kept in the header, and both are
written again as they were. Every document that cannot be read, and every value that cannot be written, is a
`SerializationError` that names the path. cattrs is imported at the first use.
"""

from llmgine_core.serialization._converter import make_converter
from llmgine_core.serialization._errors import dumps_error, loads_error
from llmgine_core.serialization._messages import dumps, from_document, header_document, loads, to_document
from llmgine_core.serialization._text import MAX_DOCUMENT
from llmgine_core.serialization._values import answer_type, dumps_answer, dumps_value, loads_answer, loads_value

__all__ = [
    "MAX_DOCUMENT",
    "answer_type",
    "dumps",
    "dumps_answer",
    "dumps_error",
    "dumps_value",
    "from_document",
    "header_document",
    "loads",
    "loads_answer",
    "loads_error",
    "loads_value",
    "make_converter",
    "to_document",
]
