"""Which tests are slow, and which are skipped because something is not installed; in CI that is an error.

The tests of the folder `tests` are skipped by the same hooks.
"""

import os
from collections.abc import Generator
from typing import NoReturn

import pytest

from failure_modes.checker.support.errors import NotInstalled
from failure_modes.checker.testing import SEEDS_EACH_TIME


@pytest.hookimpl(tryfirst=True)  # before pytest leaves out the tests that are not asked for
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark as slow the tests that repeat a search with one more seed."""
    for item in items:
        if isinstance(item, pytest.Function) and hasattr(item, "callspec"):
            seed = item.callspec.params.get("seed")
            if isinstance(seed, int) and seed >= SEEDS_EACH_TIME and "failure_modes" in item.path.parts:
                item.add_marker(pytest.mark.slow)


def not_at_hand(reason: str) -> NoReturn:
    """Skip a test with this reason; in CI fail."""
    if os.environ.get("CI"):
        pytest.fail(f"in CI this must not be missing: {reason}", pytrace=False)
    pytest.skip(reason)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup() -> Generator[None, None, None]:
    """Skip a test whose fixtures need what is not installed."""
    try:
        return (yield)
    except NotInstalled as error:
        not_at_hand(str(error))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call() -> Generator[None, None, None]:
    """Skip a test that needs what is not installed."""
    try:
        return (yield)
    except NotInstalled as error:
        not_at_hand(str(error))
