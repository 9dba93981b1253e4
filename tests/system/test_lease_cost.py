"""A lease on SQLite costs as much however many jobs there are of each kind: counted in steps."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from system.clock import ManualClock
from system.policies import Policies, RetryBudget
from system.queue import Queue
from system.sqlite import SQLiteStore, connecting
from tests.system.files import run
from tests.system.test_queue import leased

NOW = 1_000_000
KINDS = {
    "that are done": "NULL, TRUE",
    "that are hidden by a lease": f"{NOW + 1} + n, TRUE",
    "that are new": f"{NOW}, FALSE",
    "that were enqueued while the clock was ahead": f"{NOW * 1000}, FALSE",
    "that wait for the budget": f"{NOW} - n, TRUE",
}


def steps(path: Path, kind: str, jobs: int) -> int:
    """The steps of SQLite's machine that a lease of a new job takes beside so many jobs of a kind."""
    connections: list[sqlite3.Connection] = []

    def connect(target: str) -> sqlite3.Connection:
        connections.append(connecting(0)(target))
        return connections[-1]

    policies = Policies(budget=RetryBudget(retries_max=1))
    with closing(SQLiteStore(path, clock=ManualClock(NOW), create=True, connect=connect)) as store:
        queue = Queue(store=store, policies=policies)
        first = queue.enqueue("first").id
        with store.transaction() as tx:
            tx.add_retry(forget_until=0)
        run(
            path,
            "INSERT INTO jobs (payload, attempts_max, enqueued_at, available_at, timed, token)"
            f" WITH RECURSIVE s (n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM s WHERE n < {jobs})"
            f" SELECT '1', 3, 0, {kind}, '' FROM s",
        )
        counted = [0]

        def count() -> int:
            counted[0] += 1
            return 0

        connections[0].set_progress_handler(count, 1)
        assert leased(queue).job.id == first
        connections[0].set_progress_handler(None, 0)
    return counted[0]


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_a_lease_takes_as_many_steps_beside_many_jobs_as_beside_few(path: Path, kind: str) -> None:
    """Also beside retries that are due and for which the budget has no room: it does not look at them."""
    few, many = (steps(path.with_name(f"{jobs}.db"), kind, jobs) for jobs in (3, 3_000))
    assert 0 < many <= few + 20
