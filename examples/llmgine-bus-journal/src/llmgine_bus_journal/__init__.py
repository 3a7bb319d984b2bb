"""A message bus that writes every event to a journal before it is delivered."""

from llmgine_bus_journal.bus import JournalBus
from llmgine_bus_journal.journal import Journal, read_journal

__all__ = ["Journal", "JournalBus", "read_journal"]
