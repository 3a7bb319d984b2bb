"""Settings of plugins: from what the configuration says to an instance of the plugin's settings class."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any

import attrs

from llmgine_core.config import Selection
from llmgine_core.errors import ConfigError

if TYPE_CHECKING:
    from cattrs import Converter

__all__ = ["settings_converter", "structure_settings"]


def settings_converter() -> Converter:
    """The converter that settings are read with; plugins may teach it their own types."""
    from cattrs import Converter

    converter = Converter()
    converter.register_structure_hook(bool, _strict_bool)
    return converter


def structure_settings(selection: Selection, settings_class: type[Any], converter: Converter) -> Any:
    """Read an instance's settings into its plugin's class.

    Raises:
        ConfigError: with every fault, each with its source and key.
    """
    from cattrs import transform_error

    given = dict(selection.settings)
    where = f"{selection.source}: {selection.kind} {selection.name!r}"
    known = [field.name for field in attrs.fields(settings_class)]
    strange = [_unknown_setting(where, key, known) for key in given if key not in known]
    if strange:
        raise ConfigError(tuple(strange))
    try:
        return converter.structure(given, settings_class)
    except Exception as error:  # a group of whatever the class's own validators raise
        raise ConfigError(tuple(f"{where}: {fault}" for fault in transform_error(error, path="$"))) from error


def _unknown_setting(where: str, key: str, known: list[str]) -> str:
    near = difflib.get_close_matches(key, known, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    return f"{where}: unknown setting {key!r}{hint}; known: {', '.join(known) or 'none'}"


def _strict_bool(value: Any, _: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"true or false is wanted, not {value!r}")
    return value
