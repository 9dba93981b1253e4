"""FM_010 poison job: the kata."""

from failure_modes.checker import Bounds, Kata, Scope, Settings
from system.policies import HELD, EventKind, Lease, LeasePolicies, Operation, Status, Store


class CountsFailuresOnly:
    """Counts as the fault does; it calls nothing of the right policy."""

    def lease(self, store: Store, policies: LeasePolicies, worker: str, lease_ms: int) -> Lease | None:
        """Lease with the same number again, if the lease before this one ran out."""
        while True:
            with store.transaction() as tx:
                job = tx.next_available(retries=policies.budget.has_room(tx))
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
                attempt = last.attempt + 1 if last else 1
                if last and job.available_at == last.lease_expires_at:
                    attempt = last.attempt
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


KATA = Kata(
    order=90,
    story="One picture that Sven uploaded makes the program that shrinks pictures run out of memory, and "
    "the system kills it. The queue counts how often a job has failed, and this job never fails: it is "
    "just never heard of again. So the job is tried for ever, and each time it takes a worker with it. On "
    "Monday there were no workers left.",
    in_public="in April 2022 a job of a Sidekiq user needed too much memory, so the system killed the "
    "process, the job went back to the queue, and this went on until the user stopped it by hand.",
    address="https://github.com/sidekiq/sidekiq/issues/5300",
    question="An attempt ended, and no handler failed. Does it count?",
    place="Look at the number of the attempt that follows a lease that ran out, and at what becomes of a job "
    "whose last attempt ran out.",
    requirement="Each lease of a job is one attempt, also if its worker died. The attempts have the "
    "numbers 1, 2, 3 and so on. When the lease of the last attempt (`attempts_max` of the job) runs out, "
    "the job is buried and not leased. Retries are limited: "
    "`tx.next_available(retries=policies.budget.has_room(tx))`, and `policies.budget.spend(tx, "
    "execution)` in the transaction of each lease after the first of a job.",
    also=((Scope(settings=Settings(attempts_max=1)), Bounds(jobs=1, ticks=1, crashes=1)),),
    policy=CountsFailuresOnly,
)
