"""What the tests of the core share."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.core.distributions import Site, site_in


@pytest.fixture(autouse=True)
def _no_configuration(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No test reads the configuration of whoever runs it."""
    for name in [name for name in os.environ if name.startswith("LLMGINE_")]:
        monkeypatch.delenv(name)
    elsewhere = tmp_path / "cwd"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """Where distributions are installed for one test."""
    folder = tmp_path / "site"
    folder.mkdir()
    site = site_in(folder, monkeypatch)
    yield site
    site.forget()
