"""Our queue with one of its policies left out, or several.

Each policy has its own way to be absent. A failure mode may show the same fault with a class of its own: no
class is shared, so that a failure mode can be removed, and here nothing changes.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

from attrs import evolve

from system.policies import (
    Accepted,
    CircuitBreaker,
    CommitBoundary,
    EventKind,
    Execution,
    ExternalKeys,
    Fence,
    Idempotency,
    Job,
    Lease,
    Leasing,
    Operation,
    Policies,
    Reason,
    Reconciled,
    Reconciliation,
    Retry,
    RetryBudget,
    Status,
    Store,
    Transaction,
)
from system.queue import Queue


class NoKey(Idempotency):
    """Each enqueue adds a job, also under a key that has one."""

    def accept(
        self, store: Store, *, key: str | None, payload_json: str, attempts_max: int, actor: str
    ) -> Accepted:
        """Add a job without a key."""
        del key
        return super().accept(
            store, key=None, payload_json=payload_json, attempts_max=attempts_max, actor=actor
        )


class NoLease(Leasing):
    """A job that was handed out has left the queue: the end of its lease does not bring it back."""

    def _hand_out(self, tx: Transaction, job: Job, attempt: int, *, worker: str, lease_ms: int) -> Lease:
        lease = super()._hand_out(tx, job, attempt, worker=worker, lease_ms=lease_ms)
        tx.set_available(job.id, None)
        return lease


class NoBoundary(CommitBoundary):
    """Every commit is accepted, and none closes the job."""

    def commit(self, store: Store, fence: Fence, held: Execution, value: str) -> bool:
        """Write the effect and the COMMITTED record, whatever happened meanwhile."""
        del fence
        with store.transaction() as tx:
            execution = tx.execution(held.id)
            tx.add_effect(job_id=execution.job_id, execution_id=execution.id, value=value)
            tx.move(
                execution,
                to=Status.COMMITTED,
                event=EventKind.COMMITTED,
                operation=Operation.COMMIT,
                actor=execution.worker,
            )
            return True


class NoFence(Fence):
    """Every worker may go on, whether it holds the lease or not."""

    def refusal(self, execution: Execution, now: int) -> Reason | None:
        """No reason ever."""
        del execution, now
        return None


class NoEnd(Retry):
    """A job is retried at once and for ever."""

    def backoff_ms(self, attempt: int) -> int:
        """Do not wait."""
        del attempt
        return 0

    def bury_if_spent(self, tx: Transaction, last: Execution, *, operation: Operation, actor: str) -> bool:
        """Never give up."""
        del tx, last, operation, actor
        return False


class NoReconciliation(Reconciliation):
    """What dead workers left behind stays as it is."""

    def run(self, store: Store, retry: Retry, actor: str) -> Reconciled:
        """Do nothing."""
        del store, retry, actor
        return Reconciled(finished=0, aborted=0)


class NoExternalKey(ExternalKeys):
    """Each attempt calls a gateway under a key of its own, so the gateway recognises none."""

    def key(self, lease: Lease) -> str:
        """The key of this attempt alone."""
        return f"attempt-{lease.execution.id}"


_ABSENT: dict[str, Callable[[Policies], Any]] = {
    "idempotency": lambda _: NoKey(),
    "lease": lambda _: NoLease(),
    "commit": lambda _: NoBoundary(),
    "fence": lambda _: NoFence(),
    "retry": lambda policies: NoEnd(attempts_max=policies.retry.attempts_max),
    "budget": lambda _: RetryBudget(),
    "breaker": lambda _: CircuitBreaker(),
    "reconcile": lambda _: NoReconciliation(),
    "external": lambda _: NoExternalKey(),
}
"""For each policy, by its name in `Policies`, the policy that stands in its place."""


def without(names: tuple[str, ...], queue: Queue) -> Queue:
    """The queue with these policies left out, and all else as it was."""
    for name in names:
        queue = evolve(queue, policies=evolve(queue.policies, **{name: _ABSENT[name](queue.policies)}))
    return queue


ABSENT: dict[str, Callable[[Queue], Queue]] = {name: partial(without, (name,)) for name in _ABSENT}
"""For each policy, in the order of `Policies`, the fault that leaves it out alone."""
