"""Finish, lease and start in one transaction, on each store: the same rows as in three, or none at all."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import cast

import pytest
from attrs import evolve

from system.audit import Operation
from system.clock import ManualClock
from system.policies import CircuitBreaker, Lease, LeasePolicies, Leasing, Policies, Retry
from system.queue import Queue
from system.store import AuditRow, Execution, Status, Store, StoreUnavailable, Transaction
from system.worker import Context, Worker
from tests.system.databases import Database

WORDS = "operation", "event", "reason", "before", "after", "job_id", "execution_id"


def told(row: AuditRow) -> tuple[object, ...]:
    """What an audit row says, without its id and its time."""
    return tuple([getattr(row, word) for word in WORDS])


def new_rows(queue: Queue, after: int) -> list[tuple[str, str]]:
    """The operation and the event of each audit row after that id."""
    return [(row.operation, row.event) for row in queue.store.audit(after=after)]


def last_id(queue: Queue) -> int:
    """The id of the last audit row."""
    return max(row.id for row in queue.store.audit())


def committed(queue: Queue) -> Execution:
    """An execution that is committed and not finished."""
    lease = queue.take_next("A")
    assert lease is not None
    assert queue.commit(lease.execution, 1)
    return lease.execution


class Counted:
    """A store that counts its transactions, and fails after the commit of one."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.transactions = 0
        self.fails_at = 0

    def __getattr__(self, name: str) -> object:
        return getattr(self._store, name)

    @contextmanager
    def _counted(self) -> Iterator[Transaction]:
        with self._store.transaction() as tx:
            yield tx
        self.transactions += 1
        if self.transactions == self.fails_at:
            raise StoreUnavailable("the reply was lost")

    def transaction(self) -> AbstractContextManager[Transaction]:
        """One more."""
        return self._counted()


def counted(queue: Queue) -> tuple[Queue, Counted]:
    """The queue over a store that counts."""
    store = Counted(queue.store)
    return evolve(queue, store=cast(Store, store)), store


def write(_: object, context: Context) -> None:
    """A handler that does its work."""
    context.write(1)


def test_it_says_what_three_operations_say(queue: Queue) -> None:
    """The audit of one fused transaction is that of finish, lease and start."""
    for number in (1, 2, 3):
        queue.enqueue(number)
    held = committed(queue)
    before = last_id(queue)
    queue, store = counted(queue)
    lease = queue.take_next("A", finishing=held)
    assert store.transactions == 1
    assert lease is not None
    assert (lease.job.id, lease.execution.status) == (2, Status.IN_PROGRESS)
    assert queue.store.executions()[1] == lease.execution
    fused = [told(row) for row in queue.store.audit(after=before)]
    assert [row[0] for row in fused] == [Operation.FINISH, Operation.LEASE, Operation.START]
    assert queue.commit(lease.execution, 1)
    before = last_id(queue)
    queue.finish(lease.execution)
    third = queue.lease("A")
    assert third is not None
    assert queue.start(third.execution)
    apart = [told(row)[:-2] for row in queue.store.audit(after=before)]
    assert apart == [row[:-2] for row in fused]


def test_without_a_next_job_it_finishes(queue: Queue) -> None:
    """It answers that there is none, and the execution is DONE."""
    queue.enqueue(1)
    held = committed(queue)
    assert queue.take_next("A", finishing=held) is None
    assert queue.take_next("A") is None
    assert queue.store.executions()[0].status is Status.DONE


def test_it_is_whole_or_nothing(queue: Queue) -> None:
    """If the lease raises, nothing is finished."""

    class Raising(Leasing):
        def lease(self, store: Store, policies: LeasePolicies, worker: str, lease_ms: int) -> Lease | None:
            super().lease(store, policies, worker, lease_ms)
            raise OSError("no lease")

    queue.enqueue(1)
    queue.enqueue(2)
    held = committed(queue)
    before = last_id(queue)
    broken = evolve(queue, policies=evolve(queue.policies, lease=Raising()))
    with pytest.raises(OSError, match="no lease"):
        broken.take_next("A", finishing=held)
    assert new_rows(queue, before) == []
    assert [one.status for one in queue.store.executions()] == [Status.COMMITTED]


def test_a_job_that_is_buried_ends_the_transaction(queue: Queue, clock: ManualClock) -> None:
    """The finish and the burial are in one transaction; another one leases the next job."""
    queue = evolve(queue, policies=Policies(retry=Retry(attempts_max=1)))
    for number in (1, 2, 3):
        queue.enqueue(number)
    assert queue.lease("B") is not None
    held = committed(queue)
    clock.advance(30_000)
    before = last_id(queue)
    queue, store = counted(queue)
    lease = queue.take_next("A", finishing=held)
    assert lease is not None
    assert (lease.job.id, store.transactions) == (3, 2)
    assert new_rows(queue, before) == [
        ("finish", "finished"),
        ("lease", "expired"),
        ("lease", "buried"),
        ("lease", "leased"),
        ("start", "started"),
    ]


def test_a_finish_that_was_too_late_keeps_nothing_from_the_next_job(queue: Queue, clock: ManualClock) -> None:
    """Reconciliation was first: the refusal has its audit row, and the next job is leased and started."""
    queue.enqueue(1)
    queue.enqueue(2)
    held = committed(queue)
    clock.advance(30_000)
    queue.reconcile()
    before = last_id(queue)
    assert queue.take_next("A", finishing=held) is not None
    assert new_rows(queue, before) == [("finish", "refused"), ("lease", "leased"), ("start", "started")]


def test_a_finish_closes_the_breaker_for_the_lease_that_follows(queue: Queue, clock: ManualClock) -> None:
    """The lease sees what the finish before it in the transaction did: the probe succeeded."""
    queue = evolve(queue, policies=Policies(breaker=CircuitBreaker(failures_max=1, open_seconds=5)))
    for number in (1, 2, 3):
        queue.enqueue(number)
    failed = queue.take_next("A")
    assert failed is not None
    assert queue.fail(failed.execution, detail="no")
    assert queue.take_next("A") is None
    clock.advance(5_000)
    held = committed(queue)
    lease = queue.take_next("A", finishing=held)
    assert lease is not None
    assert queue.store.breaker().open_until_at is None


def test_a_worker_waits_for_the_disk_twice_a_job(queue: Queue, clock: ManualClock) -> None:
    """The first lease, then for each job its commit, and the finish with what follows: 1 + 2 x 4, and a look.

    A worker that is not fused needs four transactions a job, and the look. Both leave the same audit.
    """
    audits = []
    for fused, transactions in ((True, 1 + 2 * 4 + 1), (False, 4 * 4 + 1)):
        before = last_id(queue) if queue.store.jobs() else 0
        for number in range(4):
            queue.enqueue(number)
        counting, store = counted(queue)
        Worker(counting, write, name="A", clock=clock, fused=fused).drain()
        assert store.transactions == transactions
        audits.append([told(row)[:-2] for row in queue.store.audit(after=before)])
    assert audits[0] == audits[1]
    assert queue.store.counts().succeeded == 8


@pytest.mark.parametrize("fails_at", range(1, 9))
def test_a_commit_without_a_reply_is_done_once(queue: Queue, clock: ManualClock, fails_at: int) -> None:
    """Whichever transaction loses its reply: each job has one effect, and none is stuck."""
    for number in range(3):
        queue.enqueue(number)
    counting, store = counted(queue)
    store.fails_at = fails_at
    worker = Worker(counting, write, name="A", clock=clock)
    for _ in range(10):
        while worker.run_once():
            pass
        clock.advance(30_000)
    assert [effect.job_id for effect in queue.store.effects()] == [1, 2, 3]
    assert queue.store.counts().succeeded == 3


@pytest.mark.parametrize("jobs_max", [1, 2])
def test_a_worker_takes_no_more_jobs_than_it_may(queue: Queue, clock: ManualClock, jobs_max: int) -> None:
    """After the last one it finishes only: the next job stays PENDING, with no attempt spent."""
    for number in range(3):
        queue.enqueue(number)
    Worker(queue, write, name="A", clock=clock).drain(jobs_max)
    assert len(queue.store.executions()) == jobs_max
    assert queue.store.counts().succeeded == jobs_max


def test_a_worker_that_is_stopped_takes_no_further_job(queue: Queue, clock: ManualClock) -> None:
    """`stop` within a handler: that job is finished, and no other is leased."""

    def handler(_: object, context: Context) -> None:
        worker.stop()
        context.write(1)

    queue.enqueue(1)
    queue.enqueue(2)
    worker = Worker(queue, handler, name="A", clock=clock)
    worker.run()
    assert [one.status for one in queue.store.executions()] == [Status.DONE]


def test_a_worker_reconciles_between_jobs(
    queue: Queue, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker that always has a next job still reconciles when it is time."""
    seconds = iter(range(100))
    monkeypatch.setattr("system.worker.monotonic", lambda: next(seconds))
    for number in range(6):
        queue.enqueue(number)
    reconciled = []

    class Noting(Queue):
        def reconcile(self, *, actor: str = "reconciler") -> object:  # type: ignore[override]
            reconciled.append(self.store.counts().succeeded)
            return super().reconcile(actor=actor)

    noting = Noting(store=queue.store)
    Worker(noting, write, name="A", clock=clock, reconcile_seconds=3).drain()
    assert queue.store.counts().succeeded == 6
    assert len(reconciled) > 2


def test_a_dead_worker_between_the_two_leaves_what_reconciliation_ends(
    queue: Queue, clock: ManualClock, database: Database
) -> None:
    """A worker that dies after its commit, before the fused transaction, leaves a job that is finished."""
    queue.enqueue(1)
    held = committed(queue)
    clock.advance(30_000)
    assert queue.reconcile().finished == 1
    assert not queue.finish(held)
    assert database.rows("SELECT status FROM executions") == [("DONE",)]
