"""What hangs while an application starts is named."""

# A test may look inside.
# pyright: reportPrivateUsage=false

import logging
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from llmgine_core._loading import load_plugin
from llmgine_core._plugins import Plugin
from llmgine_core._watchdog import told_if_late
from llmgine_core.config import Config, Selection
from llmgine_core.hookspecs import hookimpl
from tests.core.distributions import Site
from tests.core.handler_plugins import GOOD, handler_site


class Told(logging.Handler):
    """Lets what hangs go on once the log has spoken."""

    def __init__(self) -> None:
        super().__init__()
        self.said: list[str] = []
        self.spoken = threading.Event()

    def emit(self, record: logging.LogRecord) -> None:
        self.said.append(record.getMessage())
        assert (record.name, record.levelname) == ("llmgine.plugins", "ERROR")
        self.spoken.set()


@pytest.fixture
def told() -> Iterator[Told]:
    handler, logger = Told(), logging.getLogger("llmgine.plugins")
    logger.addHandler(handler)
    yield handler
    logger.removeHandler(handler)


def test_a_hook_that_hangs_is_named_with_the_line_at_which_it_stands(told: Told) -> None:
    class Hanging:
        @hookimpl
        def llmgine_register_tools(self) -> list[object]:
            assert told.spoken.wait(30)
            return []

    plugin = Plugin(Selection(kind="plugins", name="mine"), None, Hanging(), start_timeout=0.01)
    plugin.verify()
    assert plugin.call("llmgine_register_tools") == []
    line = Hanging.llmgine_register_tools.__code__.co_firstlineno + 2
    (said,) = told.said
    what, named, cure = said.splitlines()
    assert what == "llmgine_register_tools has not ended after 0.01 s"
    assert named.startswith(f"  plugin: plugins 'mine' (a ready object), now at {__file__}:{line} in ")
    assert named.endswith("Hanging.llmgine_register_tools")
    assert cure.startswith("  cure: nothing but the end of the process stops it")
    assert "`start_timeout`" in cure


HANGING = """
import logging, threading
(handler,) = [h for h in logging.getLogger("llmgine.plugins").handlers if hasattr(h, "spoken")]
assert handler.spoken.wait(30)
"""


def test_an_import_that_hangs_is_named_likewise(site: Site, told: Told) -> None:
    handler_site(site, HANGING + GOOD)
    selection = Selection(kind="observability", name="good", use="good")
    load_plugin(selection, Config(bus=Selection(kind="bus", name="memory"), start_timeout=0.05))
    what, named, _ = told.said[0].splitlines()
    path = Path(site.folder, "good_plugin.py")
    assert what == "importing it has not ended after 0.05 s"
    assert named == f"  plugin: observability 'good' (good-dist 1.2, good_plugin), now at {path}:4 in <module>"


LATE = """
def __getattr__(name):
    import hanging
    return hanging
"""


def test_so_is_one_that_a_package_makes_only_when_it_is_asked_for_the_plugin(site: Site, told: Told) -> None:
    modules = {"late": LATE, "hanging": HANGING + GOOD}
    site.install("d", modules, {"llmgine.observability": {"mine": "late:plugin"}})
    selection = Selection(kind="observability", name="mine", use="mine")
    load_plugin(selection, Config(bus=Selection(kind="bus", name="memory"), start_timeout=0.05))
    what, named, _ = told.said[0].splitlines()
    assert what == "importing it has not ended after 0.05 s"
    assert named.endswith(f"(d 1.2, late:plugin), now at {Path(site.folder, 'hanging.py')}:4 in <module>")


def test_nothing_is_said_of_what_ends_in_time(told: Told) -> None:
    before = threading.active_count()
    with told_if_late("nothing", "nobody", 60.0):
        (timer,) = [t for t in threading.enumerate() if t.name == "llmgine-watchdog"]
        assert timer.daemon
    timer.join(30)
    assert threading.active_count() <= before
    assert told.said == []


def test_a_timeout_longer_than_a_thread_can_wait_is_no_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    failed: list[object] = []
    monkeypatch.setattr(threading, "excepthook", failed.append)
    with told_if_late("it", "mine", threading.TIMEOUT_MAX * 2):
        (timer,) = (each for each in threading.enumerate() if each.name == "llmgine-watchdog")
        timer.join(0.05)
        assert timer.is_alive()
    assert not failed
