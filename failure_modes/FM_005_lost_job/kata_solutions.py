"""Right and wrong versions of the policy of FM_005, for the tests of its kata; no learner sees them."""

from system.policies import Job, Lease, Leasing, Operation, Transaction


class Reference(Leasing):
    """Leaves the job in the queue."""

    def _hand_out(self, tx: Transaction, job: Job, attempt: int, *, worker: str, lease_ms: int) -> Lease:
        return super()._hand_out(tx, job, attempt, worker=worker, lease_ms=lease_ms)


class Another(Leasing):
    """Writes the lease itself."""

    def _hand_out(self, tx: Transaction, job: Job, attempt: int, *, worker: str, lease_ms: int) -> Lease:
        tx.set_available(job.id, tx.now + lease_ms)
        execution = tx.add_execution(
            job_id=job.id,
            attempt=attempt,
            worker=worker,
            lease_expires_at=tx.now + lease_ms,
            operation=Operation.LEASE,
        )
        return Lease(job=job, execution=execution)


class WrongStillDue(Leasing):
    """Leaves the job due, so that it cannot be lost."""

    def _hand_out(self, tx: Transaction, job: Job, attempt: int, *, worker: str, lease_ms: int) -> Lease:
        lease = super()._hand_out(tx, job, attempt, worker=worker, lease_ms=lease_ms)
        tx.set_available(job.id, tx.now)
        return lease


class WrongSecondTime(Leasing):
    """Acknowledges on receipt from the second attempt on."""

    def _hand_out(self, tx: Transaction, job: Job, attempt: int, *, worker: str, lease_ms: int) -> Lease:
        lease = super()._hand_out(tx, job, attempt, worker=worker, lease_ms=lease_ms)
        if attempt > 1:
            tx.set_available(job.id, None)
        return lease


class WrongTooEarly(Leasing):
    """Lets the job come back before the lease has ended."""

    def _hand_out(self, tx: Transaction, job: Job, attempt: int, *, worker: str, lease_ms: int) -> Lease:
        lease = super()._hand_out(tx, job, attempt, worker=worker, lease_ms=2 * lease_ms)
        tx.set_available(job.id, tx.now + lease_ms)
        return lease
