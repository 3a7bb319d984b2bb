"""A function as a tool: what a model is told of it, and how it is called."""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Callable, Sequence
from copy import deepcopy
from typing import Any

import attrs

from llmgine_core.contracts import ToolDefinition, ToolOptions, tool_options
from llmgine_core.errors import ToolSchemaError
from llmgine_tools._signature import Parameters, compiled, underlying, without_partials

__all__ = ["Tool", "make_tool"]

# What every provider's API takes as a function's name.
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


@attrs.frozen
class Tool:
    """A registered tool.

    Attributes:
        function: what is called.
        definition: what a model is told.
        parameters: how the arguments are read and passed.
        timeout: seconds that one call may take; None leaves it to the tool manager's settings.
        requires_approval: whether each call is to be approved first.
        is_async: whether the function is a coroutine function.
    """

    function: Callable[..., Any]
    definition: ToolDefinition
    parameters: Parameters
    timeout: float | None
    requires_approval: bool
    is_async: bool

    def openai(self, *, strict: bool) -> dict[str, Any]:
        """The tool as OpenAI's API and its many kin take it; the caller may change what is returned."""
        schema = self.parameters.strict if strict else None
        return {
            "type": "function",
            "function": {
                "name": self.definition.name,
                "description": self.definition.description,
                "parameters": deepcopy(self.parameters.schema if schema is None else schema),
                **({"strict": schema is not None} if strict else {}),
            },
        }


def make_tool(
    function: Callable[..., Any],
    *,
    name: str | None = None,
    description: str | None = None,
    timeout: float | None = None,
    requires_approval: bool | None = None,
    examples: Sequence[str] = (),
) -> Tool:
    """Make a tool of a function. What is left out is taken from `@tool`, else from the function itself.

    Raises:
        ToolSchemaError: its signature cannot be stated, or its name or timeout is none.
    """
    inner = underlying(function)
    options = _options(function, inner)
    name = name or options.name or _own_name(function)
    if not _NAME.fullmatch(name):
        raise ToolSchemaError(name, "a name has 1 to 64 letters, digits, _ and -; give one with name=")
    timeout = options.timeout if timeout is None else timeout
    if timeout is not None and (math.isnan(timeout) or timeout <= 0):
        raise ToolSchemaError(name, f"its timeout is {timeout}; give a number of seconds above 0")
    parameters = compiled(function, name)
    text = description if description is not None else options.description
    definition = ToolDefinition(
        name,
        parameters.documentation.text if text is None else text,
        parameters.schema,
        examples=tuple(examples) or options.examples,
    )
    approval = options.requires_approval if requires_approval is None else requires_approval
    return Tool(function, definition, parameters, timeout, approval, inspect.iscoroutinefunction(inner))


def _options(function: Callable[..., Any], inner: Any) -> ToolOptions:
    """What `@tool` says, also of what a partial or a callable object wraps: an approval must not get lost in it."""
    own = tool_options(function)
    return tool_options(inner) if own == ToolOptions() else own


def _own_name(function: Callable[..., Any]) -> str:
    named: Any = without_partials(function)
    return str(getattr(named, "__name__", None) or type(named).__name__)
