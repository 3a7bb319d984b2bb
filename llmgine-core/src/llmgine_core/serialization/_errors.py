"""Exceptions as JSON and back.

Only builtins and this package's own errors are made from a document: to find and call any other class would run code
that whoever wrote the document chose.
"""

from __future__ import annotations

import builtins
from collections.abc import Iterable, Mapping
from typing import Any, Final, cast

import attrs

from llmgine_core import errors
from llmgine_core.contracts import ToolFailure
from llmgine_core.contracts.outcomes import exception_message, exception_name
from llmgine_core.errors import BootstrapError, RemoteHandlerError, SerializationError
from llmgine_core.serialization._messages import shared_converter
from llmgine_core.serialization._text import from_text, is_object, naming_the_path, refuse_foreign, to_text

__all__ = ["dumps_error", "loads_error"]


def _named(classes: Iterable[Any]) -> dict[str, type[Exception]]:
    return {exception_name(kind): kind for kind in classes if isinstance(kind, type) and issubclass(kind, Exception)}


_KNOWN: Final = {
    **_named(vars(builtins).values()),
    **_named(getattr(errors, name) for name in errors.__all__),
    **_named([ToolFailure]),
}


def dumps_error(error: BaseException) -> str:
    """An exception as one line of JSON, which `loads_error` turns into the same if its class is known everywhere.

    What JSON cannot say of its arguments is written as text; its cause and traceback stay behind.
    """
    try:
        with naming_the_path("$"):
            return to_text(_document(error))
    except SerializationError:  # whoever waits for the answer must hear of the failure, if only in words
        return to_text(_named_only(error))


def loads_error(text: str) -> Exception:
    """The exception that `dumps_error` wrote.

    Returns:
        One of the same class, with its arguments or fields, if that is a builtin or an error of llmgine; else a
        `RemoteHandlerError` with the name of the class and what it said. Nothing is imported.

    Raises:
        SerializationError: the text says no such thing, or is too deep or too large; the error names the path.
    """
    with naming_the_path("$"):
        return _read(from_text(text), "$")


def _named_only(error: BaseException) -> dict[str, Any]:
    return {"type": exception_name(type(error)), "message": exception_message(error)}


def _document(error: BaseException) -> dict[str, Any]:
    document = _named_only(error)
    if _KNOWN.get(document["type"]) is type(error):
        document |= _facts(error)
    if notes := getattr(error, "__notes__", None):
        document["notes"] = [str(note) for note in notes]
    return document


def _facts(error: BaseException) -> dict[str, Any]:
    """What its class needs to make it anew."""
    if isinstance(error, ExceptionGroup):
        members = cast("ExceptionGroup[Exception]", error)
        return {"message": members.message, "errors": [_document(member) for member in members.exceptions]}
    if attrs.has(type(error)):
        return {"data": shared_converter().unstructure(error)}
    given = cast("tuple[Any, ...]", error.__reduce__()[1])  # OSError keeps its file names out of `args`
    binary = [place for place, value in enumerate(given) if isinstance(value, bytes)]
    return {"args": [_argument(value) for value in given], **({"bytes": binary} if binary else {})}


def _argument(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.decode("latin-1")
    try:
        with naming_the_path("$"):
            refuse_foreign(value, "$")
    except SerializationError:
        return str(value)
    return value


def _read(document: Any, path: str) -> Exception:
    fields: Mapping[str, Any] = document if is_object(document) else {}
    if not isinstance(fields.get("type"), str) or not isinstance(fields.get("message"), str):
        raise SerializationError("an exception is a JSON object whose `type` and `message` are strings", path)
    error: Exception = _made(fields, path)
    with naming_the_path(f"{path}.notes"):
        for note in fields.get("notes", ()):
            error.add_note(note)
    return error


def _made(fields: Mapping[str, Any], path: str) -> Any:
    kind: Any = _KNOWN.get(fields["type"])
    if kind in (ExceptionGroup, BootstrapError) and isinstance(fields.get("errors"), list):
        members = [_read(member, f"{path}.errors[{place}]") for place, member in enumerate(fields["errors"])]
        with naming_the_path(f"{path}.errors"):
            group: Any = kind
            return group(fields["message"], members)
    if kind is not None and attrs.has(kind) and "data" in fields:
        with naming_the_path(f"{path}.data"):
            return shared_converter().structure(fields["data"], kind)
    if kind is not None and not attrs.has(kind) and "args" in fields:
        with naming_the_path(f"{path}.args"):
            binary = fields.get("bytes", ())
            given = [v.encode("latin-1") if place in binary else v for place, v in enumerate(fields["args"])]
            return kind(*given)
    return RemoteHandlerError(fields["type"], fields["message"])
