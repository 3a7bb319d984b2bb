"""Tools as data: what a model is offered, what it asks for, what it gets back; and how a function becomes a tool."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum
from typing import TYPE_CHECKING, Any, TypeVar, overload

import attrs

from llmgine_core.contracts.message import CONTENT
from llmgine_core.contracts.parts import ContentPart

if TYPE_CHECKING:
    from llmgine_core.abc import Application, ApplicationSession, BusSession

__all__ = [
    "ToolCall",
    "ToolContext",
    "ToolDefinition",
    "ToolFailure",
    "ToolOptions",
    "ToolOutcome",
    "ToolResult",
    "tool",
    "tool_options",
]

F = TypeVar("F", bound=Callable[..., Any])
_OPTIONS = "__llmgine_tool__"


def _strings(strings: Iterable[str]) -> tuple[str, ...]:
    return tuple(strings)


def _parts(parts: Iterable[ContentPart]) -> tuple[ContentPart, ...]:
    return tuple(parts)


class ToolOutcome(StrEnum):
    """How a tool call ended. Each call ends in exactly one of these."""

    OK = "ok"
    ERROR = "error"
    INVALID_ARGUMENTS = "invalid_arguments"
    NOT_FOUND = "not_found"
    TIMEOUT = "timeout"
    DENIED = "denied"
    CANCELLED = "cancelled"


@attrs.frozen
class ToolCall:
    """A model's wish to call a tool.

    Attributes:
        id: the provider's id of the call; its result bears the same.
        name: the tool's name as the model wrote it.
        arguments: a JSON document as the model wrote it, valid or not; the bare text of a call whose tool takes text.
    """

    id: str
    name: str
    arguments: str = attrs.field(default="{}", metadata=CONTENT)


@attrs.frozen
class ToolResult:
    """What a tool call came to, in the words that the model reads.

    Attributes:
        call_id: the id of the call answered.
        name: the tool's name.
        content: the text for the model.
        outcome: how the call ended.
        parts: what the model sees instead where there is more than text (pictures, files); `content` then holds the
            words in them, for models and readers that take only those.
    """

    call_id: str
    name: str
    content: str = attrs.field(metadata=CONTENT)
    outcome: ToolOutcome = attrs.field(default=ToolOutcome.OK, converter=ToolOutcome)
    parts: tuple[ContentPart, ...] = attrs.field(default=(), converter=_parts, kw_only=True)

    @property
    def ok(self) -> bool:
        """Whether the tool did what was asked."""
        return self.outcome is ToolOutcome.OK


@attrs.frozen
class ToolDefinition:
    """A tool as a model is told of it.

    Attributes:
        name: what the model calls it.
        description: what it does and when to use it.
        parameters: JSON Schema (2020-12) of its arguments, an object.
        strict: whether `parameters` is in the form that OpenAI's strict mode takes.
        examples: things that a user might say for which this is the right tool.
        type: `function` for what is executed here; else the provider's name of a tool that it runs itself
            (`web_search`), whose settings are in `extra`.
        extra: what the provider says besides (cache marks, settings); JSON data.
    """

    name: str
    description: str = ""
    parameters: Mapping[str, Any] = attrs.field(factory=lambda: {"type": "object", "properties": {}})
    strict: bool = False
    examples: tuple[str, ...] = attrs.field(default=(), converter=_strings)
    type: str = attrs.field(default="function", kw_only=True)
    extra: Mapping[str, Any] = attrs.field(factory=dict[str, Any], kw_only=True, repr=False)


class ToolFailure(Exception):  # noqa: N818 - a tool's answer rather than a fault of the program
    """What a tool raises to tell the model, in words, that it cannot do what was asked."""


@attrs.frozen
class ToolContext:
    """What a tool may know of the call it serves. Injected where a parameter is annotated with it, never by the model.

    Attributes:
        session: the session in which the call is made.
        call: the call being served.
        app: the running application; None for a tool manager used without one.
        state: what the application was given as `state`.
    """

    session: ApplicationSession | BusSession
    call: ToolCall
    app: Application | None = None
    state: Any = None


@attrs.frozen(kw_only=True)
class ToolOptions:
    """What `@tool` and `register_tool` say of a function; None leaves the choice to the tool manager.

    Attributes:
        name: what the model calls it; by default the function's name.
        description: by default what the docstring says before its sections.
        timeout: seconds that one call may take.
        requires_approval: whether each call asks for `ApproveToolCall` first.
        examples: things that a user might say for which this is the right tool; small models need them.
    """

    name: str | None = None
    description: str | None = None
    timeout: float | None = None
    requires_approval: bool = False
    examples: tuple[str, ...] = attrs.field(default=(), converter=_strings)


@overload
def tool(function: F, /) -> F: ...
@overload
def tool(
    *,
    name: str | None = None,
    description: str | None = None,
    timeout: float | None = None,
    requires_approval: bool = False,
    examples: tuple[str, ...] = (),
) -> Callable[[F], F]: ...
def tool(function: F | None = None, /, **options: Any) -> F | Callable[[F], F]:
    """Mark a function as a tool, anywhere, without a tool manager at hand. The function itself stays as it is.

    Args:
        function: the function, when used without parentheses.
        **options: the fields of `ToolOptions`.

    Returns:
        The function, or a decorator.
    """

    def mark(target: F) -> F:
        setattr(target, _OPTIONS, ToolOptions(**options))
        return target

    return mark if function is None else mark(function)


def tool_options(function: Callable[..., Any]) -> ToolOptions:
    """What `@tool` said of the function; empty options if it is not marked."""
    return getattr(function, _OPTIONS, None) or ToolOptions()
