"""A long search of the guarded system, in stretches of examples that processes can share.

The stretches are the same for any number of processes, and their results are taken in order; so what is found
and what is counted depends on no process. With random settings each stretch has settings of its own. The
settings are part of the scope, so a trace that is found has those under which it was found.
"""

from collections.abc import Callable
from functools import partial

from attrs import evolve

from failure_modes.checker.experiment.random_settings import drawn
from failure_modes.checker.experiment.scope import Scope
from failure_modes.checker.search.search import Result, Search, run
from failure_modes.checker.search.statistics import Progress, SearchStatistics
from failure_modes.checker.support.process_pool import WorkPool

RANDOM_STRETCH = 25
"""Examples under the same random settings."""

STRETCH = 250
"""Examples of a stretch whose settings are those of all others."""

SHARED_FROM = 500
"""A search of fewer examples is done before other processes have started."""

WithGiven = Callable[[Scope], Scope]
"""Puts the settings that were asked for into a scope whose settings were drawn."""


def stretches(search: Search, given: WithGiven | None) -> tuple[Search, ...]:
    """The searches that the search is divided into. Settings are drawn unless `given` is None."""
    size = STRETCH if given is None else RANDOM_STRETCH
    found = []
    for number, first in enumerate(range(0, search.examples, size)):
        scope = search.scope
        if given is not None:
            scope = given(drawn(scope, search.seed, number)).with_each_tick()
        examples = min(size, search.examples - first)
        found.append(evolve(search, scope=scope, seed=search.seed + number, examples=examples))
    return tuple(found)


def run_in_stretches(
    search: Search,
    given: WithGiven | None,
    progress: Progress,
    *,
    driver: str | None = None,
    shrinking: bool = True,
    pool: WorkPool | None = None,
) -> tuple[Result, Scope]:
    """Run the stretches to the first that finds something. Returns the scope of the last, too.

    With a pool its processes run them, and this process runs the one that finds something again, to shrink.
    """
    statistics, parts = SearchStatistics(), stretches(search, given)
    here = partial(run, progress=progress, driver=driver, shrinking=shrinking, statistics=statistics)
    if pool is None:
        for part in parts:
            result = here(part)
            if result.finding is not None or result.stopped_early:
                break
        return result, part.scope
    part = parts[0]
    try:
        for part, counted in zip(parts, pool.in_order(partial(_counted, driver), parts), strict=True):
            if counted is None:
                return here(part), part.scope
            statistics.absorb(counted)
            progress(statistics)
            if search.seconds_max is not None and statistics.stopwatch.seconds > search.seconds_max:
                statistics.stopped_early = True
                break
    except KeyboardInterrupt:
        statistics.stopped_early = statistics.interrupted = True
    stopped = statistics.stopped_early
    return Result(finding=None, actions=(), statistics=statistics, stopped_early=stopped), part.scope


def _counted(driver: str | None, part: Search) -> SearchStatistics | None:
    """The statistics of the stretch; None if it finds something. Runs in a process of the pool."""
    result = run(part, driver=driver, shrinking=False)
    return result.statistics if result.finding is None else None
