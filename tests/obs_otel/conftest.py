"""What the tests of the OpenTelemetry handler share."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True, scope="session")
def no_settings_from_outside() -> Iterator[None]:
    """The SDK reads `OTEL_*` variables; those of the machine that runs the tests are none of their business."""
    with pytest.MonkeyPatch.context() as environment:
        for name in [name for name in os.environ if name.startswith("OTEL_")]:
            environment.delenv(name)
        yield
