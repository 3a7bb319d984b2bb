"""Errors carry their facts, build their sentence from them, and pickle."""

# Handlers are lambdas here, and a test may look inside.
# pyright: reportUnknownArgumentType=false, reportUnknownVariableType=false

import pickle
from collections.abc import Callable
from typing import Any, cast

import attrs
import pytest

from llmgine_core import errors

KINDS: list[type[errors.LlmgineError]] = [getattr(errors, name) for name in errors.__all__]
VALUES: dict[str, Any] = {
    "bool": False,
    "str": "word",
    "int": 7,
    "float | None": 1.5,
    "int | None": 8,
    "str | None": "package",
    "tuple[str, ...]": ("one", "two"),
}


def type_of(field: "attrs.Attribute[Any]") -> str:
    """The field's type as it is written; who reads errors from documents resolves it."""
    return field.type.__name__ if type(field.type) is type else str(field.type)


def make(kind: type[errors.LlmgineError]) -> errors.LlmgineError:
    if issubclass(kind, errors.BootstrapError):
        return kind("said", [errors.ConfigError(("one",)), errors.PluginError("two")])
    if not attrs.has(kind):
        return kind("said")
    facts = {field.name: VALUES[type_of(field)] for field in attrs.fields(kind)}
    return cast("Callable[..., errors.LlmgineError]", kind)(**facts)


@pytest.mark.parametrize("kind", KINDS)
def test_every_error_pickles_with_its_facts_and_its_sentence(kind: type[errors.LlmgineError]) -> None:
    error = make(kind)
    back = pickle.loads(pickle.dumps(error))
    assert type(back) is kind
    assert str(back) == str(error)
    if attrs.has(kind):
        assert attrs.asdict(back) == attrs.asdict(error)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", [k for k in KINDS if attrs.has(k)])
def test_every_sentence_says_the_facts(kind: type[errors.LlmgineError]) -> None:
    said = str(make(kind))
    for field in attrs.fields(kind):  # type: ignore[arg-type]
        value = VALUES[type_of(field)]
        if isinstance(value, bool):
            continue  # it chooses the sentence
        for part in value if isinstance(value, tuple) else (value,):
            assert str(part) in said


@pytest.mark.parametrize("kind", KINDS)
def test_every_error_hangs_below_one_root(kind: type[errors.LlmgineError]) -> None:
    assert issubclass(kind, errors.LlmgineError)
    assert issubclass(kind, Exception)


def test_sentences_leave_out_what_is_not_known() -> None:
    assert str(errors.HandlerNotFoundError("Ask")).endswith("register_command_handler()")
    assert str(errors.RateLimitedError("m", "slow down")) == "m: slow down"
    assert str(errors.ContextLengthError("m", "too long")).startswith("m: too long; shorten")
    assert str(errors.ConfigError(("one",))) == "one"
    assert str(errors.BusClosedError("new")).endswith("`async with bus`")
    assert isinstance(errors.SerializationError("x"), ValueError)


@pytest.mark.parametrize(
    ("error", "lines"),
    [
        (
            errors.PluginNotFoundError("store", ""),
            ["no store is selected", "selected: none", "name one in the configuration"],
        ),
        (
            errors.PluginNotFoundError("model", "x", ("a", "b"), package="p", selected=True),
            [
                "no model 'x' is selected",
                "none of that name; selected: a, b",
                "name one in the configuration (p offers one: pip install p)",
            ],
        ),
        (
            errors.PluginNotFoundError("model", "opnai", ("openai",), ("openai",)),
            [
                "model 'opnai' is not installed",
                "none of that name; installed: openai",
                "did you mean 'openai'? install the distribution that offers it, or select what is installed",
            ],
        ),
        (
            errors.PluginNotFoundError("model", "x", package="p", unreadable=("/a: torn",)),
            [
                "model 'x' is not installed",
                "none of that name; installed: none; cannot be read: /a: torn",
                "install it with: pip install p",
            ],
        ),
        (
            errors.PluginNotFoundError("model", "x", elsewhere=("bus", "plugins")),
            [
                "model 'x' is not installed",
                "none of that name; installed: none",
                "select it as bus or as plugins, which is what is installed of that name",
            ],
        ),
        (
            errors.PluginConflictError("model", "x", ("one", "two"), ("model x of one", "model x of two")),
            [
                "model 'x' is offered by one and two",
                "model x of one or model x of two",
                'name one: "x@one" or "x@two"',
            ],
        ),
        (
            errors.PluginApiError("model x of one", 2, 1),
            [
                "the plugin is written for API version 2, this core offers 1",
                "model x of one",
                "upgrade llmgine-core, or install an older release of the plugin",
            ],
        ),
        (errors.PluginLoadError("torn", "model x of one", "mend it"), ["torn", "model x of one", "mend it"]),
    ],
)
def test_every_error_of_a_plugin_says_on_three_lines_what_which_and_how_to_mend_it(
    error: errors.PluginError, lines: list[str]
) -> None:
    what, plugin, cure = lines
    assert str(error) == f"{what}\n  plugin: {plugin}\n  cure: {cure}"
