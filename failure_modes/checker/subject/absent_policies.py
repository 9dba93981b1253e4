"""Our queue without one of its policies, or without several.

Here each policy has a class that replaces it. A failure mode may have a class of its own for the same fault:
no class is shared, so removing a failure mode changes nothing here.
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
    """A leased job leaves the queue: the end of its lease does not make it available again."""

    def _hand_out(self, tx: Transaction, job: Job, attempt: int, *, worker: str, lease_ms: int) -> Lease:
        lease = super()._hand_out(tx, job, attempt, worker=worker, lease_ms=lease_ms)
        tx.set_available(job.id, None)
        return lease


class NoBoundary(CommitBoundary):
    """Each commit is accepted, and none closes the job."""

    def commit(self, store: Store, fence: Fence, held: Execution, value: str) -> bool:
        """Write the effect and the COMMITTED record without any check."""
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
    """Each worker may continue, with or without the lease."""

    def refusal(self, execution: Execution, now: int) -> Reason | None:
        """Never refuse."""
        del execution, now
        return None


class NoEnd(Retry):
    """A job is retried at once, without a limit."""

    def backoff_ms(self, attempt: int) -> int:
        """Do not wait."""
        del attempt
        return 0

    def bury_if_spent(self, tx: Transaction, last: Execution, *, operation: Operation, actor: str) -> bool:
        """Never give up."""
        del tx, last, operation, actor
        return False


class NoReconciliation(Reconciliation):
    """The executions of dead workers are never recovered."""

    def run(self, store: Store, retry: Retry, actor: str) -> Reconciled:
        """Do nothing."""
        del store, retry, actor
        return Reconciled(finished=0, aborted=0)


class NoExternalKey(ExternalKeys):
    """Each attempt calls the gateway with a new key, so the gateway recognises no repeated call."""

    def key(self, lease: Lease) -> str:
        """A key for this attempt only."""
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
"""The replacement of each policy, by the name of the policy in `Policies`."""


def without(names: tuple[str, ...], queue: Queue) -> Queue:
    """The queue without these policies, otherwise unchanged."""
    for name in names:
        queue = evolve(queue, policies=evolve(queue.policies, **{name: _ABSENT[name](queue.policies)}))
    return queue


ABSENT: dict[str, Callable[[Queue], Queue]] = {name: partial(without, (name,)) for name in _ABSENT}
"""The fault that removes one policy, by its name, in the order of `Policies`."""
