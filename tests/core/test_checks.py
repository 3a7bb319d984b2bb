"""What is wrong with the hooks of a plugin, every fault of it, before any hook is called."""

# Handlers are lambdas here, and a test may look inside.
# pyright: reportPrivateUsage=false, reportUnknownArgumentType=false, reportUnknownLambdaType=false, reportUnknownMemberType=false, reportUnknownVariableType=false

from types import ModuleType
from typing import Any

import pytest

from llmgine_core import PluginApiError, PluginLoadError
from llmgine_core._checks import faults_of
from llmgine_core._plugins import Plugin
from llmgine_core.config import Selection
from llmgine_core.hookspecs import KINDS, HookSpecs, hookimpl, impl
from tests.core.distributions import Site
from tests.core.handler_plugins import GOOD, handler_site, load


def refused(plugin: object, kind: str = "plugins") -> list[str]:
    """The lines of the error with which a ready object is refused."""
    with pytest.raises(PluginLoadError) as caught:
        Plugin(Selection(kind=kind, name="mine"), None, plugin).verify()
    what, named, cure = str(caught.value).splitlines()
    assert named == f"  plugin: {kind} 'mine' (a ready object)"
    return [what, cure.removeprefix("  cure: ")]


def module_of(source: str) -> ModuleType:
    """A module, as an entry point names one."""
    module = ModuleType("mine")
    exec("from llmgine_core.hookspecs import hookimpl, impl\n" + source, vars(module))
    return module


HANDLER = "@hookimpl\ndef llmgine_create_event_handler(build): return build\n"


def test_every_fault_of_a_plugin_is_named_at_once() -> None:
    module = module_of("""
__llmgine_api__ = "1"

@hookimpl
def llmgine_create_event_handlr(build): ...

@hookimpl
def quite_another(): ...

@hookimpl
async def llmgine_lifespan(ap): yield

@hookimpl
async def llmgine_register_handlers(app): ...

def llmgine_health_checks(app): ...
""")
    what, cure = refused(module, "observability")
    assert what.split("; ") == [
        "its __llmgine_api__ is '1', not a whole number",
        "there is no hook llmgine_create_event_handlr",
        "llmgine_lifespan is a generator function",
        "llmgine_lifespan takes 'ap', but is given app",
        "llmgine_register_handlers is an async function",
        "there is no hook quite_another",
        "llmgine_health_checks is not marked as a hook",
    ]
    for wanted in (
        "write 1, or leave it out",
        "rename llmgine_create_event_handlr → llmgine_create_event_handler",
        "put @asynccontextmanager between it and @impl.llmgine_lifespan",
        "rename ap → app",
        "hooks are plain functions; await in what they return",
        "the hooks are llmgine_settings, ",
        "put @impl.llmgine_health_checks above it",
    ):
        assert wanted in cure


@pytest.mark.parametrize(
    ("source", "what", "cure"),
    [
        (
            "@hookimpl\ndef llmgine_settings(build): ...",
            "llmgine_settings takes 'build', but is given nothing",
            "write llmgine_settings()",
        ),
        (
            "@impl.llmgine_create_redactor\ndef mine(settings, biuld): ...",
            "llmgine_create_redactor takes 'settings', but is given build; llmgine_create_redactor takes 'biuld'",
            "write llmgine_create_redactor(build); rename biuld → build",
        ),
        (
            "@hookimpl\ndef llmgine_lifespan(app=None): ...",
            "llmgine_lifespan takes 'app' with a default, or by keyword only",
            "write it as a plain argument: llmgine_lifespan(app)",
        ),
        (
            "@hookimpl\ndef llmgine_lifespan(*, app): ...",
            "llmgine_lifespan takes 'app' with a default, or by keyword only",
            "write it as a plain argument: llmgine_lifespan(app)",
        ),
        (
            "@hookimpl(wrapper=True)\ndef llmgine_lifespan(app): return (yield)",
            "llmgine_lifespan is a hook wrapper",
            "each plugin's hooks are called alone, so there is nothing to wrap: take out the option, and return",
        ),
        (
            "@hookimpl(hookwrapper=True)\ndef llmgine_lifespan(app): yield",
            "llmgine_lifespan is a hook wrapper",
            "each plugin's hooks are called alone, so there is nothing to wrap: take out the option, and return",
        ),
        (
            "@hookimpl\ndef llmgine_register_tools(): yield len",
            "llmgine_register_tools is a generator function",
            "return, do not yield",
        ),
        (
            "@impl.llmgine_register_tools\ndef one(): ...\n@impl.llmgine_register_tools\ndef two(): ...",
            "llmgine_register_tools is implemented by one and by two",
            "keep one of them",
        ),
        (
            HANDLER,
            "it implements nothing but llmgine_create_event_handler",
            "move its entry from the group llmgine.plugins to llmgine.observability, to be selected as observability",
        ),
        (
            "@hookimpl\ndef llmgine_settings(): ...",
            "it implements nothing but llmgine_settings",
            "add a hook that does something, or take its entry out",
        ),
        ("", "it implements no hook", "mark its functions with the decorators of llmgine_core.hookspecs.impl"),
        ("__llmgine_api__ = True\n" + HANDLER, "its __llmgine_api__ is True, not a whole number", "write 1"),
    ],
)
def test_a_hook_that_cannot_be_called_as_it_is_is_named_with_its_cure(source: str, what: str, cure: str) -> None:
    said = refused(module_of(source))
    assert said[0].startswith(what)
    assert said[1].startswith(cure)


@pytest.mark.parametrize(
    ("source", "what", "cure"),
    [
        (
            "@hookimpl\ndef llmgine_create_language_model(build): ...",
            "it does not implement llmgine_create_event_handler, but llmgine_create_language_model",
            "move its entry from the group llmgine.observability to llmgine.llm, to be selected as llm",
        ),
        (
            "@hookimpl\ndef llmgine_register_tools(): ...\n@hookimpl\ndef llmgine_lifespan(app): ...",
            "it does not implement llmgine_create_event_handler, but llmgine_register_tools and llmgine_lifespan",
            "move its entry from the group llmgine.observability to llmgine.plugins, to be selected as plugins",
        ),
        (
            "@hookimpl\ndef llmgine_settings(): ...",
            "it does not implement llmgine_create_event_handler",
            "a plugin of the group llmgine.observability must",
        ),
        (
            HANDLER.replace("handler", "handlr"),
            "there is no hook llmgine_create_event_handlr",
            "rename llmgine_create_event_handlr → llmgine_create_event_handler",
        ),
        (
            HANDLER.replace("@hookimpl", ""),
            "llmgine_create_event_handler is not marked as a hook",
            "put @impl.llmgine_create_event_handler above it",
        ),
    ],
)
def test_what_a_kind_must_make_is_missed_once_and_told_where_it_would_belong(source: str, what: str, cure: str) -> None:
    assert refused(module_of(source), "observability") == [what, cure]


class Methods:
    @hookimpl
    def llmgine_register_handlers(self, app: Any) -> None: ...


class Namespace:
    @staticmethod
    @hookimpl
    def llmgine_register_handlers(app: Any) -> None: ...


def test_a_class_in_the_place_of_an_object_is_refused_unless_its_hooks_need_none() -> None:
    what, cure = refused(Methods)
    assert what == "Methods is a class, whose llmgine_register_handlers need an object"
    assert "plugin = Methods()" in cure
    for plugin in (Methods(), Namespace, Namespace()):
        Plugin(Selection(kind="plugins", name="mine"), None, plugin).verify()


def test_what_is_not_a_fault_passes() -> None:
    module = module_of("""
from contextlib import asynccontextmanager
from functools import wraps

def logged(function):
    @wraps(function)
    def call(*args, **kwargs): return function(*args, **kwargs)
    return call

@hookimpl
@asynccontextmanager
async def llmgine_lifespan(app): yield

@hookimpl
@logged
def llmgine_register_handlers(app): ...

@hookimpl
def llmgine_health_checks(app, more=None): ...

@hookimpl
def llmgine_register_tools(*more, **and_more): ...

llmgine_notes = "no hook, and no function"
""")
    assert faults_of(module, KINDS["plugins"]) == []


def test_a_plugin_has_no_hooks_until_it_is_verified() -> None:
    plugin = Plugin(Selection(kind="plugins", name="mine"), None, Methods())
    assert not plugin.implements("llmgine_register_handlers")
    plugin.verify()
    assert plugin.implements("llmgine_register_handlers")


@pytest.mark.parametrize(("version", "cure"), [(2, "upgrade llmgine-core"), (0, "install a newer release")])
def test_a_plugin_of_another_interface_version_is_refused_before_its_hooks_are_looked_at(
    site: Site, version: int, cure: str
) -> None:
    handler_site(
        site, GOOD.replace("event_handler(build)", "event_handler(strange)") + f"\n__llmgine_api__ = {version}"
    )
    with pytest.raises(PluginApiError) as caught:
        load()
    lines = str(caught.value).splitlines()
    assert lines[:2] == [
        f"the plugin is written for API version {version}, this core offers 1",
        "  plugin: observability 'good' (good-dist 1.2, good_plugin)",
    ]
    assert lines[2].startswith(f"  cure: {cure}")


@pytest.mark.parametrize("kind", KINDS)
def test_a_plugin_that_offers_nothing_of_its_kind_is_refused(kind: str) -> None:
    plugin = Plugin(Selection(kind=kind, name="mine"), None, object())
    with pytest.raises(PluginLoadError, match=r"it does not implement|it implements no hook") as caught:
        plugin.verify()
    assert len(str(caught.value).splitlines()) == 3


def test_every_kind_has_a_factory_hook_and_every_hook_a_typed_decorator() -> None:
    hooks = {name for name in vars(HookSpecs) if name.startswith("llmgine_")}
    assert {kind.factory for kind in KINDS.values() if kind.factory} <= hooks
    assert hooks == {name for name in dir(impl) if name.startswith("llmgine_")}
