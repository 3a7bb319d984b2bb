"""What models are told of tools."""

from functools import partial
from typing import Any

import pytest

from llmgine_core import MessageBus, ToolSchemaError, tool
from llmgine_core.abc import ToolManager as ToolManagerProtocol
from llmgine_tools import ToolManager


def get_time(city: str) -> str:
    """The local time in a city.

    Args:
        city: Its English name.
    """
    return city


@pytest.fixture
def manager() -> ToolManager:
    """A manager that makes no calls, so its bus need not run."""
    return ToolManager(MessageBus().session("chat-1"))


def test_a_manager_is_what_the_core_calls_one(manager: ToolManager) -> None:
    typed: ToolManagerProtocol = manager
    assert typed.definitions() == ()


def test_a_tool_is_offered_as_openai_has_it(manager: ToolManager) -> None:
    manager.register_tool(get_time)
    assert manager.get_tools() == [
        {
            "type": "function",
            "function": {
                "name": "get_time",
                "description": "The local time in a city.",
                "parameters": {
                    "type": "object",
                    "properties": {"city": {"type": "string", "description": "Its English name."}},
                    "required": ["city"],
                    "additionalProperties": False,
                },
            },
        }
    ]


def test_only_what_strict_mode_can_say_is_offered_as_strict(manager: ToolManager) -> None:
    def free(values: dict[str, int]) -> None: ...

    manager.register_tool(get_time)
    manager.register_tool(free)
    assert [offer["function"]["strict"] for offer in manager.get_tools(strict=True)] == [True, False]


def test_what_is_offered_may_be_changed_without_harm(manager: ToolManager) -> None:
    manager.register_tool(get_time)
    manager.get_tools()[0]["function"]["parameters"].clear()
    assert manager.get_tools()[0]["function"]["parameters"]["required"] == ["city"]


def test_what_register_tool_says_goes_before_what_the_decorator_says(manager: ToolManager) -> None:
    @tool(name="clock", description="Tells time.", examples=("What time is it?",))
    def probe() -> str:
        """Something else."""
        return ""

    manager.register_tool(probe)
    manager.register_tool(probe, name="watch", description="", examples=["Is it late?"])
    clock, watch = manager.definitions()
    assert (clock.name, clock.description, clock.examples) == ("clock", "Tells time.", ("What time is it?",))
    assert (watch.name, watch.description, watch.examples) == ("watch", "", ("Is it late?",))


@pytest.mark.parametrize(
    "options", [{"name": "two words"}, {"name": "x" * 65}, {"timeout": 0}, {"timeout": float("nan")}]
)
def test_a_name_or_timeout_that_is_none_is_refused(manager: ToolManager, options: dict[str, Any]) -> None:
    with pytest.raises(ToolSchemaError):
        manager.register_tool(get_time, **options)


def test_a_lambda_needs_a_name(manager: ToolManager) -> None:
    with pytest.raises(ToolSchemaError, match="give one with name="):
        manager.register_tool(lambda: 1)


def test_a_name_is_given_once(manager: ToolManager) -> None:
    manager.register_tool(get_time)
    with pytest.raises(ToolSchemaError, match="the name is taken"):
        manager.register_tool(get_time)


def test_a_partial_bears_the_name_of_its_function(manager: ToolManager) -> None:
    manager.register_tool(partial(partial(get_time), city="Tokyo"))
    assert manager.definitions()[0].name == "get_time"
