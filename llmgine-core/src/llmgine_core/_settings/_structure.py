"""Read settings into the plugin's class."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from llmgine_core._settings._faults import faults_in, tell, unknown
from llmgine_core._settings._texts import readable
from llmgine_core._settings._types import SCALARS, choices, is_union_of_scalars, noun
from llmgine_core.config import Selection, holds_secrets
from llmgine_core.errors import ConfigError

if TYPE_CHECKING:
    from cattrs import Converter

__all__ = ["refuse_settings", "settings_converter", "structure_settings"]


def settings_converter() -> Converter:
    """The converter that settings are read with; plugins may teach it their own types.

    It takes values as they stand: 2.5 is no whole number, 5 no text, and a misspelt key at any depth a fault.
    """
    from cattrs import Converter

    converter = Converter(forbid_extra_keys=True, use_alias=True)
    for wanted in SCALARS:
        converter.register_structure_hook(wanted, _scalar)
    converter.register_structure_hook_func(is_union_of_scalars, _scalar)
    return converter


def _scalar(value: Any, wanted: Any) -> Any:
    for choice in choices(wanted):
        if isinstance(value, SCALARS[choice][0]) and (not isinstance(value, bool) or choice is bool):
            return float(cast("Any", value)) if choice is float and int not in choices(wanted) else value
    raise TypeError(f"{noun(wanted)} is wanted")  # the fault that is told of it shows the value, if it is no secret


def structure_settings(selection: Selection, settings_class: type[Any], converter: Converter) -> Any:
    """Read an instance's settings into its plugin's class.

    Raises:
        ConfigError: with every fault, each with its source, key and, where a key is misspelt, the nearest.
    """
    given = readable(dict(selection.settings), settings_class)
    try:
        return converter.structure(given, settings_class)
    except Exception as error:  # a group of whatever the class's own validators raise
        faults = [told for fault in faults_in(error, settings_class) for told in tell(selection, fault)]
        # What a validator raised would show the secrets when it is printed as the cause.
        cause = None if holds_secrets(selection.settings) else error
        raise ConfigError(tuple(faults)) from cause


def refuse_settings(selection: Selection) -> None:
    """Refuse every setting, for a plugin that takes none.

    Raises:
        ConfigError: with each that was given, and where.
    """
    if selection.settings:
        raise ConfigError(tuple(unknown(selection, (key,), ()) for key in selection.settings))
