"""Searches of a failure mode with several seeds."""

from collections.abc import Callable

from failure_modes.checker.campaigns.measurements import SeedResults
from failure_modes.checker.experiment.catalogue import FailureMode
from failure_modes.checker.search import to_completion
from failure_modes.checker.search.drivers import DEFAULT
from failure_modes.checker.search.plans import search_of


def search(mode: FailureMode, seeds: int, say: Callable[[str], None]) -> SeedResults:
    """Search the broken system with the seeds from 0 on. Raises KeyboardInterrupt."""
    lengths, examples = [], []
    for seed in range(seeds):
        say(f"{mode.id} {mode.breaks}: seed {seed}")
        result = to_completion.search(search_of(mode, seed, broken=True), driver=DEFAULT)
        if result.finding is not None:
            lengths.append(len(result.actions))
            examples.append(result.statistics.examples_to_first or 0)
    return SeedResults(
        seeds=seeds,
        found=len(lengths),
        lengths=tuple(sorted(set(lengths))),
        first=min(examples, default=0),
        last=max(examples, default=0),
    )
