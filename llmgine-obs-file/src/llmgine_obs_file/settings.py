"""`FileSettings`: what the file handler can be told."""

from __future__ import annotations

from typing import Literal

import attrs

__all__ = ["FileSettings", "Fsync"]

Fsync = Literal["never", "interval", "always"]


@attrs.frozen(kw_only=True)
class FileSettings:
    """The table `file` of the configuration.

    Attributes:
        path: the file; `~` is the home directory, missing directories are made.
        fsync: when what was written is forced to the disk: `never` leaves it to the system, `interval` does it
            on writing once `fsync_interval` has passed since the last time, `always` after each batch. At the
            end it is done in any case but `never`.
        fsync_interval: seconds.
    """

    path: str = "llmgine-events.jsonl"
    fsync: Fsync = attrs.field(default="interval", validator=attrs.validators.in_(("never", "interval", "always")))
    fsync_interval: float = attrs.field(default=1.0, validator=attrs.validators.ge(0))
