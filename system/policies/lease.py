"""Leasing: a job is handed out under a lease, and comes back when that runs out. Protects INV_003, INV_004.

The visibility timeout: a leased job stays in the queue, hidden until its lease ends. Nothing has to be told
that a worker died; the next lease takes the job up again, and aborts what the dead worker left.
"""

from typing import TYPE_CHECKING, ClassVar

from attrs import frozen

from system.store import HELD, Execution, Job, Status, Store, Transaction

if TYPE_CHECKING:
    from system.policies import Policies


@frozen(kw_only=True)
class Lease:
    """A job in a worker's hand, and the execution that holds it."""

    job: Job
    execution: Execution


@frozen
class Leasing:
    """Finds the job and leases it in one transaction, and counts each lease as an attempt."""

    protects: ClassVar[tuple[str, ...]] = ("INV_003", "INV_004")

    def lease(self, store: Store, policies: "Policies", worker: str, lease_ms: int) -> Lease | None:
        """Take the job that has been available longest; None when there is none.

        A job whose lease ran out is available again: its stale execution is aborted in the same transaction.
        """
        with store.transaction() as tx:
            if policies.breaker.is_open(tx):
                return None
            due = self._next_due(tx, policies, worker)
            if due is None:
                return None
            policies.breaker.leased(tx)
            return self._hand_out(tx, *due, worker=worker, lease_ms=lease_ms)

    def _next_due(self, tx: Transaction, policies: "Policies", worker: str) -> tuple[Job, int] | None:
        """The job to hand out, and which attempt it is; others before it are given up or postponed."""
        postponed = 0
        while postponed < policies.budget.batch and (job := tx.next_available()):
            last = tx.last_execution(job.id)
            if last is None:
                return job, 1
            if last.status in HELD:
                tx.move(last, to=Status.ABORTED, event="expired", operation="lease", actor=worker)
                if policies.retry.bury_if_spent(tx, last, operation="lease", actor=worker):
                    continue
            postponed_to = policies.budget.postponed_to(tx)
            if postponed_to is None:
                policies.budget.spend(tx)
                return job, last.attempt + 1
            tx.set_available(job.id, postponed_to)
            tx.record(
                event="postponed", operation="lease", actor=worker, job_id=job.id, reason="retry_budget"
            )
            postponed += 1
        return None

    def _hand_out(self, tx: Transaction, job: Job, attempt: int, *, worker: str, lease_ms: int) -> Lease:
        lease_expires_at = tx.now + lease_ms
        execution = tx.add_execution(
            job_id=job.id,
            attempt=attempt,
            worker=worker,
            lease_expires_at=lease_expires_at,
            operation="lease",
        )
        tx.set_available(job.id, lease_expires_at)
        return Lease(job=job, execution=execution)
