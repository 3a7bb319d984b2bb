"""What every test shares."""

import pytest

# By these alone the core is covered: its own tests and the bus's kit.
MEASURED = ("tests/core/", "tests/contracts/test_bus_conformance.py", "tests/integration/test_bus_peers.py")


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    """Every async test runs on both event loops; a missing trio fails instead of passing silently."""
    return str(request.param)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """With `--cov` all other tests run unmeasured: the coverage of the core owes them nothing, and tracing is slow."""
    if config.pluginmanager.hasplugin("_cov"):
        for item in items:
            if not item.nodeid.startswith(MEASURED):
                item.add_marker("no_cover")
