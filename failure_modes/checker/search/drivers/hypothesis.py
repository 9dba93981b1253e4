"""Hypothesis draws the examples. It never runs the same example twice, and prefers none.

Its shrink and explain phases are off: `minimise.py` makes the trace shorter, and knows more of actions.

The draws depend on the seed alone. Hypothesis also draws constants from the source of imported modules. That
helps a test that draws numbers. A search draws actions: with these constants the same seed would give another
search after an unrelated file was edited or imported.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from hypothesis import HealthCheck, Phase, Verbosity, given, seed, settings
from hypothesis.errors import StopTest
from hypothesis.internal.conjecture import providers
from hypothesis.strategies import DataObject, data, sampled_from

from failure_modes.checker.search.examples import Draw, Examples
from failure_modes.checker.search.search_spec import SearchSpec

_SOURCE = "_get_local_constants"
_CACHE = "CONSTANTS_CACHE"


class _Stopped(BaseException):
    """An example raised an exception. Not an Exception: Hypothesis must not run the example again."""


def drive(search: SearchSpec, examples: Examples) -> None:
    """Let Hypothesis generate the examples, and no more."""
    ended_by: list[BaseException] = []

    @seed(search.seed)
    @settings(
        max_examples=search.examples,
        database=None,
        deadline=None,
        phases=(Phase.generate,),
        suppress_health_check=list(HealthCheck),
        verbosity=Verbosity.quiet,
        print_blob=False,
    )
    @given(data())
    def example(drawn: DataObject) -> None:
        def choose(draws: tuple[Draw, ...]) -> Draw:
            return drawn.draw(sampled_from(draws))

        try:
            examples.run(choose)
        except StopTest:  # the example drew more than Hypothesis allows
            raise
        except BaseException as error:
            ended_by.append(error)
            raise _Stopped from error

    with without_source_constants():
        try:
            example()
        except BaseException:
            if not ended_by:
                raise
    if ended_by:  # whatever Hypothesis says of an example that ended so
        raise ended_by[0]


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
