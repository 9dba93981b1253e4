"""FM_005 lost job: the kata."""

from failure_modes.checker import Bounds, Kata, Scope
from system.policies import HELD, EventKind, Lease, LeasePolicies, Operation, Status, Store


class ClosesOnReceipt:
    """Closes a job when it is leased, as the fault does; it calls nothing of the right policy."""

    def lease(self, store: Store, policies: LeasePolicies, worker: str, lease_ms: int) -> Lease | None:
        """Lease the job, and close it in the same transaction."""
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
                    lease_expires_at=tx.now + lease_ms,
                    operation=Operation.LEASE,
                )
                tx.set_available(job.id, None)
                return Lease(job=job, execution=execution)


KATA = Kata(
    order=20,
    story="Worker B took the job that renews Tomasz's insurance, and crossed it off the list at once, so "
    "that no other worker would take it too. Then B was restarted for an update. No list has the job any "
    "more. Tomasz learned after an accident that he is not insured.",
    in_public="in March 2012 users of Sidekiq on Heroku lost the jobs that were running at each restart: "
    "the workers were killed, and nothing was queued again.",
    address="https://github.com/sidekiq/sidekiq/issues/68",
    question="When is a job done: when a worker has got it, or when its work is in the store? What does "
    "the queue think here?",
    place="Look at the due time that the job has after it was leased: when may it be leased again?",
    requirement="A job that a worker has taken stays in the queue until its work is committed. Until the "
    "lease ends no other worker gets it; after that it is due again.",
    also=((Scope(), Bounds(jobs=1, ticks=2, crashes=2)),),
    policy=ClosesOnReceipt,
)
