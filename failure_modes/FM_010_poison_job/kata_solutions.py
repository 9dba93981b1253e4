"""Right and wrong versions of the policy of FM_010, for the tests of its kata; no learner sees them."""

from system.policies import (
    HELD,
    EventKind,
    Execution,
    Job,
    LeasePolicies,
    Leasing,
    Operation,
    Status,
    Transaction,
)


def _abort(tx: Transaction, last: Execution, worker: str) -> None:
    tx.move(last, to=Status.ABORTED, event=EventKind.EXPIRED, operation=Operation.LEASE, actor=worker)


class Reference(Leasing):
    """Counts each lease, as the queue does."""

    def _attempt(self, tx: Transaction, policies: LeasePolicies, job: Job, worker: str) -> int | None:
        return super()._attempt(tx, policies, job, worker)


class Another(Leasing):
    """Counts by itself, and asks for the attempts before it gives a number."""

    def _attempt(self, tx: Transaction, policies: LeasePolicies, job: Job, worker: str) -> int | None:
        last = tx.last_execution(job.id)
        if last is None:
            return 1
        if last.status in HELD:
            _abort(tx, last, worker)
        buried = policies.retry.bury_if_spent(tx, last, operation=Operation.LEASE, actor=worker)
        return None if buried else last.attempt + 1


class WrongKeepsTheLast(Leasing):
    """Counts, and never gives the last number, so that the job is never given up."""

    def _attempt(self, tx: Transaction, policies: LeasePolicies, job: Job, worker: str) -> int | None:
        del policies
        last = tx.last_execution(job.id)
        if last is not None and last.status in HELD:
            _abort(tx, last, worker)
        return min(last.attempt + 1, job.attempts_max - 1) if last else 1


class WrongClosesOnly(Leasing):
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


class WrongSameWorker(Leasing):
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
