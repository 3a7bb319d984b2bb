"""`llmgine plugins list` and `llmgine plugins show`."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from llmgine_core._discovery import PluginEntry
from llmgine_core.cli import main
from tests.core.distributions import Site

NEVER = {"never_imported": "raise SystemExit(9)"}


def listed(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[dict[str, Any]]:
    assert main(["plugins", "list", "--json", *arguments]) == 0
    rows: list[dict[str, Any]] = json.loads(capsys.readouterr().out)
    return rows


def shown(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[dict[str, Any]]:
    assert main(["plugins", "show", "--json", *arguments]) == 0
    found: list[dict[str, Any]] = json.loads(capsys.readouterr().out)
    return found


# ── list ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_row_says_under_which_names_a_plugin_is_selected(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    site.install("d", NEVER, {"llmgine.llm": {"mine": "never_imported", "other": "never_imported"}})
    Path("llmgine.toml").write_text('llm = { default = "mine", fast = { use = "mine@d", size = 3 } }')
    rows = {row["name"]: row for row in listed(capsys, "--kind", "llm")}
    assert rows["mine"]["selected"] == ["default", "fast"]
    assert rows["other"]["selected"] == []
    assert main(["plugins", "list"]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["llm", "mine", "d", "1.2", "default,", "fast", "never_imported"] in lines
    assert ["llm", "other", "d", "1.2", "never_imported"] in lines
    assert any(line[:2] == ["bus", "memory"] and "yes" in line for line in lines)


def test_a_plugin_named_by_its_module_counts_as_selected(
    site: Site, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    site.install("d", NEVER, {"llmgine.llm": {"mine": "never_imported", "thing": "never_imported:thing"}})
    monkeypatch.setenv("LLMGINE_LLM", "never_imported:")
    assert [row["selected"] for row in listed(capsys, "--kind", "llm") if row["distribution"] == "d"] == [
        ["default"],
        [],
    ]


def test_a_kind_is_listed_alone(capsys: pytest.CaptureFixture[str]) -> None:
    assert {row["kind"] for row in listed(capsys, "--kind", "bus")} == {"bus"}
    with pytest.raises(SystemExit) as caught:
        main(["plugins", "list", "--kind", "buses"])
    assert caught.value.code == 2


def test_an_ambiguous_name_is_shown_as_it_must_be_selected(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("one", "two"):
        site.install(name, {}, {"llmgine.llm": {"echo": name}})
    Path("llmgine.toml").write_text('llm = "echo"')
    assert [row["ambiguous"] for row in listed(capsys, "--kind", "llm") if row["name"] == "echo"] == [True, True]
    assert main(["plugins", "list", "--kind", "llm"]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["llm", "echo@one", "one", "1.2", "ambiguous", "one"] in lines
    Path("llmgine.toml").write_text('llm = "echo@two"')
    assert main(["plugins", "list", "--kind", "llm"]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["llm", "echo@one", "one", "1.2", "one"] in lines
    assert ["llm", "echo@two", "two", "1.2", "default", "two"] in lines


def test_what_is_selected_and_denied_is_marked(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    site.install("d", NEVER, {"llmgine.llm": {"mine": "never_imported"}})
    Path("llmgine.toml").write_text('llm = "mine"\ndeny = ["D"]')
    (row,) = (row for row in listed(capsys) if row["name"] == "mine")
    assert row["refused"] == "deny names its distribution"
    assert main(["plugins", "list", "--kind", "llm"]) == 0
    assert "refused" in capsys.readouterr().out


@pytest.mark.parametrize("file", ["observabilty = []", "= [", "bus = 5", "llm = " + "[" * 5000])
def test_faults_of_the_configuration_keep_the_list_from_nobody(capsys: pytest.CaptureFixture[str], file: str) -> None:
    Path("llmgine.toml").write_text(file)
    assert main(["plugins", "list"]) == 0
    out, err = capsys.readouterr()
    assert "llmgine_core._builtin" in out
    assert err == "llmgine config: the configuration has a fault; see `llmgine config show`\n"


def test_distributions_with_broken_metadata_are_named_and_harm_nobody(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    site.install("good", {}, {"llmgine.llm": {"mine": "m"}})
    site.install("torn", {}, {"llmgine.llm": {"lost": ""}})
    site.install("llmgine-core", {}, {"llmgine.bus": {"memory": "nowhere"}}, "99")
    (site.folder / "llmgine_core-99.dist-info" / "METADATA").write_text("")
    (site.folder / "torn-1.2.dist-info" / "METADATA").write_bytes(b"\xff\xfe")
    assert main(["plugins", "list"]) == 0
    out, err = capsys.readouterr()
    assert "mine" in out
    assert "lost" not in out
    assert "torn-1.2.dist-info: " in err
    with pytest.raises(SystemExit) as caught:
        main(["--version"])
    assert caught.value.code == 0
    assert "99" not in capsys.readouterr().out


def test_listing_loads_neither_bus_nor_converters_nor_event_loops(tmp_path: Path) -> None:
    program = (
        "import sys; from llmgine_core.cli import main; main(['plugins', 'list']); print(*sys.modules, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True)
    loaded = set(done.stderr.split())
    assert "llmgine_core.cli._listing" in loaded
    heavy = {"anyio", "asyncio", "cattrs", "subprocess", "trio"}
    ours = {"llmgine_core._bus", "llmgine_core._plugins", "llmgine_core.bootstrap", "llmgine_core._builtin"}
    assert not loaded & (heavy | ours)


# ── show ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

METADATA = """\
Metadata-Version: 2.4
Name: my-d
Version: 1.2
Summary: Says \x1b[31mwhat it does.
Home-page: https://d.example
Project-URL: Source, https://source.example
License-Expression: MIT
Requires-Dist: attrs>=25
"""


def test_everything_that_is_known_is_shown_without_importing_it(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    site.install("my-d", NEVER, {"llmgine.llm": {"mine": "never_imported"}})
    (site.folder / "my_d-1.2.dist-info" / "METADATA").write_text(METADATA)
    assert shown(capsys, "mine") == [
        {
            "kind": "llm",
            "name": "mine",
            "target": "never_imported",
            "distribution": "my-d",
            "version": "1.2",
            "summary": "Says \x1b[31mwhat it does.",
            "urls": ["https://d.example", "Source, https://source.example"],
            "license": "MIT",
            "requires": ["attrs>=25"],
            "path": str(site.folder),
            "api": "llmgine_create_language_model, API version 1",
            "ambiguous_with": [],
            "selected": [],
            "refused": None,
            "select": {"toml": 'llm = "mine"', "variable": "LLMGINE_LLM=mine"},
        }
    ]
    assert main(["plugins", "show", "mine@My_D"]) == 0
    said = capsys.readouterr().out
    assert "  summary       Says \\x1b[31mwhat it does.\n" in said
    assert '  selected      no\n  to select it  llm = "mine"\n                LLMGINE_LLM=mine\n' in said


def test_it_is_said_which_source_selects_it_and_over_which(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("llmgine.toml").write_text('bus = "other"')
    monkeypatch.setenv("LLMGINE_BUS", "memory")
    (found,) = shown(capsys, "memory", "--kind", "bus")
    assert found["selected"] == [
        {"name": "memory", "source": "the environment: LLMGINE_BUS", "overrides": ["llmgine.toml: bus"]}
    ]
    assert main(["plugins", "show", "memory", "--kind", "bus"]) == 0
    assert "as 'memory', by the environment: LLMGINE_BUS, over llmgine.toml: bus\n" in capsys.readouterr().out


def test_all_kinds_of_a_name_and_all_that_offer_it_are_shown(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    site.install("one", {}, {"llmgine.llm": {"echo": "one"}, "llmgine.commands": {"echo": "one:main"}})
    site.install("two", {}, {"llmgine.llm": {"echo": "two"}})
    found = shown(capsys, "echo")
    assert [(each["kind"], each["distribution"]) for each in found] == [
        ("commands", "one"),
        ("llm", "one"),
        ("llm", "two"),
    ]
    assert found[0]["select"] is None
    assert found[1]["ambiguous_with"] == ["two"]
    assert found[1]["select"]["toml"] == 'llm = "echo@one"'
    assert [each["distribution"] for each in shown(capsys, "echo@two")] == ["two"]


def test_what_is_beside_it_in_a_list_stays_in_the_list(capsys: pytest.CaptureFixture[str]) -> None:
    Path("llmgine.toml").write_text('observability = ["console"]')
    (found,) = shown(capsys, "otel")
    variable = "LLMGINE_OBSERVABILITY=console,otel"
    assert found["select"] == {"toml": 'observability = ["console", "otel"]', "variable": variable}
    Path("llmgine.toml").write_text('observability = [{ use = "file", as = "audit", path = "a" }]')
    (found,) = shown(capsys, "otel")
    toml = 'observability = [{ use = "file", as = "audit", … }, "otel"]'
    assert found["select"] == {"toml": toml, "variable": None}


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("memroy", "plugin 'memroy' is not installed; did you mean memory?"),
        ("memory@nobody", "did you mean memory@llmgine-core or memory@llmgine-context?"),
        ("a:b", "plugin 'a:b' is not installed\n"),
    ],
)
def test_what_is_not_installed_is_told_with_what_is_near(
    capsys: pytest.CaptureFixture[str], name: str, says: str
) -> None:
    assert main(["plugins", "show", name]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("llmgine plugins show: ")
    assert says in err


def test_what_a_package_of_ours_offers_is_told_with_that_package(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def nothing(kind: str | None = None) -> tuple[PluginEntry, ...]:
        return ()

    monkeypatch.setattr("llmgine_core.cli._naming.installed", nothing)
    monkeypatch.setattr("llmgine_core._discovery.installed", nothing)
    assert main(["plugins", "show", "otel"]) == 1
    assert "install it with: pip install llmgine-obs-otel" in capsys.readouterr().err


def test_a_distribution_that_has_gone_since_keeps_nothing_else_from_being_shown(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    site.install("d", {}, {"llmgine.llm": {"mine": "m"}})
    assert listed(capsys)
    (site.folder / "d-1.2.dist-info").rename(site.folder / "gone")
    (found,) = shown(capsys, "mine")
    assert "cannot be read: " in found["metadata"]
    assert found["target"] == "m"
