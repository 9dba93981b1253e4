"""Searches of a failure mode with several seeds, which share the processes of a pool."""

from collections.abc import Callable
from functools import partial

from failure_modes.checker.campaigns.measurements import SeedResults
from failure_modes.checker.experiment.catalogue import FailureMode
from failure_modes.checker.search import to_completion
from failure_modes.checker.search.drivers import DEFAULT
from failure_modes.checker.search.plans import search_of
from failure_modes.checker.support.process_pool import WorkPool


def search(mode: FailureMode, seeds: int, pool: WorkPool, say: Callable[[str], None]) -> SeedResults:
    """Search the broken system with the seeds from 0 on. Raises KeyboardInterrupt."""
    lengths, examples = [], []
    for seed, found in enumerate(pool.in_order(partial(_searched, mode), range(seeds))):
        say(f"{mode.id} {mode.breaks}: seed {seed}")
        if found is not None:
            lengths.append(found[0])
            examples.append(found[1])
    return SeedResults(
        seeds=seeds,
        found=len(lengths),
        lengths=tuple(sorted(set(lengths))),
        first=min(examples, default=0),
        last=max(examples, default=0),
    )


def _searched(mode: FailureMode, seed: int) -> tuple[int, int] | None:
    """The length of the trace, and the examples to the first finding. Runs in a process of the pool."""
    result = to_completion.search(search_of(mode, seed, broken=True), driver=DEFAULT)
    if result.finding is None:
        return None
    return len(result.actions), result.statistics.examples_to_first or 0
