"""Right and wrong versions of the policy of FM_004, for the tests of its kata; no learner sees them."""

from system.policies import Job, Lease, LeasePolicies, Leasing, Operation, Store, Transaction


class Reference(Leasing):
    """Leases for the time that the queue asks for."""

    def lease(self, store: Store, policies: LeasePolicies, worker: str, lease_ms: int) -> Lease | None:
        """Lease as usual."""
        return super().lease(store, policies, worker, lease_ms)


class Another(Leasing):
    """Writes the lease itself, and leaves the rest to the queue."""

    def _hand_out(self, tx: Transaction, job: Job, attempt: int, *, worker: str, lease_ms: int) -> Lease:
        until = tx.now + min(lease_ms, 60_000)
        execution = tx.add_execution(
            job_id=job.id, attempt=attempt, worker=worker, lease_expires_at=until, operation=Operation.LEASE
        )
        tx.set_available(job.id, until)
        return Lease(job=tx.job(job.id), execution=execution)


class WrongNoTime(Leasing):
    """Leases for no time at all, so that nothing can be stuck."""

    def lease(self, store: Store, policies: LeasePolicies, worker: str, lease_ms: int) -> Lease | None:
        """Lease for 0 ms."""
        del lease_ms
        return super().lease(store, policies, worker, 0)


class WrongHalf(Leasing):
    """Lets the job come back in time, and the execution never end."""

    def _hand_out(self, tx: Transaction, job: Job, attempt: int, *, worker: str, lease_ms: int) -> Lease:
        for_ever = tx.now + 100 * 365 * 24 * 3600 * 1000
        execution = tx.add_execution(
            job_id=job.id,
            attempt=attempt,
            worker=worker,
            lease_expires_at=for_ever,
            operation=Operation.LEASE,
        )
        tx.set_available(job.id, tx.now + lease_ms)
        return Lease(job=job, execution=execution)


class WrongOtherHalf(Leasing):
    """Lets the execution end in time, and the job never come back."""

    def _hand_out(self, tx: Transaction, job: Job, attempt: int, *, worker: str, lease_ms: int) -> Lease:
        lease = super()._hand_out(tx, job, attempt, worker=worker, lease_ms=lease_ms)
        tx.set_available(job.id, tx.now + 100 * 365 * 24 * 3600 * 1000)
        return lease
