"""A test that needs what is not installed is skipped, and says why; in CI that is an error.

The tests of the folder `tests` use the same hooks.
"""

import os
from collections.abc import Generator
from typing import NoReturn

import pytest

from failure_modes.checker.support.errors import NotInstalled


def not_at_hand(reason: str) -> NoReturn:
    """What a test needs is not there: a skip with its reason in view, and an error in CI."""
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
