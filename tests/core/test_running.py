"""What `llmgine run` runs: real processes, on both loops, told to stop by real signals."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from llmgine_core._running import run_target

pytestmark = pytest.mark.skipif(os.name == "nt", reason="a process of Windows cannot be sent these signals")

SHOP = '''
import json, os, signal, sys
import anyio, attrs
from llmgine_core import Application, ApplicationBootstrap, Event, ObservabilityEventHandler
from llmgine_core.testing import ScriptedModel, application


@attrs.frozen
class Ordered(Event):
    number: int = 0


class ToFile(ObservabilityEventHandler):
    def export(self, batch):
        with open("events.jsonl", "a") as file:
            file.writelines(json.dumps({"type": r.type, **r.fields}) + "\\n" for r in batch)


def say(word):
    with open("said", "a") as file:
        file.write(word + "\\n")
    print(word, flush=True)


async def handle(event):
    if event.number == 0:
        say("working")
    await anyio.sleep(0.02)
    say(f"handled {event.number}")


async def handle_for_ever(event):
    say("working")
    await anyio.sleep_forever()


class Part(ScriptedModel):
    """Says when it starts and stops."""

    async def __aenter__(self):
        say("+model")

    async def __aexit__(self, *error):
        say("-model")


class Hanging(ScriptedModel):
    async def __aenter__(self):
        say("starting")
        await anyio.sleep_forever()

    async def __aexit__(self, *error):
        pass


def made(handler=handle, stop_timeout=20.0, **parts):
    return application(
        "shop", observability=[ToFile()], handlers=[(Ordered, handler)], stop_timeout=stop_timeout, **parts
    )


async def order(app):
    async with app.session("chat") as session:
        for number in range(10):
            await session.publish(Ordered(number))
        await app.run()


async def serve():
    """A program as a README shows it: it starts its application itself."""
    async with made(llm=Part()) as app:
        await order(app)


async def serve_for_ever():
    async with made(handle_for_ever, stop_timeout=1.0) as app:
        await app.bus.publish(Ordered())
        await app.run()


async def with_app(app):
    say(f"given {app.name}")
    await app.run()
    say("went on")


async def deaf(app):
    say("working")
    try:
        await anyio.sleep_forever()
    finally:
        say("cancelled")


async def serve_deaf():
    async with made(llm=Part()) as app:
        await deaf(app)


class Lifespan:
    """Publishes once the application runs."""

    from llmgine_core.hookspecs import hookimpl

    @hookimpl
    def llmgine_register_handlers(self, app):
        app.bus.schedule(Ordered(), delay=0.01)


shop = made(llm=Part(), plugins=[Lifespan])


def make_shop():
    return made(llm=Part(), plugins=[Lifespan])


slow_start = application("slow", llm={"a": Part(), "b": Hanging()}, start_timeout=60.0)


async def slow_main():
    async with slow_start:
        say("never")
'''

RUN = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background processes ignore it
from llmgine_core._running import run_target
sys.exit(run_target(sys.argv[1], backend=sys.argv[2]))
"""

PLAIN = """
import asyncio, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
import anyio, shop
if sys.argv[2] == "asyncio":
    asyncio.run(getattr(shop, sys.argv[1].partition(":")[2])())
else:
    anyio.run(getattr(shop, sys.argv[1].partition(":")[2]), backend="trio")
"""


class Running:
    """A process that says what it does, line by line."""

    def __init__(self, process: "subprocess.Popen[str]", folder: Path) -> None:
        self.process, self.folder = process, folder

    def until(self, word: str) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.strip() == word:
                return
        raise AssertionError(f"it ended without {word!r}: {self.process.communicate(timeout=30)}")

    def tell(self, number: int) -> None:
        self.process.send_signal(number)

    def end(self) -> tuple[int, str]:
        _, complaints = self.process.communicate(timeout=60)
        return self.process.returncode, complaints

    @property
    def said(self) -> list[str]:
        return (self.folder / "said").read_text().splitlines()

    @property
    def events(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.folder / "events.jsonl").read_text().splitlines()]

    def of_type(self, type_name: str) -> list[dict[str, Any]]:
        return [event for event in self.events if event["type"] == type_name]


@contextmanager
def running(folder: Path, target: str, backend: str, program: str = RUN) -> Generator[Running]:
    (folder / "shop.py").write_text(SHOP, encoding="utf-8")
    with subprocess.Popen(
        [sys.executable, "-W", "error", "-c", program, target, backend],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield Running(process, folder)
        finally:
            process.kill()


BOTH = pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
BACKENDS = pytest.mark.parametrize("backend", ["asyncio", "trio"])


@BACKENDS
@BOTH
@pytest.mark.parametrize("program", [RUN, PLAIN], ids=["run_target", "by itself"])
def test_what_was_accepted_is_handled_and_written_when_a_process_is_told_to_stop(
    tmp_path: Path, backend: str, number: int, program: str
) -> None:
    with running(tmp_path, "shop:serve", backend, program) as shop:
        shop.until("working")
        shop.tell(number)
        code, complaints = shop.end()
    assert (code, complaints) == (0, "")
    assert shop.said == ["+model", "working", *(f"handled {n}" for n in range(10)), "-model"]
    types = [event["type"] for event in shop.events]
    assert types.index("SessionEndEvent") < types.index("BootstrapStopEvent")
    assert shop.of_type("SessionEndEvent")[0]["outcome"] == "ok"
    assert shop.of_type("BootstrapStopEvent")[0]["outcome"] == "ok"


@BACKENDS
def test_a_handler_that_never_ends_is_cancelled_at_the_deadline_and_told_of(tmp_path: Path, backend: str) -> None:
    with running(tmp_path, "shop:serve_for_ever", backend) as shop:
        shop.until("working")
        shop.tell(signal.SIGTERM)
        code, complaints = shop.end()
    assert code == 0
    assert "the bus stopped before all was done: 1 deliveries were left, 1 discarded (for shop.handle_for_ever" in (
        complaints
    )
    assert shop.of_type("BootstrapStopEvent")


@BACKENDS
@pytest.mark.parametrize("target", ["shop:shop", "shop:make_shop"])
def test_a_bootstrap_or_a_function_that_returns_one_runs_until_told_to_stop(
    tmp_path: Path, backend: str, target: str
) -> None:
    with running(tmp_path, target, backend) as shop:
        shop.until("working")
        shop.tell(signal.SIGTERM)
        assert shop.end() == (0, "")
    assert shop.said == ["+model", "working", "handled 0", "-model"]


@BACKENDS
def test_a_function_of_the_application_is_given_the_configured_one(tmp_path: Path, backend: str) -> None:
    with running(tmp_path, "shop:with_app", backend) as shop:
        shop.until("given app")
        shop.tell(signal.SIGTERM)
        assert shop.end() == (0, "")
    assert shop.said == ["given app", "went on"]


@BACKENDS
@pytest.mark.parametrize("target", ["shop:deaf", "shop:serve_deaf"])
def test_a_function_that_does_not_wait_for_the_stop_is_cancelled(tmp_path: Path, backend: str, target: str) -> None:
    with running(tmp_path, target, backend) as shop:
        shop.until("working")
        shop.tell(signal.SIGINT)
        assert shop.end() == (0, "")
    assert [word for word in shop.said if "model" not in word] == ["working", "cancelled"]


@BACKENDS
@BOTH
@pytest.mark.parametrize("target", ["shop:slow_start", "shop:slow_main"])
def test_a_signal_during_the_start_rolls_it_back(tmp_path: Path, backend: str, number: int, target: str) -> None:
    with running(tmp_path, target, backend) as shop:
        shop.until("starting")
        shop.tell(number)
        assert shop.end() == (0, "")
    assert shop.said == ["+model", "starting", "-model"]


@BACKENDS
@BOTH
def test_the_next_signal_while_it_drains_has_its_ordinary_effect(tmp_path: Path, backend: str, number: int) -> None:
    source = """
import shop

async def main():
    async with shop.made(shop.handle_for_ever, stop_timeout=3.0) as app:
        await app.bus.publish(shop.Ordered())
        await app.run()
        shop.say("draining")
"""
    (tmp_path / "twice.py").write_text(source)
    with running(tmp_path, "twice:main", backend) as shop:
        shop.until("working")
        shop.tell(number)
        shop.until("draining")
        shop.tell(number)
        code, complaints = shop.end()
    assert code == -number
    assert ("KeyboardInterrupt" in complaints) is (number == signal.SIGINT)


# ── targets ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> Generator[Any]:
    """Writes the module `target_module` of the working directory."""
    monkeypatch.setattr(sys, "path", [*sys.path])

    def write(source: str) -> None:
        Path("target_module.py").write_text(source, encoding="utf-8")

    yield write
    sys.modules.pop("target_module", None)


HEAD = "from llmgine_core import ApplicationBootstrap, ConfigError\nfrom llmgine_core.testing import application\n"


@pytest.mark.parametrize(
    ("target", "source", "said"),
    [
        ("target_module", "", "name a module and what to run in it, as in `shop.main:app`"),
        ("absent_module:app", "", "there is no module 'absent_module'"),
        ("target_module.inner:app", "", "there is no module 'target_module.inner'"),
        ("target_module:shp", "shop = 5", "target_module has no 'shp'; did you mean 'shop'?"),
        ("target_module:shop", "shop = 5", "it is 5; it must be an ApplicationBootstrap"),
        ("target_module:shop", "def shop(): return 5", "it returned 5; it must be an ApplicationBootstrap"),
        ("target_module:shop", "def shop(x): return 5", "it needs arguments"),
        ("target_module:shop", "async def shop(x, y): ...", "it takes more than the application"),
        ("target_module:shop", "async def main(): ...\ndef shop(): return main()", "make it an `async def`"),
    ],
)
def test_a_target_that_is_none_is_explained(
    module: Any, capsys: pytest.CaptureFixture[str], target: str, source: str, said: str
) -> None:
    module(source)
    assert run_target(target) == 2
    complaint = capsys.readouterr().err
    assert f"{target!r} cannot be run: " in complaint
    assert said in complaint
    assert "Traceback" not in complaint


def test_a_configuration_that_would_be_ignored_and_a_loop_that_is_not_there_are_refused(
    module: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    module(f"{HEAD}shop = application()\nasync def main(): ...")
    assert run_target("target_module:shop", config="mine.toml") == 2
    assert run_target("target_module:main", config="mine.toml") == 2
    assert capsys.readouterr().err.count("so mine.toml would be ignored") == 2
    assert run_target("target_module:main", backend="curio") == 2
    assert "there is no such event loop; there are asyncio and trio" in capsys.readouterr().err
    monkeypatch.setitem(sys.modules, "trio", None)
    assert run_target("target_module:main", backend="trio") == 2
    assert "pip install trio" in capsys.readouterr().err


def test_errors_of_ours_are_told_without_a_traceback_and_others_with_one(
    module: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    source = """
def wrong():
    return ApplicationBootstrap(bus=("memory", {"capcity": 5}), observability=["absent"], discover=False)

def broken():
    raise ConfigError(("one fault",))

async def torn():
    raise ValueError("torn")

async def grouped():
    raise ExceptionGroup("two", [ConfigError(("first",)), ConfigError(("second",))])
"""
    module(HEAD + source)
    for target, said, trace in [
        ("wrong", "did you mean 'capacity'", False),
        ("wrong", "'absent' is not installed", False),
        ("broken", "one fault", False),
        ("grouped", "first\nsecond", False),
        ("torn", "ValueError: torn", True),
    ]:
        assert run_target(f"target_module:{target}") == 1
        complaint = capsys.readouterr().err
        assert said in complaint
        assert ("Traceback" in complaint) is trace


def test_a_module_that_cannot_be_imported_shows_where(module: Any, capsys: pytest.CaptureFixture[str]) -> None:
    module("import module_that_is_not_there")
    assert run_target("target_module:main") == 1
    complaint = capsys.readouterr().err
    assert "Traceback" in complaint
    assert "module_that_is_not_there" in complaint


def test_a_function_of_the_application_is_configured_by_the_file_given(
    module: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    module("async def main(app): print(app.bus.stats().sessions)")
    Path("mine.toml").write_text("bus = 5")
    assert run_target("target_module:main", config="mine.toml") == 1
    assert "mine.toml: bus is a plugin's name" in capsys.readouterr().err
    Path("mine.toml").write_text('bus = "memory"')
    assert run_target("target_module:main", config=Path("mine.toml")) == 0
    assert capsys.readouterr().out == "0\n"
