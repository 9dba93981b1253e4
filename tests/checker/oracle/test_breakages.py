"""The checker, checked: the queue is broken on purpose, and the unrestricted machine must see it.

Nothing here knows how a breakage is found. Each is a small, plausible mistake; the search is the one that
`test_lockstep.py` runs on the guarded system, with its bounds.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, cast

import pytest
from attrs import AttrsInstance, astuple, evolve, field, frozen

from failure_modes.checker.experiment.scope import Fault, Granularity, Scope
from failure_modes.checker.experiment.strategy import UNRESTRICTED
from failure_modes.checker.search.search import Search, run
from system.audit import EventKind, Operation, Reason
from system.policies import CommitBoundary, Fence
from system.policies.lease import Lease
from system.queue import Queue
from system.sql import SQLTransaction
from system.sqlite import SQLiteTransaction
from system.store import HELD, Execution, Job, Status, Store, Transaction
from tests.checker.oracle.test_lockstep import EXAMPLES


class LateFence(Fence):
    """A lease that ends now still counts."""

    def refusal(self, execution: Execution, now: int) -> Reason | None:
        """Judge as if it were a millisecond ago."""
        return super().refusal(execution, now - 1)


class EarlyLease(SQLiteTransaction):
    """A job may be leased one millisecond before it is due."""

    def next_available(self, *, retries: bool) -> Job | None:
        """Look as if it were a millisecond later."""
        return SQLiteTransaction.next_available(evolve(self, now=self.now + 1), retries=retries)


class DueTimeOfItsOwn(SQLiteTransaction):
    """A new job has a due time, as a job has that was leased before."""

    def add_job(self, *, key: str | None, payload_json: str, attempts_max: int) -> Job:
        """Let it wait for the time at which it was enqueued."""
        job = super().add_job(key=key, payload_json=payload_json, attempts_max=attempts_max)
        self.set_available(job.id, job.available_at)
        return evolve(job, timed=True)


class LosesValue(SQLiteTransaction):
    """What the handler wrote does not reach the effect."""

    def add_effect(self, *, job_id: int, execution_id: int, value: str) -> None:
        """Write nothing of it."""
        del value
        super().add_effect(job_id=job_id, execution_id=execution_id, value="null")


class SameAttempt(SQLiteTransaction):
    """Each attempt has the number of the one before."""

    def add_execution(
        self, *, job_id: int, attempt: int, worker: str, lease_expires_at: int, operation: Operation
    ) -> Execution:
        """Do not count."""
        return super().add_execution(
            job_id=job_id,
            attempt=max(1, attempt - 1),
            worker=worker,
            lease_expires_at=lease_expires_at,
            operation=operation,
        )


class LiveIsExpired(SQLiteTransaction):
    """Reconciliation takes leases that still run for expired ones."""

    def expired(self, limit: int) -> tuple[Execution, ...]:
        """Look as if it were ten seconds later."""
        return SQLiteTransaction.expired(evolve(self, now=self.now + 10_000), limit)


class KeepsWrites(CommitBoundary):
    """A refused commit does not take back what it had written."""

    def commit(self, store: Store, fence: Fence, held: Execution, value: str) -> bool:
        """Write first, ask later, and leave out the rollback."""
        with store.transaction() as tx:
            execution = tx.execution(held.id)
            committed = tx.effect_of(execution.job_id) is not None
            tx.add_effect(job_id=execution.job_id, execution_id=execution.id, value=value)
            reason = Reason.ALREADY_COMMITTED if committed else fence.refusal(execution, tx.now)
            if reason is None:
                tx.move(
                    execution,
                    to=Status.COMMITTED,
                    event=EventKind.COMMITTED,
                    operation=Operation.COMMIT,
                    actor=execution.worker,
                )
                tx.set_available(execution.job_id, None)
                return True
            tx.record(
                event=EventKind.REFUSED,
                operation=Operation.COMMIT,
                actor=execution.worker,
                job_id=execution.job_id,
                execution_id=execution.id,
                reason=reason,
            )
            return False


class HeldFence(Fence):
    """Looks at the status alone, and not at the time."""

    def refusal(self, execution: Execution, now: int) -> Reason | None:
        """Whatever the time is."""
        del now
        return None if execution.status in HELD else Reason.LEASE_LOST


class RevivingQueue(Queue):
    """A heartbeat revives a lease that has expired."""

    def heartbeat(self, held: Execution) -> bool:
        """Extend, however late."""
        revived = Queue(store=self.store, policies=evolve(self.policies, fence=HeldFence()))
        return revived.heartbeat(held)


class DeafQueue(Queue):
    """A lease never asks the store, so that the worker polls for ever."""

    def lease(self, worker: str) -> Lease | None:
        """Nothing to do, as always."""
        del worker
        return None


class NoFence(Fence):
    """Whoever comes may go on."""

    def refusal(self, execution: Execution, now: int) -> Reason | None:
        """No reason ever."""
        del execution, now
        return None


class UnfencedCommit(CommitBoundary):
    """A commit is accepted from a worker whose lease went to another."""

    def commit(self, store: Store, fence: Fence, held: Execution, value: str) -> bool:
        """Ask who was first, and not who holds the lease."""
        del fence
        return super().commit(store, NoFence(), held, value)


def _parts(tx: Transaction) -> tuple[Any, ...]:
    assert isinstance(tx, SQLTransaction)
    return astuple(cast(AttrsInstance, tx), recurse=False)


class Transacting:
    """A store whose transactions are of another class, over the same connection."""

    def __init__(self, store: Store, kind: Callable[..., Transaction]) -> None:
        self._store = store
        self._kind = kind

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """The transaction of the other class."""
        with self._store.transaction() as tx:
            yield self._kind(*_parts(tx))


@frozen
class DeferredAudit(SQLiteTransaction):
    """Keeps its audit rows back."""

    rows: list[tuple[Any, ...]] = field(factory=list)

    def _audit(self, *row: Any) -> None:
        self.rows.append(row)

    def write(self, rows: list[tuple[Any, ...]]) -> None:
        """Write what another transaction kept back."""
        for row in rows:
            super()._audit(*row)


class AuditApart(Transacting):
    """The audit rows of a transaction are written in another, right after it."""

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """Two transactions where there was one."""
        with self._store.transaction() as tx:
            deferred = DeferredAudit(*_parts(tx))
            yield deferred
        if deferred.rows:
            with self._store.transaction() as tx:
                DeferredAudit(*_parts(tx)).write(deferred.rows)


def policies(**changes: Any) -> Fault:
    """Swap policies."""
    return lambda queue: evolve(queue, policies=evolve(queue.policies, **changes))


def transactions(kind: Callable[..., Transaction]) -> Fault:
    """Swap the class of the transactions."""
    return lambda queue: evolve(queue, store=Transacting(queue.store, kind))


def queues(kind: type[Queue]) -> Fault:
    """Swap the class of the queue."""
    return lambda queue: kind(store=queue.store, policies=queue.policies, lease_seconds=queue.lease_seconds)


BREAKAGES: dict[str, Fault] = {
    "the lease comparison off by one, in the fence": policies(fence=LateFence()),
    "the lease comparison off by one, in the lease": transactions(EarlyLease),
    "a new job with a due time of its own": transactions(DueTimeOfItsOwn),
    "rollback missing on a refused commit": policies(commit=KeepsWrites()),
    "the audit row in another transaction": lambda queue: evolve(
        queue, store=AuditApart(queue.store, DeferredAudit)
    ),
    "the attempts count not incremented": transactions(SameAttempt),
    "the reconcile that aborts a live lease": transactions(LiveIsExpired),
    "the heartbeat that revives an expired lease": queues(RevivingQueue),
    "a commit accepted from a worker whose lease went to another": policies(commit=UnfencedCommit()),
    "a worker that polls for ever and never asks the store": queues(DeafQueue),
    "an effect without what the handler wrote": transactions(LosesValue),
    "a fence that asks nobody": policies(fence=NoFence()),
}


@pytest.mark.parametrize("granularity", list(Granularity))
@pytest.mark.parametrize("breakage", BREAKAGES)
def test_the_search_of_the_guarded_system_catches(breakage: str, granularity: Granularity) -> None:
    """A queue with this mistake does not pass for the guarded one."""
    scope = Scope(granularity=granularity).with_each_tick()
    examples = EXAMPLES[granularity]
    search = Search(
        scope=scope,
        strategy=UNRESTRICTED,
        fault=BREAKAGES[breakage],
        target=None,
        seed=7,
        examples=examples,
    )
    assert run(search, shrinking=False).finding is not None
