"""A long search of the guarded system, in stretches of examples: each has settings of its own, at random.

The settings are part of the scope, so a trace that is found has those under which it was found.
"""

from collections.abc import Callable

from attrs import evolve

from failure_modes.checker.experiment.random_settings import drawn
from failure_modes.checker.experiment.scope import Scope
from failure_modes.checker.search.search import Result, Search, run
from failure_modes.checker.search.statistics import Progress, SearchStatistics

STRETCH = 25
"""Examples under the same settings."""


def stretches(search: Search, given: Callable[[Scope], Scope]) -> tuple[Search, ...]:
    """The searches that the search is divided into. `given` puts in the settings that were asked for."""
    found = []
    for number, first in enumerate(range(0, search.examples, STRETCH)):
        scope = given(drawn(search.scope, search.seed, number)).with_each_tick()
        found.append(
            evolve(
                search,
                scope=scope,
                seed=search.seed + number,
                examples=min(STRETCH, search.examples - first),
            )
        )
    return tuple(found)


def run_in_stretches(
    search: Search,
    given: Callable[[Scope], Scope],
    progress: Progress,
    *,
    driver: str | None = None,
    shrinking: bool = True,
) -> tuple[Result, Scope]:
    """Run one after the other, to the first that finds something. Returns the scope of the last, too."""
    statistics = SearchStatistics()
    for stretch in stretches(search, given):
        result = run(stretch, progress, driver=driver, shrinking=shrinking, statistics=statistics)
        if result.finding is not None or result.stopped_early:
            break
    return result, stretch.scope
