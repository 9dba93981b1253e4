"""How long a lease and `status` take, by the number of jobs that wait. An index finds the job to lease.

The databases of one kind stand beside each other, and are leased from in turn: whatever else the machine
does, it does to all of them.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from statistics import median

import psycopg
from attrs import frozen

from system.clock import Stopwatch, SystemClock
from system.postgresql import PostgreSQLStore
from system.queue import Queue
from system.sqlite import SQLiteStore
from system.store import Store
from tests.bench.output import percentile, progress
from tests.bench.places import Places

WAITING = (0, 10_000, 1_000_000)
LOOKS = 5
"""Calls of `status` that a median is of."""

_FILL = (
    "INSERT INTO jobs (payload, attempts_max, enqueued_at, available_at, timed, token)"
    " SELECT CAST(n AS TEXT), 3, {now} - {count} + n, {now} - {count} + n, FALSE,"
    " '0123456789abcdef0123456789abcdef' FROM {numbers}",
    "INSERT INTO audit (at, actor, operation, event, job_id)"
    " SELECT enqueued_at, 'producer', 'enqueue', 'enqueued', id FROM jobs"
    " WHERE enqueued_at > {now} - {count}",
)
"""What as many calls of `enqueue` leave, each a millisecond after the other."""

_COUNTED = "WITH RECURSIVE s (n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM s"


@frozen(kw_only=True)
class Latency:
    """What leases took, in microseconds."""

    database: str
    waiting: int
    fresh: tuple[float, ...]
    """When no job had been worked off."""
    later: tuple[float, ...]
    """After many."""
    status_milliseconds: float
    """The time of the counts of `status`: the median."""


def latencies(
    places: Places, kinds: tuple[str, ...], levels: tuple[int, ...], *, leases: int, worked_off: int
) -> Iterator[Latency]:
    """Measure so many leases of each level, on each kind of database; and again after so many more jobs."""
    for kind in kinds:
        with ExitStack() as stack:
            queues: list[Queue] = []
            targets: list[str] = []
            for waiting in levels:
                progress(f"latency: {waiting:,} jobs into {kind}")
                target = stack.enter_context(places.database(kind))
                store = stack.enter_context(opened(kind, target))
                if waiting:
                    fill(kind, target, waiting + leases)
                targets.append(target)
                queues.append(Queue(store=store))
            progress(f"latency: leases from {kind}")
            fresh = _in_turn(queues, leases)
            for queue, target in zip(queues, targets, strict=True):
                progress(f"latency: working {worked_off:,} jobs off on {kind}")
                fill(kind, target, worked_off)
                work_off(queue, worked_off)
            progress(f"latency: leases from {kind} after that")
            later = _in_turn(queues, leases)
            status = [median_of_status(queue.store) for queue in queues]
        for number, waiting in enumerate(levels):
            yield Latency(
                database=kind,
                waiting=waiting,
                fresh=fresh[number],
                later=later[number],
                status_milliseconds=status[number],
            )


def median_of_status(store: Store) -> float:
    """The time of the counts of `status`, in milliseconds: the median of several."""
    took = []
    for _ in range(LOOKS):
        stopwatch = Stopwatch()
        store.counts()
        took.append(stopwatch.seconds * 1e3)
    return median(took)


def _in_turn(queues: list[Queue], leases: int) -> list[tuple[float, ...]]:
    """Lease from each in turn, and work each job off."""
    took: list[list[float]] = [[] for _ in queues]
    for _ in range(leases):
        for queue, times in zip(queues, took, strict=True):
            times.append(lease_once(queue))
    return [tuple(times) for times in took]


def work_off(queue: Queue, jobs: int) -> None:
    """Lease so many jobs, one after the other, and work each off."""
    for _ in range(jobs):
        lease_once(queue)


def lease_once(queue: Queue) -> float:
    """Lease a job, and work it off. Returns how long the lease took, in microseconds."""
    stopwatch = Stopwatch()
    lease = queue.lease("A")
    took = stopwatch.seconds * 1e6
    if lease is not None:
        queue.start(lease.execution)
        queue.commit(lease.execution, 1)
        queue.finish(lease.execution)
    return took


@contextmanager
def opened(kind: str, target: str) -> Iterator[Store]:
    """A store in a new database of that kind."""
    clock = SystemClock()
    store: SQLiteStore | PostgreSQLStore
    if kind == "SQLite":
        store = SQLiteStore(Path(target), clock=clock, create=True)
    else:
        store = PostgreSQLStore(target, create=True)
    with closing(store):
        yield store


def fill(kind: str, target: str, count: int) -> None:
    """Add so many jobs that wait."""
    now = SystemClock().now()
    if kind == "SQLite":
        with closing(sqlite3.connect(target, isolation_level=None)) as connection:
            numbers = f"({_COUNTED} WHERE n < {count}) SELECT n FROM s)"
            for statement in ("BEGIN", *_FILL, "COMMIT", "PRAGMA wal_checkpoint(TRUNCATE)"):
                connection.execute(statement.format(now=now, count=count, numbers=numbers))
        return
    with psycopg.connect(target, autocommit=True) as connection:
        for statement in (*_FILL, "CHECKPOINT"):
            connection.execute(
                statement.format(now=now, count=count, numbers=f"generate_series(1, {count}) AS s (n)")
            )


def percentiles(values: tuple[float, ...]) -> tuple[float, float]:
    """p50 and p99."""
    return percentile(values, 50), percentile(values, 99)
