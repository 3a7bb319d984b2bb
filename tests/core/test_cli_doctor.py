"""`llmgine doctor`, with real child processes that crash, end and hang."""

import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from llmgine_core._discovery import PluginEntry, installed
from llmgine_core.cli import main
from tests.core.distributions import Site

FIT = """
from llmgine_core.hookspecs import impl
@impl.llmgine_register_tools
def llmgine_register_tools():
    print("a plugin may print")
    return []
"""
SETTINGS = """
import attrs
from llmgine_core.hookspecs import impl
@attrs.frozen
class Settings:
    password: str
    size: int = 1
@impl.llmgine_settings
def llmgine_settings():
    return Settings
@impl.llmgine_create_redactor
def llmgine_create_redactor(build):
    raise ValueError(f"refused: {build.settings.password}")
"""


@pytest.fixture(autouse=True)
def _little(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beside the bus nothing is selected but what a test selects; child processes see the test's distributions."""
    monkeypatch.setenv("LLMGINE_CONTEXT_STORE", "false")
    monkeypatch.setenv("LLMGINE_TOOL_MANAGER", "false")
    monkeypatch.setenv("PYTHONPATH", str(site.folder))


def select(site: Site, source: str, *, settings: str = "", name: str = "mine") -> None:
    site.install(f"d-{name}", {f"d_{name}": source}, {"llmgine.plugins": {name: f"d_{name}"}})
    Path("llmgine.toml").write_text(f'plugins = [{{ use = "{name}"{settings} }}]')


def examined(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, dict[str, Any]]:
    code = main(["doctor", "--json", *arguments])
    return code, json.loads(capsys.readouterr().out)


def failure(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[str, str]:
    """The step at which the last plugin failed, and the error."""
    code, found = examined(capsys, *arguments)
    assert (code, found["ok"]) == (1, False)
    plugin = found["plugins"][-1]
    assert not plugin["fit"]
    assert [step["ok"] for step in plugin["steps"]] == [True] * (len(plugin["steps"]) - 1) + [False]
    return plugin["steps"][-1]["step"], plugin["steps"][-1]["error"]


def test_fit_plugins_go_through_every_step(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    select(site, FIT)
    assert main(["doctor"]) == 0
    out = capsys.readouterr().out
    assert "Python 3." in out
    assert "plugins 'mine' (d-mine 1.2, d_mine)\n  ok    import " in out
    assert out.splitlines()[-1] == "2 of 2 plugins are fit"
    assert "a plugin may print" not in out
    code, found = examined(capsys)
    assert (code, found["ok"], found["probe"]) == (0, True, None)
    bus, mine = found["plugins"]
    assert (bus["kind"], mine["name"], mine["fit"]) == ("bus", "mine", True)
    assert [step["step"] for step in mine["steps"]] == ["import", "register", "settings", "build"]
    assert all(step["seconds"] >= 0 for step in mine["steps"])


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("raise SystemExit(3)", "importing it raised SystemExit: 3"),
        ("import os, sys; print('farewell', file=sys.stderr); os._exit(0)", "ended the process, with exit code 0"),
        ("import ctypes; ctypes.string_at(0)", "ended the process, by the signal SIGSEGV"),
        ("import os; os.close(1); os.closerange(3, 50); os._exit(4)", "ended the process, with exit code 4"),
        (
            "import os, time\nif not os.fork():\n    os.setsid(); time.sleep(5)\nos._exit(5)",
            "ended the process, with exit code 5",
        ),
    ],
    ids=["SystemExit", "exit", "crash", "closed", "orphan"],
)
def test_an_import_that_ends_the_process_is_named(
    site: Site, capsys: pytest.CaptureFixture[str], source: str, says: str
) -> None:
    select(site, source)
    step, error = failure(capsys)
    assert step == "import"
    assert says in error.splitlines()[0]
    assert error.splitlines()[-1].startswith("  cure: ")
    if "farewell" in source:
        assert error.splitlines()[1:3] == ["  last words:", "    farewell"]
    if "ctypes" in source:
        assert 'd_mine.py", line 1' in error


def test_an_import_that_hangs_is_named_with_its_place_and_killed_with_all_that_it_started(
    site: Site, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    pids = tmp_path / "pids"
    source = (
        "import os, subprocess, sys, time\n"
        "grandchild = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        f"open({str(pids)!r}, 'w').write(f'{{os.getpid()}} {{grandchild.pid}}')\n"
        "time.sleep(600)\n"
    )
    select(site, source)
    step, error = failure(capsys, "--timeout", "3")
    assert step == "import"
    assert error.startswith("the step 'import' has not ended after 3 s, so its process was killed\n")
    assert "d_mine.py:4" in error
    assert "--timeout" in error.splitlines()[-1]
    child, grandchild = map(int, pids.read_text().split())
    with pytest.raises(ProcessLookupError):
        os.kill(child, 0)
    deadline = time.monotonic() + 10  # a process that was killed ends when it is next given a core
    while not has_ended(grandchild) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert has_ended(grandchild)


def has_ended(pid: int) -> bool:
    """Whether it is gone, or waits for whoever has adopted it to take note."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except FileNotFoundError:
        return True


@pytest.mark.parametrize(
    ("source", "settings", "step", "says"),
    [
        ("__llmgine_api__ = 99", "", "register", "API version 99"),
        ("x = 1", "", "register", "plugin: plugins 'mine'"),
        (FIT, ", size = 1", "settings", "unknown setting 'size'"),
        (SETTINGS, ", password = 'p', sise = 1", "settings", "'sise'"),
        (FIT.replace("return []", "1 / 0"), "", "build", "ZeroDivisionError"),
        (FIT.replace("return []", "import os; os._exit(1)"), "", "build", "ended the process, with exit code 1"),
    ],
)
def test_a_plugin_that_is_not_fit_is_named_with_the_step(
    site: Site, capsys: pytest.CaptureFixture[str], source: str, settings: str, step: str, says: str
) -> None:
    select(site, source, settings=settings)
    found, error = failure(capsys)
    assert found == step
    assert says in error


def test_what_is_not_installed_ambiguous_or_denied_fails_at_the_import(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("one", "two"):
        site.install(name, {}, {"llmgine.plugins": {"echo": name}})
    Path("llmgine.toml").write_text('plugins = ["echo"]')
    assert "is offered by one and two" in failure(capsys)[1]
    Path("llmgine.toml").write_text('plugins = ["ecco"]')
    assert "'ecco' is not installed" in failure(capsys)[1]
    Path("llmgine.toml").write_text('plugins = ["echo@one"]\ndeny = ["one"]')
    assert failure(capsys)[1].startswith("deny names its distribution\n")


def test_a_default_that_is_not_installed_is_no_fault(
    site: Site, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LLMGINE_CONTEXT_STORE")

    def all_but_stores(kind: str | None = None) -> tuple[PluginEntry, ...]:
        return () if kind == "context_store" else installed(kind)

    monkeypatch.setattr("llmgine_core._discovery.installed", all_but_stores)
    assert main(["doctor"]) == 0
    out = capsys.readouterr().out
    assert "none  the default is not installed, which is no fault" in out
    assert out.splitlines()[-1] == "1 of 1 plugins are fit"


def test_secrets_are_in_no_report(
    site: Site, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PASS", "hunter2")
    select(site, SETTINGS, settings=", password = '${env:PASS}'")
    step, error = failure(capsys)
    assert step == "build"
    assert "refused: ${env:PASS}" in error
    last_words = SETTINGS.replace("raise ValueError", "import os, sys; print(build.settings.password, file=sys.stderr)")
    select(site, last_words + "    os._exit(1)\n", settings=", password = '${env:PASS}'", name="other")
    step, error = failure(capsys)
    assert "hunter2" not in error


def test_faults_of_the_configuration_are_told_and_keep_nothing_from_being_examined(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    select(site, FIT)
    with Path("llmgine.toml").open("a") as file:
        file.write("\nobservabilty = []\n")
    site.install("torn", {}, {"llmgine.llm": {"lost": ""}})
    assert main(["doctor", "--probe"]) == 1
    out = capsys.readouterr().out
    assert "FAIL  configuration: llmgine.toml: unknown key 'observabilty'" in out
    assert "note  the metadata cannot be read of " in out
    assert "not started, since not everything is fit" in out
    assert out.splitlines()[-1] == "2 of 2 plugins are fit; faults of the configuration: 1"


def test_a_configuration_that_cannot_be_read_at_all_is_told(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("torn")

    monkeypatch.setattr("llmgine_core.cli._choice.survey_config", broken)
    code, found = examined(capsys)
    assert (code, found["plugins"]) == (1, [])
    assert found["faults"] == ["the configuration cannot be read: RuntimeError: torn"]


def test_nothing_is_imported_while_a_fault_may_hide_that_it_is_denied(
    site: Site, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    trace = tmp_path / "imported"
    select(site, f"open({str(trace)!r}, 'w')")
    with Path("llmgine.toml").open("a") as file:
        file.write('\ndney = ["d-mine"]\n')
    assert main(["doctor", "--probe"]) == 1
    out = capsys.readouterr().out
    assert out.count("not imported, since a fault of the configuration may hide that it is denied") == 2
    assert out.splitlines()[-1] == "0 of 2 plugins are fit; faults of the configuration: 1"
    assert not trace.exists()


def test_another_file_is_examined_on_demand(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    select(site, FIT)
    Path("other.toml").write_text('plugins = ["nobody"]')
    assert examined(capsys)[0] == 0
    assert "'nobody' is not installed" in failure(capsys, "--config", "other.toml")[1]


def test_a_module_of_the_working_directory_is_found_and_hides_none_of_ours(
    capsys: pytest.CaptureFixture[str],
) -> None:
    Path("here.py").write_text(FIT)
    Path("attrs.py").write_text("raise SystemExit('the wrong one')")
    Path("llmgine.toml").write_text('plugins = ["here:"]')
    assert examined(capsys)[0] == 0


# ── the probe ────────────────────────────────────────────────────────────────────────────────────────────────────────

LIFESPAN = """
from contextlib import asynccontextmanager
from llmgine_core.hookspecs import impl
@impl.llmgine_lifespan
@asynccontextmanager
async def llmgine_lifespan(app):
    {start}
    yield
    {stop}
@impl.llmgine_health_checks
def llmgine_health_checks(app):
    return {{"queue": lambda: {{"ok": {ok}, "length": 3}}}}
"""


def probed(
    site: Site, capsys: pytest.CaptureFixture[str], start: str = "pass", stop: str = "pass", ok: bool = True
) -> tuple[int, list[dict[str, Any]]]:
    select(site, LIFESPAN.format(start=start, stop=stop, ok=ok))
    code, found = examined(capsys, "--probe", "--timeout", "10")
    assert all(plugin["fit"] for plugin in found["plugins"])
    return code, found["probe"]["steps"]


def test_the_probe_starts_the_application_asks_how_it_is_and_stops_it(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    code, steps = probed(site, capsys)
    assert (code, [step["step"] for step in steps]) == (0, ["start", "health", "stop"])
    assert steps[1]["facts"]["checks"]["plugins.mine.queue"] == {"ok": True, "length": 3}


def test_an_application_that_does_not_start_is_told(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    code, (step,) = probed(site, capsys, start="raise ValueError('no power')")
    assert (code, step["step"], step["ok"]) == (1, "start", False)
    assert "no power" in step["error"]


def test_an_application_that_is_not_well_or_does_not_stop_well_is_told(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    code, steps = probed(site, capsys, ok=False, stop="raise ValueError('stuck')")
    assert (code, [step["ok"] for step in steps]) == (1, [True, False, False])
    assert "stuck" in steps[2]["error"]
    assert main(["doctor", "--probe"]) == 1
    out = capsys.readouterr().out
    assert "          plugins.mine.queue: {'ok': False, 'length': 3}\n" in out
    assert out.splitlines()[-1] == "2 of 2 plugins are fit; the application is not"


def test_a_start_that_ends_the_process_is_named(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    code, (step,) = probed(site, capsys, start="import os; os.kill(os.getpid(), 9)")
    assert (code, step["step"]) == (1, "start")
    assert f"by the signal {signal.SIGKILL.name}" in step["error"]


def test_a_child_process_that_cannot_be_started_is_told(
    site: Site, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    step, error = failure(capsys)
    assert step == "import"
    assert error.startswith("no child process could be started: ")


@pytest.mark.parametrize("seconds", ["0", "-1", "nan", "inf", "soon"])
def test_a_time_is_a_number_of_seconds_above_0(capsys: pytest.CaptureFixture[str], seconds: str) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["doctor", f"--timeout={seconds}"])
    assert caught.value.code == 2
    assert seconds in capsys.readouterr().err
