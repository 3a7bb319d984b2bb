"""Which distributions may be imported."""

# A test may look inside.
# pyright: reportPrivateUsage=false

import pytest

from tests.core.distributions import Site
from tests.core.handler_plugins import handler_site, refusal


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


def test_a_distribution_with_broken_metadata_hurts_no_module_that_configuration_names(site: Site) -> None:
    handler_site(site, "raise AssertionError", distribution="sound")
    broken = site.folder / "broken-1.0.dist-info"
    broken.mkdir()
    (broken / "top_level.txt").write_bytes(b"\xff\xfe")
    assert "importing it raised AssertionError" in refusal("good_plugin:thing").what
    assert "importing it raised AssertionError" in refusal("good_plugin:thing", deny=["other"]).what
    assert "deny names its distribution" in refusal("good_plugin:thing", deny=["sound"]).what


def test_without_allow_and_deny_nobody_asks_whose_a_module_is(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.install("sound", {"good_plugin": "raise AssertionError"}, {})
    monkeypatch.setattr("importlib.metadata.distributions", lambda: pytest.fail("the metadata was read again"))
    assert "importing it raised AssertionError" in refusal("good_plugin:thing").what
