"""The hooks: what their specifications say is what an application does."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

import inspect
import re
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any

import attrs
import pluggy
import pytest

from llmgine_context import InMemoryContextStore
from llmgine_core import ApplicationBootstrap, EventRecord, MessageBus, PluginLoadError
from llmgine_core.hookspecs import HOOKS, KINDS, PROJECT, Build, Hook, HookSpecs, hookimpl, impl
from llmgine_core.testing import RecordingEventHandler, ScriptedModel
from llmgine_tools import ToolManager
from tests.core.distributions import Site

each_hook = pytest.mark.parametrize("hook", HOOKS.values(), ids=HOOKS)


# ── what the specifications say ──────────────────────────────────────────────────────────────────────────────────────


@each_hook
def test_a_hooks_text_says_when_it_is_called_where_it_is_looked_for_and_since_when(hook: Hook[Any]) -> None:
    text = " ".join(inspect.cleandoc(hook.specification.__doc__).split())
    where = "every kind" if hook.kinds == tuple(KINDS) else f"kind `{'`, `'.join(hook.kinds)}`"
    assert f"Looked for in plugins of {where}. Since API version {hook.since}." in text
    assert " Called once" in text


@each_hook
def test_a_hooks_text_describes_each_argument_and_what_it_must_return(hook: Hook[Any]) -> None:
    text = inspect.cleandoc(hook.specification.__doc__)
    arguments = re.search(r"^Args:\n((?:    .+\n?)+)", text, re.MULTILINE)
    assert tuple(re.findall(r"^    (\w+): ", arguments[1] if arguments else "", re.MULTILINE)) == hook.arguments
    assert ("Returns:" in text) == (inspect.signature(hook.specification).return_annotation != "None")


def test_a_kinds_factory_is_looked_for_in_that_kind_alone() -> None:
    assert {kind.factory: (kind.name,) for kind in KINDS.values() if kind.factory} == {
        name: hook.kinds for name, hook in HOOKS.items() if "_create_" in name and hook.kinds != ("plugins",)
    }


def test_pluggy_is_given_every_specification() -> None:
    host = pluggy.PluginManager(PROJECT)
    host.add_hookspecs(HookSpecs)
    found = {name: getattr(host.hook, name).spec.argnames for name in HOOKS}
    assert found == {name: hook.arguments for name, hook in HOOKS.items()}


# ── the decorators ───────────────────────────────────────────────────────────────────────────────────────────────────


def registered(plugin: object) -> set[str]:
    """The hooks that pluggy finds in a plugin."""
    host = pluggy.PluginManager(PROJECT)
    host.add_hookspecs(HookSpecs)
    host.register(plugin)
    host.check_pending()
    return {caller.name for caller in host.get_hookcallers(plugin) or ()}


def test_a_decorator_gives_back_what_it_marks() -> None:
    def offered() -> list[Callable[..., Any]]:
        return [len]

    assert impl.llmgine_register_tools(offered) is offered
    assert offered() == [len]


def test_methods_of_an_object_are_found_whatever_kind_they_are_and_however_they_are_called() -> None:
    class Mine:
        @impl.llmgine_settings
        def whatever(self) -> type[Any]:
            return object

        @impl.llmgine_register_tools
        @staticmethod
        def outside() -> list[Callable[..., Any]]:
            return []

        @staticmethod
        @impl.llmgine_register_handlers
        def inside(app: Any) -> None: ...

        @impl.llmgine_health_checks
        @classmethod
        def above(cls, app: Any) -> None: ...

        @classmethod
        @impl.llmgine_lifespan
        def below(cls, app: Any) -> None: ...

    hooks = ("settings", "register_tools", "register_handlers", "health_checks", "lifespan")
    assert registered(Mine()) == {f"llmgine_{name}" for name in hooks}


def test_pluggys_own_marker_takes_functions_of_fewer_parameters() -> None:
    class Mine:
        @hookimpl
        def llmgine_create_message_bus(self) -> MessageBus:
            return MessageBus()

    assert registered(Mine()) == {"llmgine_create_message_bus"}


def test_a_misspelt_decorator_names_the_nearest_hook_else_all() -> None:
    names = iter(("llmgine_create_event_handlr", "teardown"))
    with pytest.raises(AttributeError, match=r"no hook llmgine_create_event_handlr; did you .* llmgine_create_event_h"):
        getattr(impl, next(names))
    with pytest.raises(AttributeError, match=r"no hook teardown; there are llmgine_settings, .*, llmgine_health_check"):
        getattr(impl, next(names))


async def test_the_host_tells_the_cure_of_a_misspelt_decorator(site: Site) -> None:
    source = "from llmgine_core.hookspecs import impl\n@impl.llmgine_register_handler\ndef f(app): ..."
    site.install("mine", {"mine_plugin": source}, {"llmgine.plugins": {"mine": "mine_plugin"}})
    with pytest.raises(PluginLoadError, match=r"did you mean llmgine_register_handlers\?"):
        async with ApplicationBootstrap(plugins=["mine"], discover=False):
            pytest.fail("it started")


# ── what an application does ─────────────────────────────────────────────────────────────────────────────────────────


@attrs.frozen
class Nothing:
    """Settings without a key."""


class NoRedaction:
    """Takes nothing out."""

    def redact(self, record: EventRecord) -> EventRecord:
        return record


class Everything:
    """A plugin of any kind, with every hook there is; it notes which are called."""

    def __init__(self) -> None:
        self.called: list[str] = []

    def _note(self) -> None:
        self.called.append(inspect.stack()[1].function)

    @impl.llmgine_settings
    def llmgine_settings(self) -> type[Any]:
        self._note()
        return Nothing

    @impl.llmgine_register_converters
    def llmgine_register_converters(self, converter: Any) -> None:
        self._note()

    @impl.llmgine_create_message_bus
    def llmgine_create_message_bus(self, build: Build[Any]) -> MessageBus:
        self._note()
        assert build.bus is None
        return MessageBus()

    @impl.llmgine_create_context_store
    def llmgine_create_context_store(self, build: Build[Any]) -> InMemoryContextStore:
        self._note()
        return InMemoryContextStore(build.bus)

    @impl.llmgine_create_tool_manager
    def llmgine_create_tool_manager(self, build: Build[Any]) -> type[ToolManager]:
        self._note()
        return ToolManager

    @impl.llmgine_create_language_model
    def llmgine_create_language_model(self, build: Build[Any]) -> ScriptedModel:
        self._note()
        return ScriptedModel("…")

    @impl.llmgine_create_event_handler
    def llmgine_create_event_handler(self, build: Build[Any]) -> RecordingEventHandler:
        self._note()
        return RecordingEventHandler(name=build.name)

    @impl.llmgine_create_redactor
    def llmgine_create_redactor(self, build: Build[Any]) -> NoRedaction:
        self._note()
        return NoRedaction()

    @impl.llmgine_register_tools
    def llmgine_register_tools(self) -> list[Callable[..., Any]]:
        self._note()
        return [len]

    @impl.llmgine_lifespan
    def llmgine_lifespan(self, app: Any) -> Any:
        self._note()
        return self._life()

    @asynccontextmanager
    async def _life(self) -> AsyncGenerator[None]:
        self.called.append("entered")
        yield
        self.called.append("left")

    @impl.llmgine_register_handlers
    def llmgine_register_handlers(self, app: Any) -> None:
        self._note()

    @impl.llmgine_health_checks
    def llmgine_health_checks(self, app: Any) -> dict[str, Callable[[], dict[str, Any]]]:
        self._note()
        return {"mine": lambda: {"ok": True}}


@pytest.fixture
def everything(site: Site, monkeypatch: pytest.MonkeyPatch) -> Everything:
    """The plugin behind an entry of the name `everything` in every group."""
    entries = {kind.group: {"everything": "everything_plugin:plugin"} for kind in KINDS.values()}
    site.install("everything", {"everything_plugin": ""}, entries)
    import everything_plugin  # type: ignore[import-not-found]  # pyright: ignore[reportMissingImports]

    plugin = Everything()
    monkeypatch.setattr(everything_plugin, "plugin", plugin, raising=False)
    return plugin


def selected(kind: str) -> dict[str, Any]:
    """The constructor's argument that selects it; what offers tools needs a tool manager too."""
    chosen: Any = {"llm": {"default": "everything"}, "observability": ["everything"], "plugins": ["everything"]}
    return {"tool_manager": ToolManager, kind: chosen.get(kind, "everything")}


@pytest.mark.parametrize("kind", KINDS)
async def test_each_hook_is_called_once_for_an_instance_in_the_kinds_that_it_names_and_in_order(
    kind: str, everything: Everything
) -> None:
    async with ApplicationBootstrap(discover=False, **selected(kind)):
        called = [name for name in everything.called if name != "entered"]
    assert called == [name for name, hook in HOOKS.items() if kind in hook.kinds]
    assert everything.called.index("entered") == everything.called.index("llmgine_lifespan") + 1
    assert everything.called[-1] == "left"


async def test_several_instances_of_a_plugin_are_each_asked(everything: Everything) -> None:
    twice = ["everything", {"use": "everything", "as": "other"}]
    async with ApplicationBootstrap(discover=False, tool_manager=ToolManager, plugins=twice):
        assert everything.called.count("llmgine_settings") == 2
        assert everything.called.count("llmgine_register_handlers") == 2
