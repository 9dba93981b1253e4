"""What weighs on a queue: many rows to count, an old transaction at the server, a reader that stays.

`status` is measured by the number of jobs, half of them done and half waiting. A lease is measured before and
while another session keeps a transaction open, which holds the vacuum back. The log of SQLite is measured
while another connection reads, which holds the checkpoint back.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from statistics import median

import psycopg
from attrs import frozen

from system.queue import Queue
from tests.bench.latency import fill, lease_once, median_of_status, opened, work_off
from tests.bench.output import progress
from tests.bench.places import Places

SAMPLE = 200
"""Leases that a median is of."""

_DONE = (
    "UPDATE jobs SET available_at = NULL, timed = TRUE WHERE id % 2 = 0",
    "INSERT INTO executions (job_id, attempt, worker, status, lease_expires_at, token)"
    " SELECT id, 1, 'A', 'DONE', available_at, token FROM"
    " (SELECT id, enqueued_at AS available_at, token FROM jobs WHERE id % 2 = 0) AS done",
    "INSERT INTO effects (job_id, execution_id, value) SELECT job_id, id, '1' FROM executions",
)


@frozen(kw_only=True)
class Burden:
    """What was measured, in words, and how much, with its unit."""

    database: str
    what: str
    value: float
    unit: str


def burdens(places: Places, kinds: tuple[str, ...], jobs: int, worked_off: int) -> Iterator[Burden]:
    """Measure each on each kind of database."""
    for kind in kinds:
        progress(f"burdens: {jobs:,} jobs into {kind}")
        with ExitStack() as stack:
            target = stack.enter_context(places.database(kind))
            store = stack.enter_context(opened(kind, target))
            fill(kind, target, jobs)
            _do_half(kind, target)
            took = median_of_status(store)
            counts = store.counts()
            assert counts.pending + counts.succeeded == jobs, "each is counted"
            yield Burden(database=kind, what=f"`status` with {jobs:,} jobs", value=took, unit="ms")
        with ExitStack() as stack:
            target = stack.enter_context(places.database(kind))
            store = stack.enter_context(opened(kind, target))
            fill(kind, target, worked_off + 2 * SAMPLE)
            queue = Queue(store=store)
            yield Burden(database=kind, what="a lease, at first", value=_lease_ms(queue), unit="ms")
            held = f"{worked_off:,} jobs finished"
            progress(f"burdens: {held} on {kind}")
            if kind == "SQLite":
                reader = stack.enter_context(closing(sqlite3.connect(target, isolation_level=None)))
                reader.execute("BEGIN")
                reader.execute("SELECT count(*) FROM jobs").fetchall()
                work_off(queue, worked_off)
                log = Path(f"{target}-wal").stat().st_size / 2**20
                yield Burden(database=kind, what=f"the log, {held}, a reader open", value=log, unit="MiB")
                what = f"a lease, {held}, a reader open"
            else:
                old = stack.enter_context(psycopg.connect(target))
                old.execute("SELECT pg_current_xact_id()")
                work_off(queue, worked_off)
                what = f"a lease, {held}, an old transaction open"
            yield Burden(database=kind, what=what, value=_lease_ms(queue), unit="ms")


def _lease_ms(queue: Queue) -> float:
    return median([lease_once(queue) for _ in range(SAMPLE)]) / 1e3


def _do_half(kind: str, target: str) -> None:
    connection: sqlite3.Connection | psycopg.Connection
    connection = sqlite3.connect(target) if kind == "SQLite" else psycopg.connect(target)
    with closing(connection):
        for statement in _DONE:
            connection.execute(statement)
        connection.commit()
        if isinstance(connection, psycopg.Connection):
            connection.autocommit = True
            connection.execute("VACUUM ANALYZE")
