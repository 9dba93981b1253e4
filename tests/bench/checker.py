"""What the checker costs: a step in lock-step, and a search, beside a plain Hypothesis machine."""

from collections.abc import Iterator
from time import process_time

from attrs import frozen

from failure_modes.checker.experiment.catalogue import catalogue
from failure_modes.checker.experiment.scope import Granularity, Scope, StoreKind
from failure_modes.checker.oracle.lockstep import Lockstep
from failure_modes.checker.search.drivers import DEFAULT, DRIVERS
from failure_modes.checker.search.plans import find
from model.actions import Enqueue, Step
from system.clock import Stopwatch
from tests.bench.output import progress
from tests.bench.plain_machine import search_plainly

RUNS = 300
FIRST = f"explore, {DEFAULT}"
DRAWING = (None, *[driver for driver in DRIVERS if driver != "explore"])
"""The drivers that use a seed. If none is named, `walk` goes on where the explorer finds nothing."""
PLAIN = "plain Hypothesis machine"


@frozen(kw_only=True)
class Searched:
    """What the searches for one break cost with one driver, one for each seed, in seconds of CPU time."""

    id: str
    breaks: str
    driver: str
    """`explore, walk` if none was named: the explorer is asked first. Or `PLAIN`."""
    cpu_seconds: tuple[float, ...]
    """From the first example to the shortest trace."""
    found: int
    """How many found the break."""
    shortest: int
    """How many ended at the shortest length."""


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


def searches(seeds: int, plain_seeds: int, breaks_max: int | None) -> Iterator[Searched]:
    """What it costs to find each break of each failure mode on SQLite, with each driver."""
    on_sqlite = [mode for mode in catalogue() if mode.scope.store is StoreKind.SQLITE]
    modes = [one for each in on_sqlite for one in each.each][:breaks_max]
    for driver in (None, *DRIVERS):
        for mode in modes:
            spent, found, shortest = [], 0, 0
            for seed in range(seeds if driver in DRAWING else 1):
                progress(f"checker: {mode.id} {mode.breaks}, {driver or FIRST}, seed {seed + 1} of {seeds}")
                before = process_time()
                result = find(mode, seed, driver=driver)
                spent.append(process_time() - before)
                found += result.finding is not None
                shortest += result.finding is not None and len(result.actions) == mode.expected.shortest
            yield Searched(
                id=mode.id,
                breaks=mode.breaks,
                driver=driver or FIRST,
                cpu_seconds=tuple(spent),
                found=found,
                shortest=shortest,
            )
    for mode in modes if plain_seeds else ():
        progress(f"checker: {mode.id} {mode.breaks}, {PLAIN}")
        results = [search_plainly(mode, seed) for seed in range(plain_seeds)]
        yield Searched(
            id=mode.id,
            breaks=mode.breaks,
            driver=PLAIN,
            cpu_seconds=tuple([result.cpu_seconds for result in results]),
            found=sum(result.length is not None for result in results),
            shortest=sum(result.length == mode.expected.shortest for result in results),
        )
