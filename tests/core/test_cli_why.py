"""`llmgine plugins why`."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from llmgine_core.cli import main
from tests.core.distributions import Site


def asked(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, list[dict[str, Any]]]:
    code = main(["plugins", "why", "--json", *arguments])
    return code, json.loads(capsys.readouterr().out)


def configure(text: str) -> None:
    Path("llmgine.toml").write_text(text)


@pytest.fixture
def mine(site: Site) -> Site:
    site.install("d", {"never_imported": "raise SystemExit(9)"}, {"llmgine.llm": {"mine": "never_imported"}})
    return site


def test_what_is_selected_is_told_with_its_source_and_the_weaker_ones(
    mine: Site, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    configure('llm = "other"')
    monkeypatch.setenv("LLMGINE_LLM", "mine")
    code, (answer,) = asked(capsys, "mine")
    assert code == 0
    assert (answer["verdict"], answer["selected"]) == ("selected", True)
    assert (answer["source"], answer["overrides"]) == ("the environment: LLMGINE_LLM", ["llmgine.toml: llm"])
    assert main(["plugins", "why", "mine"]) == 0
    assert capsys.readouterr().out == (
        "llm 'mine' (d 1.2, never_imported) is selected, as 'default'\n"
        "  by: the environment: LLMGINE_LLM\n"
        "  over: llmgine.toml: llm\n"
    )


def test_what_is_not_selected_is_told_with_what_is_and_how_to_select_it(
    mine: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    configure('llm = "local"')
    assert main(["plugins", "why", "mine"]) == 1
    assert capsys.readouterr().out == (
        "llm 'mine' (d 1.2, never_imported) is installed, but not selected\n"
        "  instead: local as 'default'\n"
        "  by: llmgine.toml: llm\n"
        '  to select it: llm = "mine"\n'
        "  or: LLMGINE_LLM=mine\n"
    )
    configure("")
    assert main(["plugins", "why", "mine"]) == 1
    assert "  instead: nothing of its kind\n" in capsys.readouterr().out


def test_a_kind_that_is_switched_off_is_told_with_its_source(capsys: pytest.CaptureFixture[str]) -> None:
    configure("context_store = false")
    code, (answer,) = asked(capsys, "memory", "--kind", "context_store")
    assert code == 1
    assert (answer["verdict"], answer["source"]) == ("not_selected", "llmgine.toml: context_store")
    code, _ = asked(capsys, "memory")  # the bus of that name is there
    assert code == 0


def test_an_instance_is_found_by_its_own_name(capsys: pytest.CaptureFixture[str]) -> None:
    configure('observability = [{ use = "file", as = "audit", path = "a" }]')
    code, (answer,) = asked(capsys, "audit")
    assert (code, answer["name"], answer["verdict"]) == (0, "file", "selected")
    assert answer["what"].endswith("is selected, as 'audit'")


@pytest.mark.parametrize(
    ("file", "key"), [('deny = ["D"]\nllm = "mine"', "deny"), ('allow = ["llmgine-core"]\nllm = "mine"', "allow")]
)
def test_what_is_refused_is_told_with_the_source_that_refuses_it(
    mine: Site, capsys: pytest.CaptureFixture[str], file: str, key: str
) -> None:
    configure(file)
    code, (answer,) = asked(capsys, "mine")
    assert (code, answer["verdict"], answer["source"]) == (1, "refused", f"llmgine.toml: {key}")
    assert "is selected, but refused: " in answer["what"]
    configure(file.partition("\n")[0])
    _, (answer,) = asked(capsys, "mine")
    assert "is installed, not selected, and would be refused: " in answer["what"]


def test_an_ambiguous_name_is_told_with_the_names_that_are_not(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("one", "two"):
        site.install(name, {}, {"llmgine.llm": {"echo": name}})
    configure('llm = "echo"')
    code, answers = asked(capsys, "echo")
    assert code == 1
    assert [(a["distribution"], a["verdict"], a["select"]["toml"]) for a in answers] == [
        ("one", "ambiguous", 'llm = "echo@one"'),
        ("two", "ambiguous", 'llm = "echo@two"'),
    ]
    configure('llm = "echo@one"')
    code, answers = asked(capsys, "echo")
    assert code == 0
    assert [a["verdict"] for a in answers] == ["selected", "not_selected"]
    assert asked(capsys, "echo@two")[0] == 1


def test_what_is_selected_but_not_installed_is_told_with_what_is_near(
    mine: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    configure('llm = "mime"')
    code, (answer,) = asked(capsys, "mime")
    assert (code, answer["verdict"], answer["source"]) == (1, "not_installed", "llmgine.toml: llm")
    assert answer["what"] == (
        "llm 'mime' is selected, as 'default', but llm 'mime' is not installed; did you mean mine?"
    )


def test_a_module_that_the_configuration_names_is_selected_unless_it_is_refused(
    capsys: pytest.CaptureFixture[str],
) -> None:
    configure('llm = "my_models:echo"')
    code, (answer,) = asked(capsys, "my_models:echo")
    assert (code, answer["verdict"]) == (0, "selected")
    configure('llm = "my_models:echo"\ndeny = ["d"]')
    code, (answer,) = asked(capsys, "my_models:echo")
    assert (code, answer["verdict"]) == (1, "refused")


def test_a_distribution_that_another_of_its_name_hides_is_told(
    mine: Site, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    later = tmp_path / "later"
    later.mkdir()
    monkeypatch.setattr("sys.path", [*sys.path, str(later)])
    Site(later).install("d", {}, {"llmgine.llm": {"older": "older"}}, "0.9")
    code, (answer,) = asked(capsys, "older")
    assert (code, answer["verdict"]) == (1, "hidden")
    assert str(later) in answer["what"]
    assert answer["cure"] == "uninstall one of the two d"


def test_what_nobody_offers_is_told_with_the_unreadable_that_might(
    mine: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    mine.install("torn", {}, {"llmgine.llm": {"lost": ""}})
    assert main(["plugins", "why", "lost"]) == 1
    out, err = capsys.readouterr()
    assert out == "plugin 'lost' is not installed\n"
    assert "torn-1.2.dist-info" in err


def test_a_subcommand_needs_no_selection(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    site.install("d", {}, {"llmgine.commands": {"greet": "m:main", "run": "m:main"}})
    code, (answer,) = asked(capsys, "greet")
    assert (code, answer["verdict"], answer["selected"]) == (0, "command", True)
    code, (answer,) = asked(capsys, "run")
    assert (code, answer["verdict"], answer["cure"]) == (1, "ambiguous", "call it with `llmgine run@d`")
