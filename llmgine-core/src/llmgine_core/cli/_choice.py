"""What the configuration of this folder makes of what is installed."""

from __future__ import annotations

import attrs

from llmgine_core._discovery import PluginEntry, installed, normalized
from llmgine_core._permission import check_allowed
from llmgine_core.cli._output import complain
from llmgine_core.config import Config, Selection, Value
from llmgine_core.config._load import survey_config
from llmgine_core.errors import PluginLoadError

__all__ = ["Choice", "complain_of_faults", "origin", "read_choice", "rivals", "shown_selection"]


@attrs.frozen
class Choice:
    """What is selected, as far as the configuration can be read.

    Attributes:
        config: the configuration; None if not even a bus can be made out.
        faults: what is wrong with it.
        is_safe: whether what is selected may be imported: no fault may hide that some of it is denied.
    """

    config: Config | None
    faults: tuple[str, ...]
    is_safe: bool = True

    def of_kind(self, kind: str) -> tuple[Selection, ...]:
        """What is selected of a kind."""
        return tuple(s for s in self.all() if s.kind == kind)

    def all(self) -> tuple[Selection, ...]:
        """Everything that is selected, in the order in which an application is put together."""
        return self.config.selections() if self.config else ()

    def meaning(self, entry: PluginEntry) -> tuple[Selection, ...]:
        """The selections that mean an entry, be it alone or besides others of its name."""
        return tuple(s for s in self.of_kind(entry.kind) if _means(s.use, entry))

    def value(self, key: str) -> Value | None:
        """A value of the configuration, by its key."""
        values = self.config.values if self.config else ()
        return next((value for value in values if value.key == key), None)

    def is_ambiguous(self, entry: PluginEntry) -> bool:
        """Whether it is selected by a name that others offer too."""
        return bool(rivals(entry)) and any(not {"@", ":"} & set(s.use) for s in self.meaning(entry))

    def refusal(self, entry: PluginEntry) -> str:
        """Why it may not be imported, if `allow` or `deny` forbid it; else nothing."""
        if self.config is None:
            return ""
        try:
            check_allowed(entry, self.config)
        except PluginLoadError as error:
            return error.what
        return ""


def read_choice(file: str | None = None) -> Choice:
    """Read the configuration of this folder, whatever state it is in."""
    try:
        survey = survey_config({}, file=file)
    except Exception as error:  # who asks what is wrong must be answered, whatever that is
        return Choice(None, (f"the configuration cannot be read: {type(error).__name__}: {error}",))
    return Choice(survey.config, survey.faults, survey.is_safe)


def complain_of_faults(choice: Choice) -> None:
    """Say on standard error that the configuration has faults, if it has."""
    if choice.faults:
        many = "a fault" if len(choice.faults) == 1 else f"{len(choice.faults)} faults"
        complain(f"config: the configuration has {many}; see `llmgine config show`")


def rivals(entry: PluginEntry) -> tuple[PluginEntry, ...]:
    """What other distributions offer by the same kind and name."""
    return tuple(e for e in installed(entry.kind) if e.name == entry.name and e != entry)


def origin(choice: Choice, selection: Selection) -> tuple[str, tuple[str, ...]]:
    """Where a selection was said, and where weaker sources said another in vain."""
    value = choice.value(f"llm.{selection.name}" if selection.kind == "llm" else selection.kind)
    return (value.where, value.overrides) if value else (selection.source, ())


def shown_selection(selection: Selection) -> str:
    """A selection in words: what is used, and under which name."""
    named = selection.use.partition("@")[0] == selection.name
    return selection.use if named else f"{selection.use} as {selection.name!r}"


def _means(use: str, entry: PluginEntry) -> bool:
    if ":" in use:
        return use.removesuffix(":") == entry.target
    name, _, distribution = use.partition("@")
    return name == entry.name and normalized(distribution) in ("", normalized(entry.distribution))
