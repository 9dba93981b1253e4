"""FM_018 unlocked read: the fault, and the strategy that finds it."""

from typing import Any

from attrs import evolve

from failure_modes.checker import (
    Bounds,
    Expected,
    FailureMode,
    Granularity,
    Queue,
    Scope,
    StoreKind,
    Strategy,
)
from system.policies import (
    HELD,
    EventKind,
    Job,
    Lease,
    LeasePolicies,
    Leasing,
    Operation,
    Status,
    Store,
)

READ = "SELECT available_at, id FROM jobs WHERE available_at IS NOT NULL ORDER BY available_at, id LIMIT 1"
COLUMNS = "id", "key", "payload", "attempts_max", "enqueued_at", "available_at", "timed", "token"
LOCK = f"SELECT {', '.join(COLUMNS)} FROM jobs WHERE id = ? FOR UPDATE"
"""The lock comes too late. It is the usual one; the queue takes a weaker one, for which no INSERT waits."""


class ReadsWithoutLocking(Leasing):
    """Leases in one transaction, but reads the job with a plain SELECT, which takes and respects no lock.

    It locks the job when it has leased it. If it buries a job, it returns without a job; the next call
    looks for the next one.
    """

    def lease(self, store: Store, policies: LeasePolicies, worker: str, lease_ms: int) -> Lease | None:
        """Read the candidate, then lease it, in one transaction."""
        with store.transaction() as tx:
            transaction: Any = tx
            open_jobs = transaction._rows(READ)  # noqa: SLF001 (no method of it reads without a lock)
            if not open_jobs:
                return None
            [(available_at, job_id)] = open_jobs
            last = tx.last_execution(job_id)
            if available_at > tx.now:
                return None
            if last and last.status in HELD:
                tx.move(
                    last, to=Status.ABORTED, event=EventKind.EXPIRED, operation=Operation.LEASE, actor=worker
                )
                if policies.retry.bury_if_spent(tx, last, operation=Operation.LEASE, actor=worker):
                    return None
            execution = tx.add_execution(
                job_id=job_id,
                attempt=last.attempt + 1 if last else 1,
                worker=worker,
                lease_expires_at=tx.now + lease_ms,
                operation=Operation.LEASE,
            )
            tx.set_available(job_id, tx.now + lease_ms)
            [row] = transaction._rows(LOCK, job_id)  # noqa: SLF001 (its own lock is weaker)
            values = dict(zip(COLUMNS, row, strict=True))
            return Lease(job=Job(payload_json=values.pop("payload"), **values), execution=execution)


def reading_without_a_lock(queue: Queue) -> Queue:
    """The queue whose lease does not lock the rows that it reads. Nothing else changes."""
    return evolve(queue, policies=evolve(queue.policies, lease=ReadsWithoutLocking()))


FAILURE_MODE = FailureMode(
    title="unlocked read",
    breaks="INV_003",
    trigger="two workers look for a job at the same time, in transactions that do not lock the job",
    policy="lease",
    fault=reading_without_a_lock,
    scope=Scope(granularity=Granularity.STATEMENT, store=StoreKind.POSTGRESQL, constraints=False),
    strategy=Strategy(
        weights=(("Step", 6), ("Enqueue", 1)),
        steps=12,
    ),
    bounds=Bounds(jobs=1),
    expected=Expected(shortest=21, states=290, must_reach=("a lease passed over a job",), examples=100),
    not_on={StoreKind.SQLITE: "a transaction excludes every other one from its first statement on"},
)
