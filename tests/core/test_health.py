"""What `Application.health` asks, and under which names."""

from typing import Any

import pytest

from llmgine_core import Application
from llmgine_core.hookspecs import hookimpl
from llmgine_core.testing import RecordingEventHandler, ScriptedModel, application, plugin


class Checked:
    """A plugin of two kinds with checks of its own."""

    def __init__(self, **checks: Any) -> None:
        self._checks = checks

    @hookimpl
    def llmgine_health_checks(self, app: Application) -> dict[str, Any]:
        return self._checks

    @hookimpl
    def llmgine_create_language_model(self, build: Any) -> ScriptedModel:
        return ScriptedModel()


async def test_checks_of_plugins_of_any_kind_bear_the_names_of_kind_and_instance() -> None:
    ready, asked = Checked(up=lambda: {"ok": True}), Checked(up=lambda: {"ok": False, "queue": 7})
    async with application(llm={"big": ready}, plugins=[ready, asked, plugin(asked, "other")]) as app:
        health = app.health()
    assert not health.ok
    assert {name: dict(check) for name, check in health.checks.items() if name != "bus"} == {
        "llm.big.up": {"ok": True},
        "plugins.Checked.up": {"ok": True},
        "plugins.Checked-2.up": {"ok": False, "queue": 7},
        "plugins.other.up": {"ok": False, "queue": 7},
    }


async def test_the_bus_and_every_observability_handler_are_covered() -> None:
    async with application(observability=[RecordingEventHandler(), RecordingEventHandler()]) as app:
        health = app.health()
    assert health.ok
    assert set(health.checks) == {"bus", "observability.recording", "observability.recording-2"}
    assert set(health.checks["bus"]) >= {"ok", "sessions", "abandoned_threads", "dead_letters", "stalls", "pending"}
    assert set(health.checks["observability.recording"]) >= {"ok", "accepted", "exported", "dropped"}


def raising() -> dict[str, Any]:
    raise ValueError("ill")


class Mute(Exception):
    """Says nothing of itself."""

    def __str__(self) -> str:
        raise RuntimeError

    __repr__ = __str__


def mute() -> dict[str, Any]:
    raise Mute


def leaving() -> dict[str, Any]:
    raise SystemExit(3)


async def waiting() -> dict[str, Any]:
    return {"ok": True}


@pytest.mark.parametrize(
    ("check", "answer"),
    [
        (raising, {"ok": False, "error": "ValueError: ill"}),
        (mute, {"ok": False, "error": "Mute: <its message cannot be read: RuntimeError>"}),
        (
            Mute,
            {
                "ok": False,
                "error": "the check returned an object of tests.core.test_health.Mute, not a dict with the key 'ok'",
            },
        ),
        (leaving, {"ok": False, "error": "SystemExit: 3"}),
        (waiting, {"ok": False, "error": "the check is a coroutine function; it must be a plain one"}),
        (lambda: True, {"ok": False, "error": "the check returned True, not a dict with the key 'ok'"}),
        (
            lambda: {"queue": 7},
            {"queue": 7, "ok": False, "error": "the check does not say whether it is 'ok'"},
        ),
        (lambda: {"ok": 1, "queue": 7}, {"ok": 1, "queue": 7}),
    ],
)
async def test_a_check_that_does_not_answer_is_not_ok_and_says_why(check: Any, answer: dict[str, Any]) -> None:
    async with application(plugins=[Checked(it=check)]) as app:
        health = app.health()
    assert health.checks["plugins.Checked.it"] == answer
    assert health.ok is bool(answer["ok"])
