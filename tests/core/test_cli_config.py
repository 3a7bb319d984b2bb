"""`llmgine config show`."""

import json
from pathlib import Path

import pytest

from llmgine_core.cli import main


def test_every_value_is_shown_with_its_source_and_the_weaker_ones(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("llmgine.toml").write_text("bus = { capacity = 5 }\nobservability = ['console']\ncontent = true\n")
    monkeypatch.setenv("LLMGINE_BUS__CAPACITY", "7")
    monkeypatch.setenv("LLMGINE_CONTEXT_STORE", "false")
    assert main(["config", "show"]) == 0
    rows = [line.split(maxsplit=2) for line in capsys.readouterr().out.splitlines()]
    assert rows[0] == ["KEY", "VALUE", "SOURCE"]
    where = "the environment: LLMGINE_BUS__CAPACITY (over llmgine.toml: bus.capacity)"
    assert ["bus.capacity", '"7"', where] in rows
    assert ["context_store", "false", "the environment: LLMGINE_CONTEXT_STORE"] in rows
    assert ["observability", '["console"]', "llmgine.toml: observability"] in rows
    assert ["content", "true", "llmgine.toml: content"] in rows


def test_what_can_be_read_is_shown_before_all_faults(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("llmgine.toml").write_text("observabilty = []\ncontent = 5\nllm = 'mine'\n")
    assert main(["config", "show"]) == 1
    out, err = capsys.readouterr()
    assert "llm.default" in out
    first, second = err.splitlines()
    assert first.startswith("llmgine config: llmgine.toml: unknown key 'observabilty'")
    assert second == "llmgine config: llmgine.toml: content is true or false, not 5"


def test_a_file_that_cannot_be_read_hides_nothing_of_the_other_sources(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("llmgine.toml").write_text("= [")
    Path("pyproject.toml").write_text("[tool.llmgine]\ncontent = true\n")
    assert main(["config", "show"]) == 1
    out, err = capsys.readouterr()
    assert ["content", "true", "pyproject.toml:", "tool.llmgine.content"] in [line.split() for line in out.splitlines()]
    assert err.startswith("llmgine config: llmgine.toml: cannot be read: ")


def test_notes_are_no_faults(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LLMGINE_OBSERVABILITY__OTEL__ENDPOINT", "http://localhost")
    assert main(["config", "show"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == (
        "note: the environment: LLMGINE_OBSERVABILITY__OTEL__ENDPOINT sets nothing: no observability 'otel' is selected"
    )


def test_another_file_is_shown_on_demand_and_a_missing_one_is_a_fault(capsys: pytest.CaptureFixture[str]) -> None:
    Path("other.toml").write_text("llm = 'mine'")
    assert main(["config", "show", "--config", "other.toml"]) == 0
    assert "other.toml: llm" in capsys.readouterr().out
    assert main(["config", "show", "--config", "none.toml"]) == 1
    assert capsys.readouterr().err == "llmgine config: none.toml: there is no such file\n"


def test_secrets_are_masked(capsys: pytest.CaptureFixture[str]) -> None:
    Path("llmgine.toml").write_text("llm = { use = 'mine', api_key = 'sk-1' }")
    assert main(["config", "show"]) == 0
    assert main(["config", "show", "--json"]) == 0
    out = capsys.readouterr().out
    assert "sk-1" not in out
    assert out.count("********") == 2


def test_json_has_values_notes_and_faults_whatever_toml_holds(capsys: pytest.CaptureFixture[str]) -> None:
    Path("llmgine.toml").write_text("nonsense = 1\nllm = { use = 'mine', day = 2026-01-02, most = inf, t = [nan] }")
    assert main(["config", "show", "--json"]) == 1
    shown = json.loads(capsys.readouterr().out, parse_constant=pytest.fail)
    values = {value["key"]: value for value in shown["values"]}
    assert values["llm.default"] == {
        "key": "llm.default",
        "value": "mine",
        "where": "llmgine.toml: llm",
        "overrides": [],
    }
    assert [values[f"llm.default.{key}"]["value"] for key in ("day", "most", "t")] == ["2026-01-02", "inf", ["nan"]]
    assert (len(shown["faults"]), shown["notes"]) == (1, [])
