"""Selected plugins: their settings, their hooks, what those return."""

# Handlers are lambdas here, and a test may look inside.
# pyright: reportPrivateUsage=false, reportUnknownArgumentType=false, reportUnknownLambdaType=false, reportUnknownMemberType=false, reportUnknownVariableType=false

from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import AsyncExitStack
from types import SimpleNamespace
from typing import Any

import pytest

from llmgine_core import ConfigError, PluginLoadError, PluginNotFoundError
from llmgine_core._plugins import Plugin
from llmgine_core.config import Selection
from llmgine_core.hookspecs import KINDS, impl
from llmgine_core.testing import RecordingEventHandler
from tests.core.distributions import Site
from tests.core.handler_plugins import GOOD, handler_site, load, refusal


def test_a_selected_plugin_is_built_with_its_settings(site: Site) -> None:
    handler_site(site, GOOD)
    made = load({"use": "good", "as": "mine", "path": "there", "level": "high"}).build()
    assert made.name == "mine"
    assert (made.settings.path, made.settings.level.name) == ("there", "high")


def test_settings_that_do_not_fit_are_all_named_with_their_source(site: Site) -> None:
    handler_site(site, GOOD)
    with pytest.raises(
        ConfigError, match=r"the constructor: observability\[0\].pth: unknown setting 'pth'; did you mean 'path'"
    ):
        load({"use": "good", "pth": "x"}).settings()
    with pytest.raises(ConfigError, match=r"\[0\].loud: true or false is wanted, not 'yes'"):
        load({"use": "good", "loud": "yes"}).settings()


def test_a_plugin_without_settings_takes_none(site: Site) -> None:
    handler_site(site, GOOD.replace("def llmgine_settings", "def _unused").replace("@hookimpl\ndef _unused", "def _un"))
    assert load().build().settings == {}
    with pytest.raises(ConfigError, match=r"unknown setting 'path' .observability 'good' takes none"):
        load({"use": "good", "path": "x"}).settings()


def test_settings_are_read_once(site: Site) -> None:
    source = GOOD.replace("    return Settings", "    return Settings\n\n_read = []").replace(
        "lambda value, _: Level(value)", "lambda value, _: _read.append(value) or Level(value)"
    )
    handler_site(site, source)
    plugin = load({"use": "good", "level": "high"})
    assert plugin.settings() is plugin.settings()
    assert plugin.build().settings is plugin.settings()
    assert plugin.module._read == ["high"]


def plugin_of(hook: str, function: Callable[..., Any], kind: str = "plugins") -> Plugin:
    """A ready plugin of one hook."""
    module = SimpleNamespace(**{hook: getattr(impl, hook)(function)})
    plugin = Plugin(Selection(kind=kind, name="mine"), None, module, start_timeout=60.0)
    plugin.verify()
    return plugin


def refusal_of(hook: str, result: Any) -> PluginLoadError:
    """The error with which what a hook returns is refused."""
    arguments = {} if hook == "llmgine_register_tools" else {"app": None}
    plugin = plugin_of(hook, (lambda app: result) if arguments else (lambda: result))
    with pytest.raises(PluginLoadError) as caught:
        plugin.call(hook, **arguments)
    assert caught.value.plugin == "plugins 'mine' (a ready object)"
    return caught.value


@pytest.mark.parametrize(
    ("hook", "result", "wanted"),
    [
        ("llmgine_register_tools", 5, "a list of functions"),
        ("llmgine_register_tools", ["no function"], "a list of functions"),
        ("llmgine_lifespan", 5, "an async context manager"),
        ("llmgine_lifespan", AsyncExitStack, "an async context manager"),
        ("llmgine_health_checks", ["x"], "a dict of functions, by name"),
        ("llmgine_health_checks", {"x": 5}, "a dict of functions, by name"),
    ],
)
def test_a_hook_that_returns_the_wrong_thing_is_refused(hook: str, result: Any, wanted: str) -> None:
    error = refusal_of(hook, result)
    assert error.what == f"{hook} returned {result!r}"
    assert error.cure == f"it must return {wanted}"


async def _number() -> int:
    return 5


async def _numbers() -> AsyncGenerator[int]:
    yield 5


class Awaitable:
    def __await__(self) -> Generator[Any, Any, None]:
        yield


class AwaitableContext(Awaitable):
    async def __aenter__(self) -> None: ...

    async def __aexit__(self, *_: object) -> None: ...


@pytest.mark.parametrize("hook", ["llmgine_lifespan", "llmgine_register_handlers", "llmgine_register_tools"])
@pytest.mark.parametrize(
    ("make", "what"),
    [
        (_number, "a coroutine"),
        (_numbers, "a generator"),
        (lambda: (n for n in "ab"), "a generator"),
        (Awaitable, "an awaitable, <"),
    ],
)
def test_a_hook_that_returns_what_is_still_to_be_awaited_is_refused(
    hook: str, make: Callable[[], Any], what: str
) -> None:
    assert refusal_of(hook, make()).what.startswith(f"{hook} returned {what}")


def test_what_can_be_awaited_and_is_what_is_wanted_passes() -> None:
    context = AwaitableContext()
    assert plugin_of("llmgine_lifespan", lambda app: context).call("llmgine_lifespan", app=None) is context


class Unspeakable:
    def __repr__(self) -> str:
        raise ValueError("no words")


class Lines:
    def __repr__(self) -> str:
        return "one\n    two"


def test_what_cannot_be_shown_and_what_is_too_long_or_of_several_lines_still_makes_three_lines() -> None:
    assert refusal_of("llmgine_lifespan", Unspeakable()).what.endswith("returned an object of " + _name(Unspeakable))
    assert len(refusal_of("llmgine_lifespan", "x" * 10_000).what) < 300
    assert refusal_of("llmgine_lifespan", Lines()).what == "llmgine_lifespan returned one two"


def _name(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


class Torn(Exception):
    def __str__(self) -> str:
        raise ValueError("no words")


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ValueError("first\n  second"), "ValueError: first second"),
        (ValueError(), "ValueError"),
        (SystemExit(3), "SystemExit: 3"),
        (GeneratorExit(), "GeneratorExit"),
        (Torn(), "Torn: <its message cannot be read: ValueError>"),
    ],
)
def test_a_hook_that_raises_is_named_whatever_it_raises(error: BaseException, said: str) -> None:
    def fail() -> None:
        raise error

    with pytest.raises(PluginLoadError) as caught:
        plugin_of("llmgine_register_tools", fail).call("llmgine_register_tools")
    assert caught.value.what == f"llmgine_register_tools raised {said}"
    assert caught.value.__cause__ is error


def test_an_interrupt_and_errors_of_our_own_pass_unchanged() -> None:
    for error in (KeyboardInterrupt(), ConfigError(("wrong",)), PluginNotFoundError("store", "")):

        def fail(error: BaseException = error) -> None:
            raise error

        with pytest.raises(type(error)) as caught:
            plugin_of("llmgine_register_tools", lambda fail=fail: fail()).call("llmgine_register_tools")
        assert caught.value is error


@pytest.mark.parametrize("made", [None, 5, RecordingEventHandler])
def test_a_factory_that_makes_none_of_its_kind_is_refused(made: Any) -> None:
    plugin = plugin_of("llmgine_create_event_handler", lambda build: made, "observability")
    with pytest.raises(PluginLoadError) as caught:
        plugin.build()
    assert caught.value.what == f"llmgine_create_event_handler returned {made!r}"
    wanted = "an object; make one: RecordingEventHandler(…)" if made is RecordingEventHandler else _HANDLER
    assert caught.value.cure == f"it must return {wanted}"


_HANDLER = "an ObservabilityEventHandler"


class Blackening:
    def redact(self, record: Any) -> Any:
        return record


@pytest.mark.parametrize(
    ("made", "cure"),
    [
        (5, "it must return a Redactor (without redact it is none)"),
        (Blackening, "it must return an object; make one: Blackening(…)"),
    ],
)
def test_a_redactor_is_an_object_that_redacts(made: Any, cure: str) -> None:
    hook = "llmgine_create_redactor"
    with pytest.raises(PluginLoadError) as caught:
        plugin_of(hook, lambda build: made).build(hook=hook)
    assert caught.value.cure == cure
    redactor = Blackening()
    assert plugin_of(hook, lambda build: redactor).build(hook=hook) is redactor


@pytest.mark.parametrize("kind", [k for k in KINDS if k != "plugins"])
def test_a_ready_object_must_be_what_its_kind_demands(kind: str) -> None:
    plugin = Plugin(Selection(kind=kind, name="mine"), None, object())
    with pytest.raises(PluginLoadError, match=r"it is 5\n  plugin: .* 'mine' \(a ready object\)\n  cure: it must be a"):
        plugin.checked(5)


class Touchy:
    """An object of which some attribute raises when it is looked at."""

    def __init__(self, attribute: str, error: BaseException) -> None:
        self._attribute, self._error = attribute, error

    def __getattr__(self, name: str) -> Any:
        if name == self._attribute:
            raise self._error
        raise AttributeError(name)

    @impl.llmgine_register_tools
    def llmgine_register_tools(self) -> list[Callable[..., Any]]:
        return []


@pytest.mark.parametrize(
    ("error", "said"), [(OSError("no\ndisk"), "OSError: no disk"), (SystemExit(3), "SystemExit: 3")]
)
def test_what_raises_when_it_is_looked_at_is_named_like_a_hook_that_raises(error: BaseException, said: str) -> None:
    plugin = Plugin(Selection(kind="plugins", name="mine"), None, Touchy("__llmgine_api__", error))
    with pytest.raises(PluginLoadError) as caught:
        plugin.verify()
    assert caught.value.what == f"looking at its hooks raised {said}"
    assert caught.value.plugin == "plugins 'mine' (a ready object)"
    bus = Plugin(Selection(kind="bus", name="mine"), None, object())
    for hook, doing in (
        ("", "looking at it"),
        ("llmgine_create_message_bus", "looking at what llmgine_create_message_bus returned"),
    ):
        with pytest.raises(PluginLoadError) as caught:
            bus.checked(Touchy("publish", error), hook)
        assert caught.value.what == f"{doing} raised {said}"
        assert caught.value.__cause__ is error


def test_an_interrupt_while_it_is_looked_at_passes() -> None:
    with pytest.raises(KeyboardInterrupt):
        Plugin(Selection(kind="plugins", name="mine"), None, Touchy("__llmgine_api__", KeyboardInterrupt())).verify()


UNREADABLE = """
import attrs
from llmgine_core.hookspecs import hookimpl
from llmgine_core.testing import RecordingEventHandler

def exits(*_): raise SystemExit(3)

@attrs.frozen
class Settings:
    {}

@hookimpl
def llmgine_settings():
    return Settings

@hookimpl
def llmgine_create_event_handler(build):
    return RecordingEventHandler()
"""


@pytest.mark.parametrize(
    ("field", "said"),
    [
        ("path: 'NoSuchType' = 1", "NameError: name 'NoSuchType' is not defined"),
        ("path: str = attrs.field(default='', validator=exits)", "SystemExit: 3"),
    ],
)
def test_a_settings_class_that_cannot_be_read_into_is_the_plugins_fault(site: Site, field: str, said: str) -> None:
    handler_site(site, UNREADABLE.format(field))
    error = refusal()
    assert error.what == f"reading its settings raised {said}"
    assert error.plugin == "observability 'good' (good-dist 1.2, good_plugin)"
