"""Put the configuration together from all its sources."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import attrs

from llmgine_core.config._environment import read_environment
from llmgine_core.config._faults import Faults
from llmgine_core.config._model import LISTS, SECONDS, Config, Value
from llmgine_core.config._select import Selector
from llmgine_core.config._sources import constructor, default_layers, file_layers
from llmgine_core.config._statements import Leaf, Said, read_layer
from llmgine_core.errors import ConfigError

__all__ = ["Survey", "load_config", "read_config", "survey_config"]


def load_config(
    given: Mapping[str, Any],
    *,
    defaults: Mapping[str, Any] | None = None,
    file: str | Path | Mapping[str, Any] | None = None,
    discover: bool = True,
    environment: Mapping[str, str] | None = None,
) -> Config:
    """Put the configuration together from all its sources.

    Args:
        given: what the constructor was told, by key; None means nothing.
        defaults: what counts, by key, where no source says anything of the key; stronger than the built-in defaults.
        file: a TOML file, or what one would say, in the place of `llmgine.toml`; the variable `LLMGINE_CONFIG` names
            one too.
        discover: whether to look at the environment, at files of the working directory and at the built-in defaults;
            the bus has its default anyway.
        environment: environment variables, by default the process's.

    Raises:
        ConfigError: with every fault of every source.
    """
    config, faults = read_config(given, defaults=defaults, file=file, discover=discover, environment=environment)
    if faults or config is None:
        raise ConfigError(faults)
    return config


def read_config(
    given: Mapping[str, Any],
    *,
    defaults: Mapping[str, Any] | None = None,
    file: str | Path | Mapping[str, Any] | None = None,
    discover: bool = True,
    environment: Mapping[str, str] | None = None,
) -> tuple[Config | None, tuple[str, ...]]:
    """What could be read of the configuration, and every fault in it; the arguments are those of `load_config`.

    For those who go on to look for faults elsewhere, so that all can be told together. There is no configuration to go
    on with, but None, without a bus, and where a fault may hide which distributions must not be imported.
    """
    survey = survey_config(given, defaults=defaults, file=file, discover=discover, environment=environment)
    return (survey.config if survey.is_safe else None), survey.faults


@attrs.frozen
class Survey:
    """What could be read of the configuration, for those who show it.

    Attributes:
        config: the configuration; None without a bus.
        faults: every fault.
        is_safe: whether plugins may be imported by it: no fault may hide that one of them is denied.
    """

    config: Config | None
    faults: tuple[str, ...]
    is_safe: bool


def survey_config(
    given: Mapping[str, Any],
    *,
    defaults: Mapping[str, Any] | None = None,
    file: str | Path | Mapping[str, Any] | None = None,
    discover: bool = True,
    environment: Mapping[str, str] | None = None,
) -> Survey:
    """Read the configuration whatever is wrong with it; the arguments are those of `load_config`."""
    variables = os.environ if environment is None else environment
    faults = Faults()
    layers = [constructor(given), *file_layers(file, variables, faults, discover=discover)]
    layers += default_layers(defaults or {}, discover=discover)
    said = [read_layer(layer, faults) for layer in layers]
    if discover:
        said.insert(1, read_environment(variables, faults))
    config = _assemble(said, variables, faults)
    return Survey(config, tuple(faults), is_safe=not faults.hides_denial)


def _assemble(said: Sequence[Said], variables: Mapping[str, str], faults: Faults) -> Config | None:
    is_doubtful = bool(faults)  # what a fault hides may be what a variable is for
    selector, options = Selector(said, variables, faults), _Options(said, faults)
    bus, context_store, tool_manager = selector.one("bus"), selector.one("context_store"), selector.one("tool_manager")
    llm, observability, plugins = selector.models(), selector.many("observability"), selector.many("plugins")
    read = options.read()
    unheard, notes = selector.unheard()
    if not is_doubtful:
        faults += unheard
    if bus is None:
        return None
    return Config(
        bus=bus,
        context_store=context_store,
        tool_manager=tool_manager,
        llm=llm,
        observability=observability,
        plugins=plugins,
        **read,
        values=(*selector.values, *options.values),
        notes=tuple(notes),
    )


class _Options:
    """Everything of the configuration that is no plugin."""

    def __init__(self, said: Sequence[Said], faults: Faults) -> None:
        self._said, self._faults = said, faults
        self.values: list[Value] = []

    def read(self) -> dict[str, Any]:
        """Those that any source gives, by key."""
        found: dict[str, Any] = {}
        for key in ("content", *LISTS, *SECONDS):
            leaves = [said.options[key] for said in self._said if key in said.options]
            if leaves and self._is_good(key, leaves[0]):
                value = leaves[0].value
                found[key] = tuple(value) if key in LISTS else value
                weaker = tuple(leaf.where for leaf in leaves[1:])
                self.values.append(Value(key=key, value=value, where=leaves[0].where, overrides=weaker))
        return found

    def _is_good(self, key: str, leaf: Leaf) -> bool:
        test, wanted = _FORMS[key]
        if not test(leaf.value):
            add = self._faults.add_hiding if key in LISTS else self._faults.append
            add(f"{leaf.where} is {wanted}, not {leaf.value!r}")
            return False
        return True


def _is_seconds(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < value < math.inf


def _is_list_of_texts(value: Any) -> bool:
    return isinstance(value, (list, tuple)) and all(isinstance(v, str) for v in cast("Sequence[Any]", value))


_FORMS: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    "content": (lambda value: isinstance(value, bool), "true or false"),
    **dict.fromkeys(LISTS, (_is_list_of_texts, "a list of distributions")),
    **dict.fromkeys(SECONDS, (_is_seconds, "a number of seconds above 0")),
}
