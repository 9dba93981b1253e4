"""Right and wrong versions of the policy of FM_010, for the tests of its kata; no learner sees them."""

from system.policies import (
    HELD,
    EventKind,
    Execution,
    Job,
    Lease,
    LeasePolicies,
    Operation,
    Status,
    Store,
    Transaction,
)


def _abort(tx: Transaction, last: Execution, worker: str) -> None:
    tx.move(last, to=Status.ABORTED, event=EventKind.EXPIRED, operation=Operation.LEASE, actor=worker)


class _Leasing:
    """Leases, and asks `_attempt` for the number of the attempt; None if the job is not leased."""

    def lease(self, store: Store, policies: LeasePolicies, worker: str, lease_ms: int) -> Lease | None:
        """Find a job, ask, and lease; look again if the job was not leased."""
        while True:
            with store.transaction() as tx:
                job = tx.next_available(retries=policies.budget.has_room(tx))
                if job is None:
                    return None
                attempt = self._attempt(tx, policies, job, worker)
                if attempt is None:
                    continue
                execution = tx.add_execution(
                    job_id=job.id,
                    attempt=attempt,
                    worker=worker,
                    lease_expires_at=tx.now + lease_ms,
                    operation=Operation.LEASE,
                )
                tx.set_available(job.id, tx.now + lease_ms)
                if attempt > 1:
                    policies.budget.spend(tx, execution)
                return Lease(job=job, execution=execution)

    def _attempt(self, tx: Transaction, policies: LeasePolicies, job: Job, worker: str) -> int | None:
        """Count each lease."""
        last = tx.last_execution(job.id)
        if last is None:
            return 1
        if last.status in HELD:
            _abort(tx, last, worker)
            if policies.retry.bury_if_spent(tx, last, operation=Operation.LEASE, actor=worker):
                return None
        return last.attempt + 1


class Reference(_Leasing):
    """Counts each lease, as the queue does."""


class Another(_Leasing):
    """Counts by itself, and asks for the attempts before it gives a number."""

    def _attempt(self, tx: Transaction, policies: LeasePolicies, job: Job, worker: str) -> int | None:
        last = tx.last_execution(job.id)
        if last is None:
            return 1
        if last.status in HELD:
            _abort(tx, last, worker)
        buried = policies.retry.bury_if_spent(tx, last, operation=Operation.LEASE, actor=worker)
        return None if buried else last.attempt + 1


class WrongKeepsTheLast(_Leasing):
    """Counts, and never gives the last number, so that the job is never given up."""

    def _attempt(self, tx: Transaction, policies: LeasePolicies, job: Job, worker: str) -> int | None:
        del policies
        last = tx.last_execution(job.id)
        if last is not None and last.status in HELD:
            _abort(tx, last, worker)
        return min(last.attempt + 1, job.attempts_max - 1) if last else 1


class WrongClosesOnly(_Leasing):
    """Gives the job up in silence."""

    def _attempt(self, tx: Transaction, policies: LeasePolicies, job: Job, worker: str) -> int | None:
        del policies
        last = tx.last_execution(job.id)
        if last is not None and last.status in HELD:
            _abort(tx, last, worker)
        if last is not None and last.attempt >= job.attempts_max:
            tx.set_available(job.id, None)
            return None
        return last.attempt + 1 if last else 1


class WrongSameWorker(_Leasing):
    """Counts an attempt only if another worker makes it."""

    def _attempt(self, tx: Transaction, policies: LeasePolicies, job: Job, worker: str) -> int | None:
        last = tx.last_execution(job.id)
        if last is None:
            return 1
        if last.status in HELD:
            _abort(tx, last, worker)
            if policies.retry.bury_if_spent(tx, last, operation=Operation.LEASE, actor=worker):
                return None
        return last.attempt if last.worker == worker else last.attempt + 1
