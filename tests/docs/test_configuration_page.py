"""The page of the configuration says what the code does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from llmgine_core import ConfigError
from llmgine_core._builtin import MemoryBusSettings
from llmgine_core._settings import settings_converter, structure_settings
from llmgine_core.config import Config, load_config
from llmgine_core.config._model import KEYS

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "reference" / "configuration.md").read_text(encoding="utf-8")
FILES = re.findall(r"^```toml\n# llmgine\.toml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
VARIABLES = re.findall(r"^\| `(LLMGINE_\w+)=([^`]*)`", PAGE, re.MULTILINE)


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def load(file: str = "", **environment: str) -> Config:
    Path("llmgine.toml").write_text(file, encoding="utf-8")
    return load_config({}, environment=environment)


def test_it_has_every_key_with_its_default() -> None:
    rows = re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE)
    assert sorted(rows) == sorted(KEYS)
    assert f"| {load().start_timeout:g} |" in PAGE
    assert f"| {load().stop_timeout:g} |" in PAGE


def test_its_files_are_read() -> None:
    first, second = FILES
    config = load(first, OPENAI_API_KEY="sk-1")
    assert [s.name for s in config.selections()] == [
        "console",
        "audit",
        "memory",
        "sqlite",
        "default",
        "default",
        "agent",
    ]
    config = load(second, LLMGINE_OBSERVABILITY="otel,console", LLMGINE_OBSERVABILITY__OTEL__SERVICE_NAME="shop")
    assert config.observability[0].settings == {"endpoint": "http://collector:4318", "service_name": "shop"}


@pytest.mark.parametrize(("variable", "value"), VARIABLES)
def test_its_variables_are_known(variable: str, value: str) -> None:
    Path("production.toml").write_text("", encoding="utf-8")
    load("[llm.fast]\nuse = 'openai'\n", **{variable: value})


def test_its_faults_are_those_that_are_told() -> None:
    report = PAGE.partition("3 faults in the configuration:\n")[2].partition("```")[0]
    promised = [line.partition("; known")[0] for line in report.strip().splitlines()]
    file = "observabilty = []\n[llm.default]\nuse = 'openai'\napi_key = '${env:OPENAI_API_KEY}'\n"
    with pytest.raises(ConfigError) as caught:
        load(file)
    told = [f"  - {fault.partition('; known')[0]}" for fault in caught.value.faults]
    bus = load(LLMGINE_BUS__CAPACITY="many").bus
    with pytest.raises(ConfigError) as caught:
        structure_settings(bus, MemoryBusSettings, settings_converter())
    told += [f"  - {fault}" for fault in caught.value.faults]
    assert [line.strip() for line in promised] == [line.strip() for line in told]
