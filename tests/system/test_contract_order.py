"""In which order each store gives jobs, executions and audit rows, and what it counts, on every database."""

import pytest

from system.audit import EventKind, Operation
from system.clock import ManualClock
from system.queue import Queue
from system.store import Status, Store
from tests.system.test_contract import add_job
from tests.system.test_queue import started


@pytest.mark.parametrize(("retries", "expected"), [(True, (3, 5, 1, 7, 2, 8)), (False, (2, 8))])
def test_jobs_with_a_due_time_come_first_and_then_new_ones_by_id(
    store: Store, retries: bool, expected: tuple[int, ...]
) -> None:
    """By due time and by id, in whatever order they were written; without `retries` only new ones come."""
    jobs = [add_job(store) for _ in range(8)]
    due = {1: 7, 3: 5, 4: 1_000_001, 5: 5, 6: None, 7: 1_000_000}
    with store.transaction() as tx:
        for job_id in reversed(due):
            tx.set_available(job_id, due[job_id])
    taken = []
    with store.transaction() as tx:
        while found := tx.next_available(retries=retries):
            taken.append(found.id)
            tx.set_available(found.id, None)
    assert tuple(taken) == expected
    assert [job.id for job in jobs] == list(range(1, 9))


def test_expired_executions_come_by_id_the_longest_expired_first(store: Store, clock: ManualClock) -> None:
    """`expired` gives so many at most: those whose lease ran out first; and these by id."""
    expiries = (40, 10, 30, 20, clock.now() + 1, clock.now())
    with store.transaction() as tx:
        for number, expiry in enumerate(expiries):
            job = tx.add_job(key=None, payload_json="1", attempts_max=1)
            execution = tx.add_execution(
                job_id=job.id, attempt=1, worker="A", lease_expires_at=expiry, operation=Operation.LEASE
            )
            if number == 1:
                tx.move(
                    execution,
                    to=Status.IN_PROGRESS,
                    event=EventKind.STARTED,
                    operation=Operation.START,
                    actor="A",
                )
            if number == 2:
                tx.move(
                    execution,
                    to=Status.COMMITTED,
                    event=EventKind.COMMITTED,
                    operation=Operation.COMMIT,
                    actor="A",
                )
            if number == 3:
                tx.move(
                    execution, to=Status.ABORTED, event=EventKind.FAILED, operation=Operation.FAIL, actor="A"
                )
    with store.transaction() as tx:
        assert [found.id for found in tx.expired(9)] == [1, 2, 3, 6]
        assert [found.id for found in tx.expired(2)] == [2, 3]
        assert [found.id for found in tx.expired(3)] == [1, 2, 3]
        assert tx.expired(1)[0].status is Status.IN_PROGRESS


def test_counts_are_of_one_moment(queue: Queue, clock: ManualClock) -> None:
    """Each job is counted in one state, and they say at what time: an abandoned lease is one by then."""
    for number in range(4):
        queue.enqueue(number)
        clock.advance(1)
    succeeded, running = started(queue), started(queue)
    assert queue.commit(succeeded, 1)
    assert queue.finish(succeeded)
    counts = queue.store.counts()
    assert (counts.pending, counts.running, counts.succeeded, counts.failed) == (2, 1, 1, 0)
    assert (counts.oldest_due_at, counts.latest_due_at) == (1_000_002, 1_030_004)
    assert (counts.enqueued_in_future, counts.abandoned) == (0, 0)
    clock.advance(29_999)
    assert queue.store.counts().abandoned == 0
    clock.advance(1)
    assert queue.store.counts().abandoned == 1
    assert not queue.commit(succeeded, 2)
    assert queue.store.counts().duplicates_refused == 1
    assert running.id == 2


def test_the_audit_is_in_order_and_of_one_job_when_asked(queue: Queue) -> None:
    """Its rows come by id, from behind any of them, and what is of one job is all there is of it."""
    for key in ("a", "b", "a", "b", "c"):
        queue.enqueue(1, key=key)
    rows = list(queue.store.audit())
    assert [row.id for row in rows] == sorted({row.id for row in rows})
    assert [(row.job_id, row.event) for row in rows] == [
        (1, "enqueued"),
        (2, "enqueued"),
        (1, "duplicate"),
        (2, "duplicate"),
        (rows[-1].job_id, "enqueued"),
    ]
    assert list(queue.store.audit(after=rows[1].id)) == rows[2:]
    assert list(queue.store.audit(job_id=2)) == [rows[1], rows[3]]
    assert list(queue.store.audit(job_id=2, after=rows[1].id)) == [rows[3]]
    assert list(queue.store.audit(job_id=99)) == []
