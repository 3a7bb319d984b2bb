"""What is installed, from metadata alone, with real distributions on the path."""

# Handlers are lambdas here, and a test may look inside.
# pyright: reportPrivateUsage=false, reportUnknownArgumentType=false, reportUnknownLambdaType=false, reportUnknownMemberType=false, reportUnknownVariableType=false

import sys
from collections import Counter
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from llmgine_core import ApplicationBootstrap, PluginConflictError, PluginNotFoundError, _discovery
from llmgine_core._discovery import find_entry, installed, unreadable, unselected
from llmgine_core.config import load_config
from tests.core.distributions import Site
from tests.core.handler_plugins import GOOD, handler_site, load


def _write(site: Site, folder: str, **files: str | bytes) -> Path:
    """Write a distribution's metadata as it stands; `METADATA` and the others are keywords."""
    info = site.folder / folder
    info.mkdir()
    for name, content in files.items():
        path = info / (name if name == "METADATA" else f"{name}.txt")
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    _discovery._scan.cache_clear()
    return info


def test_what_is_installed_is_listed_by_kind_without_importing_anything(site: Site) -> None:
    handler_site(site, "raise AssertionError('imported')")
    entry = find_entry("observability", "good")
    assert (entry.distribution, entry.version, entry.target) == ("good-dist", "1.2", "good_plugin")
    assert entry in installed("observability")
    assert "good_plugin" not in sys.modules
    config = load_config({}, environment={}, discover=False)
    assert entry in unselected(config)
    assert "good_plugin" not in sys.modules


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


def test_a_name_that_another_kind_or_another_distribution_has_is_told_where_it_is(site: Site) -> None:
    handler_site(site, GOOD, name="mine", distribution="d")
    with pytest.raises(
        PluginNotFoundError, match="cure: select it as observability, which is what is installed"
    ) as caught:
        find_entry("plugins", "mine")
    assert caught.value.elsewhere == ("observability",)
    with pytest.raises(PluginNotFoundError, match=r"^command 'mine' is not installed\n") as caught:
        find_entry("commands", "mine")
    assert caught.value.elsewhere == ()
    with pytest.raises(PluginNotFoundError, match=r"did you mean 'mine@d'\?"):
        find_entry("observability", "mine@e")


def test_the_first_of_two_installations_of_a_distribution_counts(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    handler_site(site, GOOD)
    shadowing = tmp_path / "shadowing"
    shadowing.mkdir()
    monkeypatch.syspath_prepend(str(shadowing))
    Site(shadowing).install("good-dist", {}, {"llmgine.observability": {"good": "good_plugin"}}, version="9.9")
    assert find_entry("observability", "good").version == "9.9"


ENTRY = "[llmgine.observability]\nbad = bad\n"
NAMED = "Name: broken\nVersion: 1.0\n"


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ({"entry_points": ENTRY}, "METADATA has no Name"),
        ({"entry_points": ENTRY, "METADATA": "Name: broken\n"}, "METADATA has no Version"),
        ({"entry_points": ENTRY, "METADATA": b"Name: br\xf6ken\nVersion: 1"}, "'utf-8' codec can't decode byte 0xf6"),
        ({"entry_points": b"[llmgine.llm]\nb\xf6d = bad", "METADATA": NAMED}, "'utf-8' codec can't decode byte 0xf6"),
        (
            {"entry_points": "[llmgine.llm]\n\n# but\nno equals sign\n", "METADATA": NAMED},
            "entry_points.txt, line 4: 'no equals sign' is not `name = module:attribute`",
        ),
        ({"entry_points": "[llmgine.llm]\nx =\n", "METADATA": NAMED}, "line 2: 'x =' is not `name = module:attribute`"),
        (
            {"entry_points": "[llmgine.llm]\nx = a\nx = b\n", "METADATA": NAMED},
            "entry_points.txt, line 3: 'x' stands in [llmgine.llm] twice",
        ),
    ],
)
def test_metadata_that_is_broken_hurts_nobody_who_never_asked_for_it_and_is_told_of(
    site: Site, files: dict[str, str | bytes], reason: str
) -> None:
    handler_site(site, GOOD)
    info = _write(site, "broken-1.0.dist-info", **files)
    assert load().build().name == "good"
    (told,) = unreadable()
    assert told.path == str(info)
    assert reason in told.reason
    with pytest.raises(PluginNotFoundError) as caught:
        find_entry("llm", "x")
    assert f"cannot be read: {info}: " in str(caught.value).splitlines()[1]


def test_what_stands_in_other_groups_need_not_be_readable(site: Site) -> None:
    text = "[somebody.elses]\nno equals sign\n[llmgine.observability]\nmine = mine\n; so far\n[again]\nnor here"
    _write(site, "mixed-1.0.dist-info", entry_points=text, METADATA="Name: mixed\nVersion: 1.0\n")
    assert find_entry("observability", "mine").distribution == "mixed"
    assert unreadable() == ()


def test_metadata_of_those_who_offer_nothing_is_not_even_opened(site: Site) -> None:
    _write(site, "other-1.0.dist-info", entry_points="[console_scripts]\nx = y:z\n", METADATA=b"\xff")
    installed()
    assert unreadable() == ()


def test_an_old_egg_is_read_as_well(site: Site) -> None:
    info = _write(site, "My.Egg.egg-info", entry_points="[llmgine.observability]\nmine = mine\n")
    (info / "PKG-INFO").write_text("Name: My.Egg\nVersion: 3\n\nVersion: not this, it is the description\n")
    assert str(find_entry("observability", "mine@my-egg")) == "observability 'mine' (My.Egg 3, mine)"


def test_headers_may_be_spelt_in_any_case_and_the_first_of_each_counts(site: Site) -> None:
    text = "Summary: a\n  Name: continued\nNAME:  mine \nname: second\nversion : 1.0\nVersion: 2.0\n"
    _write(site, "mine-1.0.dist-info", entry_points="[llmgine.observability]\nmine = mine\n", METADATA=text)
    assert str(find_entry("observability", "mine")) == "observability 'mine' (mine 1.0, mine)"


@pytest.mark.parametrize(
    ("folder", "name"), [("good_dist-9.9.dist-info", "good-dist"), ("Good.Dist-9.9.dist-info", "Good.Dist")]
)
@pytest.mark.parametrize("entries", ["", "[console_scripts]\nx = y:z\n", "[llmgine.llm]\nbroken\n"])
def test_an_installation_that_comes_first_hides_a_later_one_also_if_it_offers_nothing(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: str, name: str, entries: str
) -> None:
    handler_site(site, GOOD)
    assert find_entry("observability", "good").version == "1.2"
    first = tmp_path / "first"
    first.mkdir()
    monkeypatch.syspath_prepend(str(first))
    _write(Site(first), folder, METADATA=f"Name: {name}\nVersion: 9.9\n", entry_points=entries)
    with pytest.raises(PluginNotFoundError):
        find_entry("observability", "good")


def test_a_distribution_whose_name_goes_on_hides_nothing(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    handler_site(site, GOOD)
    first = tmp_path / "first"
    first.mkdir()
    monkeypatch.syspath_prepend(str(first))
    _write(Site(first), "good_dist_extras-1.0.dist-info", METADATA="Name: good-dist-extras\nVersion: 1.0\n")
    assert find_entry("observability", "good").distribution == "good-dist"


class _Foreign(metadata.Distribution):
    """A distribution that lies in no folder."""

    def __init__(self, **files: str) -> None:
        self.files_ = files

    def read_text(self, filename: str) -> str | None:
        return self.files_.get(filename.partition(".")[0])

    def locate_file(self, path: Any) -> Any:
        raise NotImplementedError


class _Finder:
    def __init__(self, *found: metadata.Distribution) -> None:
        self.found = found

    def find_spec(self, *_: Any) -> None:
        return None

    def find_distributions(self, context: Any = None) -> Iterator[metadata.Distribution]:
        return iter(self.found)


def test_distributions_of_another_finder_count_in_the_order_of_finders(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    handler_site(site, GOOD)
    nameless, hiding = _Foreign(), _Foreign(METADATA="Name: Good_Dist\nVersion: 7\n")
    torn = _Foreign(entry_points=ENTRY)
    monkeypatch.setattr(sys, "meta_path", [_Finder(nameless, torn, hiding), *sys.meta_path])
    _discovery._scan.cache_clear()
    with pytest.raises(PluginNotFoundError):
        find_entry("observability", "good")
    assert [told.reason for told in unreadable()] == ["METADATA has no Name"]


OTHERS, OFFERING = 300, 40


@pytest.fixture
def opened(site: Site, monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often each file of a site is read that has many distributions beside the plugin `good`."""
    for number in range(OTHERS):
        groups = {"llmgine.observability" if number < OFFERING else "somebody.elses": {f"x{number}": f"other_{number}"}}
        source = "raise AssertionError('imported')"
        site.install(f"other-{number}", {f"other_{number}": source}, groups)
    handler_site(site, GOOD)
    counts: Counter[str] = Counter()
    read_text = Path.read_text

    def counting(path: Path, *args: Any, **kwargs: Any) -> str:
        if path.is_relative_to(site.folder):
            counts[str(path.relative_to(site.folder))] += 1
        return read_text(path, *args, **kwargs)

    monkeypatch.setattr(Path, "read_text", counting)
    return counts


def assert_each_was_read_once(opened: Counter[str]) -> None:
    read = Counter(name.rpartition("/")[2] for name in opened)
    assert read == {"entry_points.txt": OTHERS + 1, "METADATA": OFFERING + 1}
    assert set(opened.values()) == {1}
    assert not [name for name in sys.modules if name.startswith("other_")]


def test_among_three_hundred_distributions_only_what_is_selected_is_imported_and_each_is_read_once(
    opened: Counter[str],
) -> None:
    assert load().build().name == "good"
    assert len(installed("observability")) > OFFERING
    config = load_config({"observability": ["good"]}, environment={}, discover=False)
    assert sum(entry.name.startswith("x") for entry in unselected(config)) == OFFERING
    with pytest.raises(PluginNotFoundError):
        find_entry("observability", "absent")
    assert_each_was_read_once(opened)


async def test_two_applications_of_one_process_scan_once(opened: Counter[str], monkeypatch: pytest.MonkeyPatch) -> None:
    scans: list[None] = []
    distributions = metadata.distributions

    def counting(**options: Any) -> Any:
        scans.append(None)
        return distributions(**options)

    monkeypatch.setattr(metadata, "distributions", counting)
    selecting = {"observability": ["good"]}
    async with (
        ApplicationBootstrap("first", config=selecting) as first,
        ApplicationBootstrap("second", config=selecting) as second,
    ):
        assert first.health().ok
        assert second.health().ok
    assert len(scans) == 1
    assert_each_was_read_once(opened)
