"""Right and wrong versions of the policy of FM_018, for the tests of its kata; no learner sees them."""

from typing import Any

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
    Transaction,
)

READ = "SELECT available_at, id FROM jobs WHERE available_at IS NOT NULL ORDER BY available_at, id LIMIT 1"


def _take(tx: Transaction, policies: LeasePolicies, job: Job, worker: str, lease_ms: int) -> Lease | None:
    last = tx.last_execution(job.id)
    if last and last.status in HELD:
        tx.move(last, to=Status.ABORTED, event=EventKind.EXPIRED, operation=Operation.LEASE, actor=worker)
        if policies.retry.bury_if_spent(tx, last, operation=Operation.LEASE, actor=worker):
            return None
    execution = tx.add_execution(
        job_id=job.id,
        attempt=last.attempt + 1 if last else 1,
        worker=worker,
        lease_expires_at=tx.now + lease_ms,
        operation=Operation.LEASE,
    )
    tx.set_available(job.id, tx.now + lease_ms)
    return Lease(job=job, execution=execution)


class Reference(Leasing):
    """Reads the job by the method that locks it."""

    def lease(self, store: Store, policies: LeasePolicies, worker: str, lease_ms: int) -> Lease | None:
        """Find, end and lease in one transaction."""
        with store.transaction() as tx:
            job = tx.next_available(retries=True)
            return _take(tx, policies, job, worker, lease_ms) if job else None


class Another(Leasing):
    """Locks the row by the statement that reads it, and passes over a row that another one has locked."""

    def lease(self, store: Store, policies: LeasePolicies, worker: str, lease_ms: int) -> Lease | None:
        """Read and lock, then lease."""
        with store.transaction() as tx:
            transaction: Any = tx
            found = transaction._rows(f"{READ} FOR UPDATE SKIP LOCKED")  # noqa: SLF001 (no method says it so)
            if not found or found[0][0] > tx.now:
                return None
            return _take(tx, policies, tx.job(found[0][1]), worker, lease_ms)


class WrongLocksLate(Leasing):
    """Locks the job, and does not look again if it is due."""

    def lease(self, store: Store, policies: LeasePolicies, worker: str, lease_ms: int) -> Lease | None:
        """Read, lock and lease."""
        with store.transaction() as tx:
            transaction: Any = tx
            found = transaction._rows(READ)  # noqa: SLF001 (no method of it reads without a lock)
            if not found or found[0][0] > tx.now:
                return None
            return _take(tx, policies, tx.job(found[0][1]), worker, lease_ms)


class WrongTwoTransactions(Leasing):
    """Locks the job by the right method, in a transaction that ends before it is leased."""

    def lease(self, store: Store, policies: LeasePolicies, worker: str, lease_ms: int) -> Lease | None:
        """Find; then lease."""
        with store.transaction() as tx:
            job = tx.next_available(retries=True)
        if job is None:
            return None
        with store.transaction() as tx:
            return _take(tx, policies, job, worker, lease_ms)


class WrongReadsTwice(Leasing):
    """Reads twice without a lock."""

    def lease(self, store: Store, policies: LeasePolicies, worker: str, lease_ms: int) -> Lease | None:
        """Read, read again, and lease."""
        with store.transaction() as tx:
            transaction: Any = tx
            first = transaction._rows(READ)  # noqa: SLF001 (no method of it reads without a lock)
            found = transaction._rows(READ)  # noqa: SLF001 (no method of it reads without a lock)
            if not found or found != first or found[0][0] > tx.now:
                return None
            return _take(tx, policies, tx.job(found[0][1]), worker, lease_ms)
