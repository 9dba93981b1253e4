"""Leasing: a worker gets a job for a time, and the job comes back after it. Protects INV_003, INV_004.

The visibility timeout: a leased job stays in the queue, hidden until its lease ends. So the queue need not
notice that a worker died: the next lease takes the job again, and aborts the execution of the dead worker.
"""

from typing import ClassVar, Protocol

from attrs import frozen

from system.audit import EventKind, Operation
from system.policies.breaker import CircuitBreaker
from system.policies.budget import RetryBudget
from system.policies.retry import Retry
from system.store import HELD, Execution, Job, Status, Store, Transaction, UnreadableRow


@frozen(kw_only=True)
class Lease:
    """A job that is leased to a worker, and the execution that holds it."""

    job: Job
    execution: Execution


class LeasePolicies(Protocol):
    """The policies that a lease depends on."""

    @property
    def breaker(self) -> CircuitBreaker:
        """Decides if any job may be leased."""
        ...

    @property
    def budget(self) -> RetryBudget:
        """Decides if a retry may begin."""
        ...

    @property
    def retry(self) -> Retry:
        """Decides if a job has an attempt left."""
        ...


@frozen
class Leasing:
    """Finds the job and leases it in one transaction, and counts each lease as an attempt."""

    protects: ClassVar[tuple[str, ...]] = ("INV_003", "INV_004")

    def lease(self, store: Store, policies: LeasePolicies, worker: str, lease_ms: int) -> Lease | None:
        """Lease the next job; None if no job is due.

        The next job is the retry that has been due longest, else the new job that was enqueued first.
        Retries come first, as the new jobs before them bound their number. A job whose lease ran out is due
        again: its stale execution is aborted in the same transaction. If that was the last attempt, the job
        is buried, and another transaction, which reads the time anew, looks for the next job. A job that
        cannot be read is set aside.
        """
        while True:
            with store.transaction() as tx:
                if policies.breaker.is_open(tx):
                    return None
                try:
                    job = tx.next_available(retries=policies.budget.has_room(tx))
                    if job is None:
                        return None
                    attempt = self._attempt(tx, policies, job, worker)
                except UnreadableRow as bad:
                    tx.give_up_unreadable(bad, operation=Operation.LEASE, actor=worker)
                    continue
                if attempt is not None:
                    return self._leased(tx, policies, job, attempt, worker=worker, lease_ms=lease_ms)

    def _attempt(self, tx: Transaction, policies: LeasePolicies, job: Job, worker: str) -> int | None:
        """The number of the next attempt at the job; None if none was left, and the job is buried."""
        last = tx.last_execution(job.id)
        if last is None:
            return 1
        if last.status in HELD:
            tx.move(last, to=Status.ABORTED, event=EventKind.EXPIRED, operation=Operation.LEASE, actor=worker)
            if policies.retry.bury_if_spent(tx, last, operation=Operation.LEASE, actor=worker):
                return None
        return last.attempt + 1

    def _leased(
        self, tx: Transaction, policies: LeasePolicies, job: Job, attempt: int, *, worker: str, lease_ms: int
    ) -> Lease:
        policies.breaker.leased(tx)
        lease = self._hand_out(tx, job, attempt, worker=worker, lease_ms=lease_ms)
        if attempt > 1:
            policies.budget.spend(tx, lease.execution)
        return lease

    def _hand_out(self, tx: Transaction, job: Job, attempt: int, *, worker: str, lease_ms: int) -> Lease:
        lease_expires_at = tx.now + lease_ms
        execution = tx.add_execution(
            job_id=job.id,
            attempt=attempt,
            worker=worker,
            lease_expires_at=lease_expires_at,
            operation=Operation.LEASE,
        )
        tx.set_available(job.id, lease_expires_at)
        return Lease(job=job, execution=execution)
