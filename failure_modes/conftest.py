"""Which tests of the failure modes are slow: those that repeat a search with one more seed."""

import pytest

from failure_modes.checker.testing import SEEDS_EACH_TIME


@pytest.hookimpl(tryfirst=True)  # before pytest leaves out the tests that are not asked for
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark them."""
    for item in items:
        if isinstance(item, pytest.Function) and hasattr(item, "callspec"):
            seed = item.callspec.params.get("seed")
            if isinstance(seed, int) and seed >= SEEDS_EACH_TIME and "failure_modes" in item.path.parts:
                item.add_marker(pytest.mark.slow)
