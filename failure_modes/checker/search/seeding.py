"""Draws that depend on the seed, and on nothing that happens to be imported.

Hypothesis mixes in constants from the source of the modules that are imported and not installed. That helps
a test that draws numbers; a search draws which action comes next, and would go another way once an unrelated
file was edited, or another test ran before it in the same process.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from hypothesis.internal.conjecture import providers

_SOURCE = "_get_local_constants"
_CACHE = "CONSTANTS_CACHE"


@contextmanager
def without_source_constants() -> Iterator[None]:
    """Inside, Hypothesis knows no constants but its own. Versions that look for none are left as they are."""
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
    """What was drawn from before is remembered, by the bounds of the number."""
    getattr(providers, _CACHE).cache.clear()
