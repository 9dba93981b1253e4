"""Hypothesis drives the search: it runs the `QueueMachine` of our queue, and draws its rules.

Hypothesis never runs the same example twice, and prefers none. Its shrink and explain phases are off:
`minimise.py` makes the trace shorter, and knows more of actions.

The draws depend on the seed alone. Hypothesis also draws constants from the source of imported modules. That
helps a test that draws numbers. A search draws actions: with these constants the same seed would give another
search after an unrelated file was edited or imported.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any, cast

from hypothesis import HealthCheck, Phase, Verbosity, seed, settings
from hypothesis.internal.conjecture import providers
from hypothesis.stateful import run_state_machine_as_test

from failure_modes.checker.search.examples import Examples
from failure_modes.checker.search.machine_run import MachineRun
from failure_modes.checker.search.queue_machine import QueueMachine
from failure_modes.checker.search.search_spec import SearchSpec

_SOURCE = "_get_local_constants"
_CACHE = "CONSTANTS_CACHE"


class _Stopped(BaseException):
    """An example raised an exception. Not an Exception: Hypothesis must not run the example again."""


class _Enough(BaseException):
    """As many examples as wanted were run."""


class SearchMachine(QueueMachine):
    """The machine of a search. Whatever its run raises ends the search."""

    def __init__(self, run: MachineRun, ended_by: list[BaseException]) -> None:
        super().__init__(run)
        self._ended_by = ended_by

    def _judged(self, ask: Callable[[], None]) -> None:
        """Let the run do something."""
        self._ended = True
        with _stopping(self._ended_by):
            ask()
        self._ended = False


def drive(search: SearchSpec, examples: Examples) -> None:
    """Let Hypothesis generate the examples, and no more."""
    ended_by: list[BaseException] = []
    begun = count(1)

    @seed(search.seed)
    def machine() -> SearchMachine:
        with _stopping(ended_by):
            if next(begun) > search.examples:  # Hypothesis does not count an example that drew too much
                raise _Enough
            run = examples.begin()
        return SearchMachine(run, ended_by)

    options = settings(
        max_examples=search.examples,
        stateful_step_count=search.strategy.steps_max(search.scope),
        database=None,
        deadline=None,
        phases=(Phase.generate,),
        suppress_health_check=list(HealthCheck),
        verbosity=Verbosity.quiet,
        print_blob=False,
    )
    with without_source_constants():
        try:
            run_state_machine_as_test(cast("Any", machine), settings=options)  # a function will do
        except BaseException:
            if not ended_by:
                raise
    if ended_by and not isinstance(ended_by[0], _Enough):  # whatever Hypothesis says of such an end
        raise ended_by[0]


@contextmanager
def _stopping(ended_by: list[BaseException]) -> Iterator[None]:
    """Inside, an exception of any kind is noted, and stops the search."""
    try:
        yield
    except BaseException as error:
        ended_by.append(error)
        raise _Stopped from error


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
