"""A browser for the tests of pages: the one of the machine, without a window."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from failure_modes.conftest import not_at_hand

if TYPE_CHECKING:
    from playwright.sync_api import Browser

NAMES = ("chromium", "chromium-browser", "google-chrome")


@contextmanager
def browser() -> Iterator["Browser"]:
    """Start a browser. With none the test is skipped, and says why; in CI that is an error."""
    path = next((found for name in NAMES if (found := shutil.which(name))), None)
    if path is None:
        not_at_hand(f"a browser: none of {', '.join(NAMES)} is installed")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError as error:
        not_at_hand(f"playwright cannot be imported ({error})")
    with sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        try:
            yield started
        finally:
            started.close()
