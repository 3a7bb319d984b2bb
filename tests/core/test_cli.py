"""The `llmgine` command."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from llmgine_core.cli import main
from tests.core.distributions import Site


def test_plugins_list_shows_what_is_installed_without_importing_it(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    site.install("d", {"never_imported": "raise SystemExit(9)"}, {"llmgine.llm": {"mine": "never_imported"}})
    assert main(["plugins", "list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["KIND", "NAME", "DISTRIBUTION", "VERSION", "SELECTED", "TARGET"]
    assert ["llm", "mine", "d", "1.2", "never_imported"] in [line.split() for line in lines]


def test_plugins_list_writes_json(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    site.install("d", {}, {"llmgine.llm": {"mine": "m"}})
    assert main(["plugins", "list", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    row = {"kind": "llm", "name": "mine", "target": "m", "distribution": "d", "version": "1.2"}
    assert {**row, "selected": [], "ambiguous": False, "refused": None} in rows


def test_the_version_is_the_cores(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--version"])
    assert caught.value.code == 0
    assert capsys.readouterr().out.startswith("llmgine-core ")


def test_without_arguments_the_help_names_every_subcommand(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    site.install("d", {}, {"llmgine.commands": {"greet": "m:main"}})
    assert main([]) == 0
    said = capsys.readouterr().out
    assert "plugins" in said
    assert "greet" in said


def test_wrong_arguments_exit_with_two(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["nonsense"])
    assert caught.value.code == 2
    assert "nonsense" in capsys.readouterr().err


def test_a_subcommand_of_another_package_gets_the_arguments_and_gives_the_exit_code(site: Site) -> None:
    source = "def main(argv): return len(argv)\ndef run(argv): return None"
    site.install("d", {"greeting": source}, {"llmgine.commands": {"greet": "greeting:main", "walk": "greeting:run"}})
    assert main(["greet", "a", "--b"]) == 2
    assert main(["walk"]) == 0


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("raise ImportError('torn')", "importing it raised ImportError: torn"),
        ("raise SystemExit(9)", "importing it raised SystemExit: 9"),
        ("pass", "has no attribute 'main'"),
        ("main = 5", "its target is 5"),
    ],
)
def test_a_broken_subcommand_is_named_instead_of_a_traceback(
    site: Site, capsys: pytest.CaptureFixture[str], source: str, says: str
) -> None:
    site.install("d", {"broken_command": source}, {"llmgine.commands": {"greet": "broken_command:main"}})
    assert main(["greet"]) == 1
    said = capsys.readouterr().err
    assert said.startswith("llmgine greet: ")
    assert says in said
    assert "  plugin: commands 'greet' (d 1.2, broken_command:main)\n  cure: " in said
    assert main(["plugins", "list"]) == 0


def test_a_command_of_our_own_is_not_taken_over_by_another_distribution(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    site.install(
        "d", {"taking_over": "def main(argv): return 7"}, {"llmgine.commands": {"plugins": "taking_over:main"}}
    )
    assert main(["plugins", "list"]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("KIND")
    assert err == "llmgine plugins of d 1.2 is skipped; call it plugins@d\n"
    with pytest.raises(SystemExit) as caught:
        main(["--help"])
    assert caught.value.code == 0
    assert "what is installed" in capsys.readouterr().out
    assert main(["plugins@d"]) == 7


def test_a_command_that_two_distributions_offer_must_be_chosen_between(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, code in (("one", 3), ("two", 4)):
        source = f"def main(argv): return {code}"
        site.install(name, {f"command_{name}": source}, {"llmgine.commands": {"greet": f"command_{name}:main"}})
    assert main([]) == 0
    assert "from one 1.2 and two 1.2" in capsys.readouterr().out
    assert main(["greet"]) == 1
    said = capsys.readouterr().err
    assert said == (
        "llmgine greet: command 'greet' is offered by one and two\n"
        "  plugin: commands 'greet' (one 1.2, command_one:main) or commands 'greet' (two 1.2, command_two:main)\n"
        '  cure: name one: "greet@one" or "greet@two"\n'
    )
    assert (main(["greet@one"]), main(["greet@two"])) == (3, 4)
    assert main(["greet@three"]) == 1
    assert "command 'greet@three' is not installed" in capsys.readouterr().err


def test_run_runs_an_application_of_the_working_directory(capsys: pytest.CaptureFixture[str]) -> None:
    Path("shop.py").write_text("async def main(app): print('works with', type(app).__name__)\n")
    done = in_a_process("run", "shop:main")
    assert (done.returncode, done.stdout) == (0, "works with Application\n")
    done = in_a_process("run", "shop:mian", "--backend", "trio")
    assert done.returncode == 2
    assert "did you mean 'main'?" in done.stderr


def test_run_hands_on_the_file_and_the_event_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[object] = []

    def run_target(target: str, *, config: str | None, backend: str) -> int:
        calls.append((target, config, backend))
        return 7

    monkeypatch.setattr("llmgine_core._running.run_target", run_target)
    assert main(["run", "shop:app"]) == 7
    assert main(["run", "shop:app", "--config", "a.toml", "--backend", "trio"]) == 7
    assert calls == [("shop:app", None, "asyncio"), ("shop:app", "a.toml", "trio")]


@pytest.mark.parametrize("words", [["plugins"], ["config"], ["run"], ["run", "a:b", "--backend", "curio"]])
def test_words_that_are_missing_or_unknown_exit_with_two(words: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(words)
    assert caught.value.code == 2


@pytest.mark.parametrize("command", ["plugins", "config", "doctor", "run"])
def test_each_command_has_examples_and_exit_codes_in_its_help(capsys: pytest.CaptureFixture[str], command: str) -> None:
    with pytest.raises(SystemExit) as caught:
        main([command, "--help"])
    assert caught.value.code == 0
    said = capsys.readouterr().out
    assert f"examples:\n  llmgine {command}" in said
    assert "exit codes: 0 success, 1 failure, 2 wrong arguments" in said


def test_an_interrupt_ends_it_without_a_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object, **__: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr("llmgine_core._running.run_target", interrupted)
    assert main(["run", "a:b"]) == 130


def test_a_reader_that_has_seen_enough_is_no_error() -> None:
    command = f"{sys.executable} -m llmgine_core.cli plugins list --json | true; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout in {"0\n", "1\n"}
    assert done.stderr == ""


def in_a_process(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "llmgine_core.cli", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
