"""The plugin host, with real distributions on the path."""

# Handlers are lambdas here, and a test may look inside.
# pyright: reportPrivateUsage=false, reportUnknownArgumentType=false, reportUnknownLambdaType=false, reportUnknownMemberType=false, reportUnknownVariableType=false

import sys
from pathlib import Path
from typing import Any

import pytest

from llmgine_core import (
    ConfigError,
    PluginApiError,
    PluginConflictError,
    PluginLoadError,
    PluginNotFoundError,
    _discovery,
)
from llmgine_core._discovery import find_entry, installed, unselected
from llmgine_core._loading import load_plugin
from llmgine_core._plugins import Plugin
from llmgine_core.config import Selection, load_config
from llmgine_core.hookspecs import KINDS, HookSpecs, impl
from tests.core.distributions import Site

GOOD = """
import attrs
from llmgine_core.hookspecs import hookimpl
from llmgine_core.testing import RecordingEventHandler

class Level:
    def __init__(self, name): self.name = name

@attrs.frozen
class Settings:
    path: str = "here"
    loud: bool = False
    level: Level = attrs.field(factory=lambda: Level("low"))

@hookimpl
def llmgine_settings():
    return Settings

@hookimpl
def llmgine_register_converters(converter):
    converter.register_structure_hook(Level, lambda value, _: Level(value))

@hookimpl
def llmgine_create_event_handler(build):
    handler = RecordingEventHandler(name=build.name)
    handler.settings = build.settings
    return handler
"""


def handler_site(site: Site, source: str, *, name: str = "good", distribution: str = "good-dist") -> None:
    site.install(distribution, {f"{name}_plugin": source}, {"llmgine.observability": {name: f"{name}_plugin"}})


def load(use: Any = "good", **given: Any) -> Plugin:
    config = load_config({"observability": [use], **given}, environment={}, discover=False)
    return load_plugin(config.observability[0], config)


def refusal(use: Any = "good", **given: Any) -> PluginLoadError:
    with pytest.raises(PluginLoadError) as caught:
        load(use, **given).build()
    lines = str(caught.value).splitlines()
    assert len(lines) >= 3
    assert lines[-2].startswith("  plugin: ")
    assert lines[-1].startswith("  cure: ")
    return caught.value


def test_what_is_installed_is_listed_by_kind_without_importing_anything(site: Site) -> None:
    handler_site(site, "raise AssertionError('imported')")
    entry = find_entry("observability", "good")
    assert (entry.distribution, entry.version, entry.target) == ("good-dist", "1.2", "good_plugin")
    assert entry in installed("observability")
    assert "good_plugin" not in sys.modules
    config = load_config({}, environment={}, discover=False)
    assert entry in unselected(config)
    assert "good_plugin" not in sys.modules


def test_a_selected_plugin_is_built_with_its_settings(site: Site) -> None:
    handler_site(site, GOOD)
    made = load({"use": "good", "as": "mine", "path": "there", "level": "high"}).build()
    assert made.name == "mine"
    assert (made.settings.path, made.settings.level.name) == ("there", "high")


def test_settings_that_do_not_fit_are_all_named_with_their_source(site: Site) -> None:
    handler_site(site, GOOD)
    with pytest.raises(
        ConfigError, match=r"the constructor: observability\[0\].pth: unknown setting 'pth'; did you mean 'path'"
    ):
        load({"use": "good", "pth": "x"}).settings()
    with pytest.raises(ConfigError, match=r"\[0\].loud: true or false is wanted, not 'yes'"):
        load({"use": "good", "loud": "yes"}).settings()


def test_a_plugin_without_settings_takes_none(site: Site) -> None:
    handler_site(site, GOOD.replace("def llmgine_settings", "def _unused").replace("@hookimpl\ndef _unused", "def _un"))
    assert load().build().settings == {}
    with pytest.raises(ConfigError, match="takes no settings, but was given path"):
        load({"use": "good", "path": "x"}).settings()


@pytest.mark.parametrize(
    ("source", "what", "cure"),
    [
        ("import no_such_module_here", "importing it raised ModuleNotFoundError", "'no_such_module_here'"),
        ("raise ImportError('torn')", "importing it raised ImportError: torn", "fix or upgrade"),
        ("raise SystemExit(3)", "importing it raised SystemExit: 3", "fix or upgrade"),
        ("def broken(:", "importing it raised SyntaxError", "fix or upgrade"),
        ("", "it does not implement llmgine_create_event_handler", "right group"),
        (
            GOOD.replace("llmgine_create_event_handler", "llmgine_create_event_handlr"),
            "llmgine_create_event_handlr",
            "rename llmgine_create_event_handlr → llmgine_create_event_handler",
        ),
        (GOOD.replace("(build)", "(biuld)"), "biuld", "signatures"),
        (GOOD.replace("def llmgine_create", "async def llmgine_create"), "is a coroutine function", "plain functions"),
        (GOOD.replace("return handler", "return 5"), "returned 5", "an ObservabilityEventHandler"),
        (GOOD.replace("return handler", "raise SystemExit(4)"), "raised SystemExit: 4", "fix or upgrade"),
        (GOOD.replace("return Settings", "return 5"), "llmgine_settings returned 5", "an attrs class"),
    ],
)
def test_a_broken_plugin_is_one_error_of_three_lines(site: Site, source: str, what: str, cure: str) -> None:
    handler_site(site, source)
    error = refusal()
    assert what in error.what
    assert cure in error.cure
    assert "observability 'good' (good-dist 1.2, good_plugin)" in error.plugin


def test_a_plugin_of_another_interface_version_is_refused(site: Site) -> None:
    handler_site(site, GOOD + "\n__llmgine_api__ = 2")
    with pytest.raises(PluginApiError, match="API version 2, this core offers 1") as caught:
        load()
    assert len(str(caught.value).splitlines()) == 3


def test_a_name_that_two_distributions_offer_must_be_chosen_between(site: Site) -> None:
    site.install("one", {"one_plugin": GOOD}, {"llmgine.observability": {"same": "one_plugin"}})
    site.install("The_Other", {"other_plugin": GOOD}, {"llmgine.observability": {"same": "other_plugin"}})
    with pytest.raises(PluginConflictError, match='name one: "same@'):
        load("same")
    assert load("same@the-other").entry == find_entry("observability", "same@The_Other")


def test_a_missing_plugin_is_named_with_near_misses_and_the_package_to_install(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    handler_site(site, GOOD, name="consoles")
    with pytest.raises(PluginNotFoundError, match=r"did you mean .*console"):
        load("consol")
    monkeypatch.setattr(_discovery, "installed", lambda kind: ())
    with pytest.raises(PluginNotFoundError, match="pip install llmgine-obs-otel"):
        load("otel")


@pytest.mark.parametrize("spelling", ["good-dist", "Good_Dist", "good.dist"])
def test_denied_and_not_allowed_distributions_are_never_imported(site: Site, spelling: str) -> None:
    handler_site(site, "raise AssertionError('imported')")
    assert "deny names its distribution" in refusal(deny=[spelling]).what
    assert "allow does not name its distribution" in refusal(allow=["other"]).what
    assert "deny names" in refusal("good_plugin:thing", deny=[spelling]).what
    assert "importing it raised AssertionError" in refusal(allow=[spelling]).what


def test_a_denied_distribution_that_lists_no_modules_is_known_by_its_entries(site: Site) -> None:
    source = "raise AssertionError('imported')"
    site.install("editable", {"kept_elsewhere": source}, {"llmgine.observability": {"it": "kept_elsewhere.plugin"}})
    (site.folder / "editable-1.2.dist-info" / "top_level.txt").unlink()
    assert "deny names its distribution" in refusal("kept_elsewhere:thing", deny=["Editable"]).what
    assert "importing it raised AssertionError" in refusal("kept_elsewhere:thing", deny=["other"]).what
    assert "importing it raised AssertionError" in refusal("kept_elsewhere:thing", allow=["editable"]).what


def test_with_deny_or_allow_a_module_of_no_known_distribution_is_never_imported(site: Site) -> None:
    (site.folder / "stray_plugin.py").write_text("raise AssertionError('imported')")
    assert "its distribution is unknown" in refusal("stray_plugin:thing", deny=["other"]).what
    assert "allow does not name its distribution" in refusal("stray_plugin:thing", allow=["other"]).what
    assert "importing it raised AssertionError" in refusal("stray_plugin:thing").what


def test_a_module_may_be_named_itself_with_an_attribute_inside(site: Site) -> None:
    nested = GOOD + "\nclass Holder:\n    class Inner:\n        pass\n"
    (site.folder / "loose_plugin.py").write_text(nested)
    site._modules.append("loose_plugin")
    assert "it does not implement" in refusal("loose_plugin:Holder.Inner").what
    assert "AttributeError" in refusal("loose_plugin:Holder.Nothing").what
    assert "named in the configuration" in refusal("loose_plugin:Holder.Nothing").plugin


def test_metadata_that_is_broken_hurts_nobody_who_never_asked_for_it(site: Site) -> None:
    handler_site(site, GOOD)
    broken = site.folder / "broken-1.0.dist-info"
    broken.mkdir()
    (broken / "entry_points.txt").write_text("[llmgine.observability]\nbad = bad\n")
    worse = site.folder / "worse-1.0.dist-info"
    worse.mkdir()
    (worse / "METADATA").write_text("Name: worse\nVersion: 1\n")
    (worse / "entry_points.txt").write_text("[llmgine.observability]\nno equals sign\n")
    _discovery._scan.cache_clear()
    assert load().build().name == "good"


def test_the_first_of_two_installations_of_a_distribution_counts(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    handler_site(site, GOOD)
    shadowing = tmp_path / "shadowing"
    shadowing.mkdir()
    monkeypatch.syspath_prepend(str(shadowing))
    Site(shadowing).install("good-dist", {}, {"llmgine.observability": {"good": "good_plugin"}}, version="9.9")
    assert find_entry("observability", "good").version == "9.9"


class _Anything:
    """A plugin object whose hooks return what a test says."""

    def __init__(self, **hooks: Any) -> None:
        for name, result in hooks.items():
            setattr(self, name, getattr(impl, name)(_returning(name, result)))


def _returning(hook: str, result: Any) -> Any:
    if hook in ("llmgine_lifespan", "llmgine_health_checks", "llmgine_register_handlers"):
        return lambda app: result
    return lambda: result


@pytest.mark.parametrize(
    ("hook", "result", "wanted"),
    [
        ("llmgine_register_tools", 5, "a list of functions"),
        ("llmgine_register_tools", ["no function"], "a list of functions"),
        ("llmgine_lifespan", 5, "an async context manager"),
        ("llmgine_health_checks", ["x"], "a dict of functions"),
        ("llmgine_health_checks", {"x": 5}, "a dict of functions"),
    ],
)
def test_a_hook_that_returns_the_wrong_thing_is_refused(hook: str, result: Any, wanted: str) -> None:
    plugin = Plugin(Selection(kind="plugins", name="mine"), None, _Anything(**{hook: result}))
    arguments = {} if hook == "llmgine_register_tools" else {"app": None}
    with pytest.raises(PluginLoadError) as caught:
        plugin.call(hook, **arguments)
    assert wanted in caught.value.cure
    assert "plugins 'mine'" in caught.value.plugin


@pytest.mark.parametrize("kind", [k for k in KINDS if k != "plugins"])
def test_a_ready_object_must_be_what_its_kind_demands(kind: str) -> None:
    plugin = Plugin(Selection(kind=kind, name="mine"), None, object())
    with pytest.raises(PluginLoadError, match=r"it is 5\n  plugin: .* 'mine' \(a ready object\)\n  cure: it must be a"):
        plugin.checked(5)


def test_settings_are_read_once(site: Site) -> None:
    source = GOOD.replace("    return Settings", "    return Settings\n\n_read = []").replace(
        "lambda value, _: Level(value)", "lambda value, _: _read.append(value) or Level(value)"
    )
    handler_site(site, source)
    plugin = load({"use": "good", "level": "high"})
    assert plugin.settings() is plugin.settings()
    assert plugin.build().settings is plugin.settings()
    assert plugin.module._read == ["high"]


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
