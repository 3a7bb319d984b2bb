"""The plugin `default` of the kind `tool_manager`."""

from importlib.metadata import entry_points

import pytest

from llmgine_core import BusSession
from llmgine_core.hookspecs import Build
from llmgine_tools import ToolManager, ToolSettings, plugin


def test_it_is_found_under_its_name() -> None:
    (entry,) = entry_points(group="llmgine.tool_manager", name="default")
    assert entry.load() is plugin


def test_it_takes_the_settings_of_tools() -> None:
    assert plugin.llmgine_settings() is ToolSettings


async def test_it_makes_a_manager_for_each_session(session: BusSession) -> None:
    factory = plugin.llmgine_create_tool_manager(Build(settings=ToolSettings(max_result_chars=5), name="default"))
    assert factory is not None
    first, second = factory(session), factory(session)
    first.register_tool(len, name="size")
    assert isinstance(first, ToolManager)
    assert second.definitions() == ()


@pytest.mark.parametrize("field", ["default_timeout", "approval_timeout", "max_threads", "max_argument_chars"])
def test_a_limit_of_nothing_is_refused(field: str) -> None:
    with pytest.raises(ValueError, match=field):
        ToolSettings(**{field: 0})
