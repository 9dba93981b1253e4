"""Draws that depend on the seed alone.

Hypothesis also draws constants from the source of imported modules. That helps a test that draws numbers. A
search draws actions: with these constants the same seed would give another search after an unrelated file was
edited or imported.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from hypothesis.internal.conjecture import providers

_SOURCE = "_get_local_constants"
_CACHE = "CONSTANTS_CACHE"


@contextmanager
def without_source_constants() -> Iterator[None]:
    """In this block Hypothesis uses only its own constants. Versions without this feature do not change."""
    known = getattr(providers, _SOURCE, None)
    if known is None:
        yield
        return
    nothing = type(known())()
    _forget()
    setattr(providers, _SOURCE, lambda: nothing)
    try:
        yield
    finally:
        setattr(providers, _SOURCE, known)
        _forget()


def _forget() -> None:
    """Clear the cache of constants that Hypothesis keeps for each range of numbers."""
    getattr(providers, _CACHE).cache.clear()
