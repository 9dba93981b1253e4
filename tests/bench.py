"""What things cost: `nox -s bench`. Figures for people; nothing is asserted, and no test reads them."""

import statistics
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import click

from failure_modes.checker.catalogue import catalogue
from failure_modes.checker.lockstep import Lockstep
from failure_modes.checker.machine import Search, run
from failure_modes.checker.scope import Granularity, Scope
from model.actions import Enqueue, Step
from system.clock import Stopwatch, SystemClock
from system.queue import Queue
from system.sqlite import SQLiteStore
from system.worker import Worker

WAITING = (1_000, 10_000, 100_000)
LEASES = 300
JOBS = 1_000
RUNS = 300


@click.command()
@click.option("--seeds", default=20, show_default=True, help="Searches a failure mode.")
def main(seeds: int) -> None:
    """Print what a lease, a job, a step and a search cost."""
    leases()
    jobs()
    steps()
    searches(seeds)


def leases() -> None:
    """The cost of a lease does not grow with the jobs that wait: it is found by an index."""
    click.echo("lease, in microseconds (SQLite, WAL, synchronous=FULL, a file in the temporary folder)")
    for waiting in WAITING:
        with _queue() as queue:
            _fill(queue, waiting)
            took = [_microseconds(partial(queue.lease, "A")) for _ in range(LEASES)]
        p50, p99 = statistics.median(took), sorted(took)[int(len(took) * 0.99)]
        click.echo(f"  {waiting:>9,} waiting  p50 {p50:>7,.0f}  p99 {p99:>7,.0f}")


def jobs() -> None:
    """Jobs from enqueue to DONE, one process doing all of it."""
    with _queue() as queue:
        stopwatch = Stopwatch()
        for number in range(JOBS):
            queue.enqueue({"number": number})
        enqueued = stopwatch.seconds
        worker = Worker(queue, lambda job, context: context.write(job.id), name="A", clock=SystemClock())
        while worker.run_once():
            pass
        worked = stopwatch.seconds - enqueued
    click.echo(f"enqueue {JOBS / enqueued:,.0f} jobs/s; lease to DONE {JOBS / worked:,.0f} jobs/s (1 worker)")


def steps() -> None:
    """The cost of the lock-step: one job from enqueue to DONE, with the model and the invariants."""
    for granularity in Granularity:
        taken = 0
        stopwatch = Stopwatch()
        for _ in range(RUNS):
            with Lockstep(Scope(granularity=granularity)) as lockstep:
                lockstep.apply(Enqueue(key="k1"))
                while lockstep.possible(Step(worker="producer")):
                    lockstep.apply(Step(worker="producer"))
                for _ in range(5):
                    lockstep.apply(Step(worker="A"))
                taken += len(lockstep.actions)
        each = 1e6 * stopwatch.seconds / taken
        click.echo(
            f"lock-step at granularity {granularity}: {each:,.0f} microseconds a step, set-up included"
        )


def searches(seeds: int) -> None:
    """How long it takes to find a failure mode and shrink it."""
    for mode in catalogue():
        first, total, lengths = [], [], set()
        for seed in range(seeds):
            search = Search(
                strategy=mode.strategy, swap=mode.swap, hunted=mode.breaks, seed=seed, examples=5_000
            )
            result = run(search)
            first.append(result.tally.seconds_to_first or 0.0)
            total.append(result.tally.stopwatch.seconds)
            lengths.add(len(result.actions))
        click.echo(
            f"{mode.id} over {seeds} seeds: first violation after {statistics.median(first):.2f} s (median), "
            f"shrunk after {statistics.median(total):.2f} s (median), {max(total):.2f} s (longest); "
            f"lengths {sorted(lengths)}"
        )


@contextmanager
def _queue() -> Iterator[Queue]:
    with tempfile.TemporaryDirectory() as folder:
        store = SQLiteStore(Path(folder, "queue.db"), clock=SystemClock(), create=True)
        try:
            yield Queue(store=store)
        finally:
            store.close()


def _fill(queue: Queue, count: int) -> None:
    """Enqueue in one transaction: only the leases are measured."""
    with queue.store.transaction() as tx:
        for _ in range(count):
            tx.add_job(key=None, payload="null", attempts_max=3)


def _microseconds(operation: Callable[[], object]) -> float:
    stopwatch = Stopwatch()
    operation()
    return stopwatch.seconds * 1e6


if __name__ == "__main__":
    main()
