"""The explorer tries every schedule within bounds, the shortest first: what it finds is a shortest trace.

It needs the bounds of a proof. It cannot say that a search would find nothing: a search has no bounds. The
seed changes nothing.
"""

from failure_modes.checker.proof.proof import Counts
from failure_modes.checker.proof.proving import Limits, prove
from failure_modes.checker.search.examples import Examples, TimeLimitReached
from failure_modes.checker.search.search_spec import SearchSpec
from failure_modes.checker.support.errors import CallerError


class NoBounds(CallerError):
    """The search has no bounds, so its schedules have no end."""


def drive(search: SearchSpec, examples: Examples) -> None:
    """Explore, and run what was found as one example."""
    explore(search, examples)


def explore(search: SearchSpec, examples: Examples, *, states_max: int | None = None) -> None:
    """Explore, at most so many states. Raises NoBounds, and what `proving.prove` raises."""
    proof, statistics = search.proof, examples.statistics
    if proof is None:
        raise NoBounds("the explorer needs the bounds of a failure mode; take another driver")
    examples.check()

    def report(counts: Counts, depth: int, seconds: float) -> None:
        del depth, seconds
        statistics.explored = counts
        examples.progress(statistics)

    seconds_max = search.seconds_max
    if seconds_max is not None:
        seconds_max -= statistics.stopwatch.seconds
    result = prove(proof, limits=Limits(seconds_max=seconds_max, states_max=states_max), report=report)
    statistics.explored = result.counts
    if result.bound == "interrupted":
        raise KeyboardInterrupt
    if result.bound == "seconds":
        raise TimeLimitReached
    if result.finding is not None:
        statistics.is_minimal = True
        examples.play(result.actions)
