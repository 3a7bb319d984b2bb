"""The import of what an entry point names, and every way in which it fails."""

# A test may look inside.
# pyright: reportPrivateUsage=false

import sys

import pytest

from llmgine_core import PluginLoadError
from llmgine_core._discovery import PluginEntry
from llmgine_core._importing import import_target
from tests.core.distributions import Site
from tests.core.handler_plugins import GOOD, handler_site, load, refusal

FIX = "fix or upgrade the distribution, or select another plugin"


@pytest.mark.parametrize(
    ("source", "what", "cure"),
    [
        (
            "import no_such_module_here",
            "importing it raised ModuleNotFoundError: No module named 'no_such_module_here'",
            "install what offers the module 'no_such_module_here', or select another plugin",
        ),
        ("raise ImportError('torn')", "importing it raised ImportError: torn", FIX),
        ("raise SystemExit(3)", "importing it raised SystemExit: 3", FIX),
        ("raise GeneratorExit", "importing it raised GeneratorExit", FIX),
        ("raise ValueError('a\\nb')", "importing it raised ValueError: a b", FIX),
        (
            "from llmgine_core import MesageBus",
            "importing it raised ImportError: cannot import name 'MesageBus' from 'llmgine_core'",
            "did you mean 'MessageBus'? Otherwise " + FIX,
        ),
        (
            "import math\nmath.hypott",
            "importing it raised AttributeError: module 'math' has no attribute 'hypott'",
            "did you mean 'hypot'? Otherwise " + FIX,
        ),
    ],
)
def test_whatever_an_import_raises_is_one_error_the_second_time_as_the_first(
    site: Site, source: str, what: str, cure: str
) -> None:
    handler_site(site, source)
    for _ in range(2):
        error = refusal()
        assert error.what.startswith(what)
        assert error.cure == cure
        assert error.plugin == "observability 'good' (good-dist 1.2, good_plugin)"
        assert error.__cause__ is not None
        assert "good_plugin" not in sys.modules


def test_an_attribute_that_is_imported_late_fails_as_the_module_itself_does(site: Site) -> None:
    site.install("late", {"late_plugin": "def __getattr__(name):\n    raise SystemExit(3)"}, {})
    with pytest.raises(PluginLoadError, match="getting 'plugin' of late_plugin raised SystemExit: 3"):
        import_target(PluginEntry("plugins", "late", "late_plugin:plugin"))


def test_what_does_not_compile_is_named_with_its_file_and_line(site: Site) -> None:
    handler_site(site, "\ndef broken(:")
    error = refusal()
    path = site.folder / "good_plugin.py"
    assert error.what == f"importing it raised SyntaxError: invalid syntax ({path}, line 2)"
    assert error.cure.startswith("mend that line, or install a release of the distribution that fits Python 3.")


def test_an_interrupt_while_importing_is_not_the_plugins(site: Site) -> None:
    handler_site(site, "raise KeyboardInterrupt")
    with pytest.raises(KeyboardInterrupt):
        refusal()


def test_a_half_imported_package_gives_the_same_error_again(site: Site) -> None:
    package = site.folder / "halved"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "settings.py").write_text("kept = True")
    (package / "plugin.py").write_text("import halved.settings\nimport halved.absent")
    site.install("d", {}, {"llmgine.observability": {"good": "halved.plugin"}})
    said = [str(refusal()) for _ in range(2)]
    assert said[0] == said[1]
    assert said[0].startswith("importing it raised ModuleNotFoundError: No module named 'halved.absent'\n")
    for module in ("halved", "halved.settings"):
        del sys.modules[module]


@pytest.mark.parametrize("target", ["absent_plugin", "absent_plugin.inside:thing", "good_plugin.inside"])
def test_a_module_that_the_distribution_does_not_have_is_named(site: Site, target: str) -> None:
    handler_site(site, GOOD)
    site.install("d", {}, {"llmgine.observability": {"mine": target}})
    error = refusal("mine")
    assert error.what == f"there is no module {'absent_plugin' if 'absent' in target else 'good_plugin.inside'!r}"
    assert error.cure.endswith("reinstall d")


def test_a_module_that_the_configuration_names_may_be_misspelt() -> None:
    error = refusal("absent_plugin:")
    assert error.what == "there is no module 'absent_plugin'"
    assert error.plugin == "observability 'absent_plugin:' (named in the configuration, absent_plugin:)"
    assert error.cure == "check the spelling, and that the module lies in a folder of Python's path"


def test_an_attribute_that_is_not_there_is_told_with_what_is(site: Site) -> None:
    site.install("d", {"naming": "class Holder:\n    plugin = 5\n"}, {"llmgine.llm": {"mine": "naming:Holder.plugn"}})
    with pytest.raises(PluginLoadError) as caught:
        import_target(PluginEntry("llm", "mine", "naming:Holder.plugn", "d", "1.2"))
    assert str(caught.value).splitlines() == [
        "naming.Holder has no attribute 'plugn'",
        "  plugin: llm 'mine' (d 1.2, naming:Holder.plugn)",
        "  cure: did you mean 'plugin'? its entry point must name what is there: plugin",
    ]
    with pytest.raises(PluginLoadError, match="the configuration must name what is there: Holder"):
        import_target(PluginEntry("llm", "naming:Entirely", "naming:Entirely"))
    assert import_target(PluginEntry("llm", "mine", "naming:Holder.plugin")) == 5


LAZY = """
def __getattr__(name):
    if name == "plugin":
        {}
    raise AttributeError(name)
"""


@pytest.mark.parametrize(
    ("does", "what", "cure"),
    [
        (
            "import no_such_module_here",
            "ModuleNotFoundError: No module named 'no_such_module_here'",
            "install what offers the module 'no_such_module_here', or select another plugin",
        ),
        ("raise SystemExit(3)", "SystemExit: 3", FIX),
    ],
)
def test_what_a_package_raises_that_imports_its_modules_late_is_told_like_an_import(
    site: Site, does: str, what: str, cure: str
) -> None:
    site.install("d", {"late": LAZY.format(does)}, {"llmgine.observability": {"mine": "late:plugin"}})
    error = refusal("mine")
    assert error.what == f"getting 'plugin' of late raised {what}"
    assert error.plugin == "observability 'mine' (d 1.2, late:plugin)"
    assert error.cure == cure


def test_an_interrupt_meanwhile_is_not_the_plugins_either(site: Site) -> None:
    site.install("d", {"late": LAZY.format("raise KeyboardInterrupt")}, {"llmgine.observability": {"m": "late:plugin"}})
    with pytest.raises(KeyboardInterrupt):
        load("m")


def test_extras_of_an_entry_point_say_nothing(site: Site) -> None:
    (site.folder / "loose_plugin.py").write_text("plugin = 5")
    assert import_target(PluginEntry("llm", "mine", "loose_plugin : plugin [extra, more]", "d", "1")) == 5
    del sys.modules["loose_plugin"]


@pytest.mark.parametrize("target", ["", ":x", ".relative", "two words", "a..b", "a:b:c", "a-b"])
def test_a_target_that_names_nothing_is_refused(target: str) -> None:
    with pytest.raises(PluginLoadError) as caught:
        import_target(PluginEntry("llm", "mine", target, "d", "1"))
    assert caught.value.what == f"its target {target!r} cannot be read"
