"""FM_004 stuck job: the kata."""

from failure_modes.checker import Bounds, Kata, Scope
from system.policies import HELD, EventKind, Lease, LeasePolicies, Operation, Status, Store

FOR_EVER_MS = 100 * 365 * 24 * 3600 * 1000
"""A hundred years."""


class LeasesForEver:
    """Leases a job for ever, as the fault does; it calls nothing of the right policy."""

    def lease(self, store: Store, policies: LeasePolicies, worker: str, lease_ms: int) -> Lease | None:
        """Lease for a hundred years."""
        del lease_ms
        while True:
            with store.transaction() as tx:
                job = tx.next_available(retries=True)
                if job is None:
                    return None
                last = tx.last_execution(job.id)
                if last and last.status in HELD:
                    tx.move(
                        last,
                        to=Status.ABORTED,
                        event=EventKind.EXPIRED,
                        operation=Operation.LEASE,
                        actor=worker,
                    )
                    if policies.retry.bury_if_spent(tx, last, operation=Operation.LEASE, actor=worker):
                        continue
                execution = tx.add_execution(
                    job_id=job.id,
                    attempt=last.attempt + 1 if last else 1,
                    worker=worker,
                    lease_expires_at=tx.now + FOR_EVER_MS,
                    operation=Operation.LEASE,
                )
                tx.set_available(job.id, tx.now + FOR_EVER_MS)
                return Lease(job=job, execution=execution)


KATA = Kata(
    order=10,
    story="The machine that ran worker A lost its power at noon, while A sent out the salary of Mei. A had "
    "the job, and nobody else may take a job that a worker has. At the end of the month Mei still has no "
    "salary, and the queue still says that her job is being done.",
    in_public="in September 2014 queries of Redash stopped running until somebody removed their locks by "
    "hand, because the locks had no end; then each lock got one.",
    address="https://github.com/getredash/redash/pull/281",
    question="A worker died, and cannot say so. How does the queue learn that its job is free again?",
    place="Look at the times that are written when a worker gets a job: when are they over?",
    requirement="A worker holds a job for `lease_ms` at most, unless it extends the lease. After that time "
    "the job may be leased again, and the execution of the worker that had it is ABORTED in the same "
    "transaction, with the event EXPIRED. If it was the last attempt, the job is buried instead "
    "(`policies.retry.bury_if_spent`).",
    also=((Scope(), Bounds(jobs=1, ticks=2, crashes=1)),),
    policy=LeasesForEver,
)
