"""What every test shares."""

import pytest


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    """Every async test runs on both event loops; a missing trio fails instead of passing silently."""
    return str(request.param)
