"""The drivers of a search, one file each. A driver chooses what an example does next, and nothing else.

`DRIVERS` has their names. A driver is imported when it is used.
"""

from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from failure_modes.checker.search.examples import Examples
    from failure_modes.checker.search.search_spec import SearchSpec

DRIVERS = ("hypothesis", "walk", "explore")
"""`hypothesis` and `walk` draw at random; `explore` tries everything within bounds, the shortest first."""

DEFAULT = "walk"
"""The driver of a search that the explorer does not end. `docs/command_line.md` has what was measured."""

Driver = Callable[["SearchSpec", "Examples"], None]
"""Runs examples until one raises Found, or until the examples of the search are used up."""


def driver_of(name: str) -> Driver:
    """The driver of that name."""
    driver: Driver = import_module(f"{__name__}.{name}").drive
    return driver
