"""Right and wrong versions of the policy of FM_004, for the tests of its kata; no learner sees them."""

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

FOR_EVER_MS = 100 * 365 * 24 * 3600 * 1000


def _take(tx: Transaction, job: Job, worker: str, *, held_ms: int, hidden_ms: int) -> Lease:
    """Write the lease. The execution ends after `held_ms`, and the job comes back after `hidden_ms`."""
    last = tx.last_execution(job.id)
    execution = tx.add_execution(
        job_id=job.id,
        attempt=last.attempt + 1 if last else 1,
        worker=worker,
        lease_expires_at=tx.now + held_ms,
        operation=Operation.LEASE,
    )
    tx.set_available(job.id, tx.now + hidden_ms)
    return Lease(job=job, execution=execution)


def _next(tx: Transaction, policies: LeasePolicies, worker: str) -> Job | None:
    """The next job, after the execution of its dead worker was ended; None if there is none to lease."""
    while (job := tx.next_available(retries=True)) is not None:
        last = tx.last_execution(job.id)
        if last is None or last.status not in HELD:
            return job
        tx.move(last, to=Status.ABORTED, event=EventKind.EXPIRED, operation=Operation.LEASE, actor=worker)
        if not policies.retry.bury_if_spent(tx, last, operation=Operation.LEASE, actor=worker):
            return job
    return None


class Reference:
    """Leases for the time that the queue asks for."""

    def lease(self, store: Store, policies: LeasePolicies, worker: str, lease_ms: int) -> Lease | None:
        """Find, end and lease in one transaction."""
        with store.transaction() as tx:
            job = _next(tx, policies, worker)
            return _take(tx, job, worker, held_ms=lease_ms, hidden_ms=lease_ms) if job else None


class Another(Leasing):
    """Leases for a minute at most, and looks in a transaction of its own if there is a job at all."""

    def lease(self, store: Store, policies: LeasePolicies, worker: str, lease_ms: int) -> Lease | None:
        """Look; then find, end and lease."""
        with store.transaction() as tx:
            if tx.next_available(retries=True) is None:
                return None
        with store.transaction() as tx:
            job = _next(tx, policies, worker)
            least_ms = min(lease_ms, 60_000)
            return _take(tx, job, worker, held_ms=least_ms, hidden_ms=least_ms) if job else None


class WrongNoTime:
    """Leases for no time at all, so that nothing can be stuck."""

    def lease(self, store: Store, policies: LeasePolicies, worker: str, lease_ms: int) -> Lease | None:
        """Lease for 0 ms."""
        del lease_ms
        with store.transaction() as tx:
            job = _next(tx, policies, worker)
            return _take(tx, job, worker, held_ms=0, hidden_ms=0) if job else None


class WrongHalf:
    """Lets the job come back in time, and the execution never end."""

    def lease(self, store: Store, policies: LeasePolicies, worker: str, lease_ms: int) -> Lease | None:
        """Lease the execution for ever."""
        with store.transaction() as tx:
            job = _next(tx, policies, worker)
            return _take(tx, job, worker, held_ms=FOR_EVER_MS, hidden_ms=lease_ms) if job else None


class WrongOtherHalf:
    """Lets the execution end in time, and the job never come back."""

    def lease(self, store: Store, policies: LeasePolicies, worker: str, lease_ms: int) -> Lease | None:
        """Hide the job for ever."""
        with store.transaction() as tx:
            job = _next(tx, policies, worker)
            return _take(tx, job, worker, held_ms=lease_ms, hidden_ms=FOR_EVER_MS) if job else None


class WrongConstant:
    """Leases for 30 s, whatever `lease_ms` says."""

    def lease(self, store: Store, policies: LeasePolicies, worker: str, lease_ms: int) -> Lease | None:
        """Lease for a constant."""
        del lease_ms
        with store.transaction() as tx:
            job = _next(tx, policies, worker)
            return _take(tx, job, worker, held_ms=30_000, hidden_ms=30_000) if job else None
