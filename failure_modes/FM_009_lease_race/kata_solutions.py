"""Right and wrong versions of the policy of FM_009, for the tests of its kata; no learner sees them."""

from system.policies import (
    HELD,
    EventKind,
    Execution,
    Job,
    Lease,
    LeasePolicies,
    Leasing,
    Operation,
    Status,
    Store,
    Transaction,
)


def _abort(tx: Transaction, last: Execution, worker: str) -> None:
    tx.move(last, to=Status.ABORTED, event=EventKind.EXPIRED, operation=Operation.LEASE, actor=worker)


def _take(tx: Transaction, job: Job, last: Execution | None, worker: str, lease_ms: int) -> Lease:
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
    """Reads and leases in one transaction."""

    def lease(self, store: Store, policies: LeasePolicies, worker: str, lease_ms: int) -> Lease | None:
        """Find, end and lease; look again if the job was buried."""
        while True:
            with store.transaction() as tx:
                job = tx.next_available(retries=True)
                if job is None:
                    return None
                last = tx.last_execution(job.id)
                if last and last.status in HELD:
                    _abort(tx, last, worker)
                    if policies.retry.bury_if_spent(tx, last, operation=Operation.LEASE, actor=worker):
                        continue
                return _take(tx, job, last, worker, lease_ms)


class Another(Leasing):
    """Looks in one transaction if there is a job; reads all of it again in the one that leases."""

    def lease(self, store: Store, policies: LeasePolicies, worker: str, lease_ms: int) -> Lease | None:
        """Look; then find, end and lease."""
        with store.transaction() as tx:
            if tx.next_available(retries=True) is None:
                return None
        with store.transaction() as tx:
            job = tx.next_available(retries=True)
            if job is None:
                return None
            last = tx.last_execution(job.id)
            if last and last.status in HELD:
                _abort(tx, last, worker)
                if policies.retry.bury_if_spent(tx, last, operation=Operation.LEASE, actor=worker):
                    return None
            return _take(tx, job, last, worker, lease_ms)


class Written:
    """The policy written from its requirement."""

    def lease(self, store: Store, policies: LeasePolicies, worker: str, lease_ms: int) -> Lease | None:
        """Ask the limits, find, end and lease; look again if the job was buried."""
        while True:
            with store.transaction() as tx:
                if policies.breaker.is_open(tx):
                    return None
                job = tx.next_available(retries=policies.budget.has_room(tx))
                if job is None:
                    return None
                last = tx.last_execution(job.id)
                if last and last.status in HELD:
                    _abort(tx, last, worker)
                    if policies.retry.bury_if_spent(tx, last, operation=Operation.LEASE, actor=worker):
                        continue
                lease = _take(tx, job, last, worker, lease_ms)
                policies.breaker.leased(tx)
                if last:
                    policies.budget.spend(tx, lease.execution)
                return lease


class WrongSameJobAgain(Leasing):
    """Looks again if the job is due, and not at its last execution."""

    def lease(self, store: Store, policies: LeasePolicies, worker: str, lease_ms: int) -> Lease | None:
        """Read both; then read the due time again."""
        with store.transaction() as tx:
            job = tx.next_available(retries=True)
            last = tx.last_execution(job.id) if job else None
        if job is None:
            return None
        with store.transaction() as tx:
            due = tx.job(job.id).available_at
            if due is None or due > tx.now:
                return None
            if last and last.status in HELD:
                _abort(tx, last, worker)
                if policies.retry.bury_if_spent(tx, last, operation=Operation.LEASE, actor=worker):
                    return None
            return _take(tx, job, last, worker, lease_ms)


class WrongLeavesTheOld(Leasing):
    """Reads and leases in one transaction, and does not end the execution of a dead worker."""

    def lease(self, store: Store, policies: LeasePolicies, worker: str, lease_ms: int) -> Lease | None:
        """Find and lease."""
        del policies
        with store.transaction() as tx:
            job = tx.next_available(retries=True)
            return _take(tx, job, tx.last_execution(job.id), worker, lease_ms) if job else None


class WrongMarksFirst(Leasing):
    """Hides the job in one transaction, and writes who has it in the next."""

    def lease(self, store: Store, policies: LeasePolicies, worker: str, lease_ms: int) -> Lease | None:
        """Hide; then lease."""
        del policies
        with store.transaction() as tx:
            job = tx.next_available(retries=True)
            if job is None:
                return None
            tx.set_available(job.id, None)
        with store.transaction() as tx:
            return _take(tx, job, tx.last_execution(job.id), worker, lease_ms)
