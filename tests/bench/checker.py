"""What the checker costs: a step in lock-step, and a search."""

from collections.abc import Iterator

from attrs import frozen

from failure_modes.checker.experiment.catalogue import catalogue
from failure_modes.checker.experiment.scope import Granularity, Scope
from failure_modes.checker.oracle.lockstep import Lockstep
from failure_modes.checker.search.search import Search, run
from model.actions import Enqueue, Step
from system.clock import Stopwatch
from tests.bench.output import progress

RUNS = 300


@frozen(kw_only=True)
class Searched:
    """How long searches for one failure mode took, one for each seed."""

    id: str
    first_seconds: tuple[float, ...]
    """Until the first violation."""
    shrunk_seconds: tuple[float, ...]
    """Until its trace was the shortest that was found."""
    lengths: tuple[int, ...]


def step_microseconds(granularity: Granularity) -> float:
    """A step of the lock-step: one job from enqueue to DONE, with model, invariants and set-up."""
    taken = 0
    stopwatch = Stopwatch()
    for _ in range(RUNS):
        with Lockstep(Scope(granularity=granularity)) as lockstep:
            lockstep.apply(Enqueue(key="k1"))
            while lockstep.possible(Step(worker="producer")):
                lockstep.apply(Step(worker="producer"))
            for _ in range(5):
                lockstep.apply(Step(worker="A"))
            taken += len(lockstep.ledger.actions)
    return 1e6 * stopwatch.seconds / taken


def searches(seeds: int) -> Iterator[Searched]:
    """How long it takes to find each failure mode and shrink it."""
    for mode in catalogue():
        first, shrunk, lengths = [], [], set()
        for seed in range(seeds):
            progress(f"checker: {mode.id}, seed {seed + 1} of {seeds}")
            search = Search(
                scope=mode.scope,
                strategy=mode.strategy,
                fault=mode.fault,
                target=mode.target,
                seed=seed,
                examples=5_000,
            )
            result = run(search)
            first.append(result.statistics.seconds_to_first or 0.0)
            shrunk.append(result.statistics.stopwatch.seconds)
            lengths.add(len(result.actions))
        yield Searched(
            id=mode.id,
            first_seconds=tuple(first),
            shrunk_seconds=tuple(shrunk),
            lengths=tuple(sorted(lengths)),
        )
