"""Right and wrong versions of the policy of FM_005, for the tests of its kata; no learner sees them."""

from collections.abc import Callable

from system.policies import (
    HELD,
    EventKind,
    Lease,
    LeasePolicies,
    Operation,
    Status,
    Store,
    Transaction,
)

Hidden = Callable[[int, int], int | None]
"""How long a job is hidden, in milliseconds, from the number of its attempt and the length of its lease."""


def _lease(
    tx: Transaction, policies: LeasePolicies, worker: str, *, held_ms: int, hidden: Hidden, lease_ms: int
) -> Lease | None:
    """Find, end and lease. The execution holds the job for `held_ms`; a job that is not hidden is closed."""
    job = tx.next_available(retries=True)
    if job is None:
        return None
    last = tx.last_execution(job.id)
    if last and last.status in HELD:
        tx.move(last, to=Status.ABORTED, event=EventKind.EXPIRED, operation=Operation.LEASE, actor=worker)
        if policies.retry.bury_if_spent(tx, last, operation=Operation.LEASE, actor=worker):
            return None
    attempt = last.attempt + 1 if last else 1
    execution = tx.add_execution(
        job_id=job.id,
        attempt=attempt,
        worker=worker,
        lease_expires_at=tx.now + held_ms,
        operation=Operation.LEASE,
    )
    hidden_ms = hidden(attempt, lease_ms)
    tx.set_available(job.id, None if hidden_ms is None else tx.now + hidden_ms)
    return Lease(job=job, execution=execution)


class Reference:
    """Leaves the job in the queue, hidden until its lease ends."""

    def lease(self, store: Store, policies: LeasePolicies, worker: str, lease_ms: int) -> Lease | None:
        """Lease, and hide the job for as long."""
        with store.transaction() as tx:
            return _lease(tx, policies, worker, held_ms=lease_ms, hidden=lambda _, ms: ms, lease_ms=lease_ms)


class Another:
    """Hides the job first, and then writes who has it; it looks again after a job that was buried."""

    def lease(self, store: Store, policies: LeasePolicies, worker: str, lease_ms: int) -> Lease | None:
        """Find, end, hide and lease."""
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
                tx.set_available(job.id, tx.now + lease_ms)
                execution = tx.add_execution(
                    job_id=job.id,
                    attempt=last.attempt + 1 if last else 1,
                    worker=worker,
                    lease_expires_at=tx.now + lease_ms,
                    operation=Operation.LEASE,
                )
                return Lease(job=tx.job(job.id), execution=execution)


class WrongStillDue:
    """Leaves the job due, so that it cannot be lost."""

    def lease(self, store: Store, policies: LeasePolicies, worker: str, lease_ms: int) -> Lease | None:
        """Lease, and hide the job for no time."""
        with store.transaction() as tx:
            return _lease(tx, policies, worker, held_ms=lease_ms, hidden=lambda _, _ms: 0, lease_ms=lease_ms)


class WrongSecondTime:
    """Acknowledges on receipt from the second attempt on."""

    def lease(self, store: Store, policies: LeasePolicies, worker: str, lease_ms: int) -> Lease | None:
        """Lease, and close the job at its second attempt."""
        with store.transaction() as tx:
            return _lease(
                tx,
                policies,
                worker,
                held_ms=lease_ms,
                hidden=lambda attempt, ms: ms if attempt == 1 else None,
                lease_ms=lease_ms,
            )


class WrongTooEarly:
    """Lets the job come back before the lease has ended."""

    def lease(self, store: Store, policies: LeasePolicies, worker: str, lease_ms: int) -> Lease | None:
        """Lease for twice the time, and hide the job for once."""
        with store.transaction() as tx:
            return _lease(
                tx, policies, worker, held_ms=2 * lease_ms, hidden=lambda _, ms: ms, lease_ms=lease_ms
            )
