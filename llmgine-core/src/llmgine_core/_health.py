"""How an application is: its bus, its observability handlers, and what plugins check."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

import attrs

from llmgine_core import abc
from llmgine_core._faults import said, shown
from llmgine_core.contracts import Health
from llmgine_core.hookspecs import HealthCheck
from llmgine_core.observability import ObservabilityEventHandler

__all__ = ["HealthChecks"]


class HealthChecks:
    """Everything that `Application.health` asks.

    Args:
        bus: the application's.
        handlers: the application's.
    """

    def __init__(self, bus: abc.MessageBus, handlers: Sequence[ObservabilityEventHandler]) -> None:
        self._bus, self._handlers = bus, handlers
        self._checks: dict[str, HealthCheck] = {}

    def add(self, kind: str, instance: str, checks: Mapping[str, HealthCheck]) -> None:
        """Take a plugin's checks; the instance's name keeps those of two plugins apart."""
        self._checks.update({f"{kind}.{instance}.{name}": check for name, check in checks.items()})

    def run(self) -> Health:
        """Ask all of them."""
        found: dict[str, Mapping[str, Any]] = {"bus": self._of_bus(), **dict(self._of_handlers())}
        found |= {name: _answer(check) for name, check in self._checks.items()}
        return Health(ok=all(bool(each["ok"]) for each in found.values()), checks=found)

    def _of_bus(self) -> dict[str, Any]:
        stats = self._bus.stats()
        counts = {key: getattr(stats, key) for key in ("sessions", "abandoned_threads", "dead_letters", "stalls")}
        return {"ok": True, **counts, **attrs.asdict(stats.total)}

    def _of_handlers(self) -> Iterator[tuple[str, dict[str, Any]]]:
        names: list[str] = []
        for handler in self._handlers:
            names.append(handler.name)
            number = names.count(handler.name)
            suffix = f"-{number}" if number > 1 else ""
            books = handler.stats()
            yield f"observability.{handler.name}{suffix}", {"ok": not books.failed, **attrs.asdict(books)}


def _answer(check: HealthCheck) -> dict[str, Any]:
    """What a check says, with `ok` in any case: one that fails is an answer, not a fault of who asks."""
    try:
        answer: object = check()
    except (Exception, SystemExit) as error:
        return {"ok": False, "error": said(error)}
    if inspect.iscoroutine(answer):
        answer.close()
        return {"ok": False, "error": "the check is a coroutine function; it must be a plain one"}
    if not isinstance(answer, Mapping):
        return {"ok": False, "error": f"the check returned {shown(answer)}, not a dict with the key 'ok'"}
    told = cast("Mapping[str, Any]", answer)
    if "ok" not in told:
        return {**told, "ok": False, "error": "the check does not say whether it is 'ok'"}
    return dict(told)
