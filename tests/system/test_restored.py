"""A queue that was restored from a backup gives ids out again: leases and external keys must not mix."""

from collections.abc import Callable, Iterator
from contextlib import closing

import pytest
from attrs import evolve

from system.clock import ManualClock
from system.queue import Queue
from system.store import Execution, Job, Status
from system.worker import Context, Worker
from tests.system.databases import Database
from tests.system.restoring import backup
from tests.system.test_contract import everything
from tests.system.test_queue import leased, refusals, started

OPERATIONS: dict[str, Callable[[Queue, Execution], bool]] = {
    "start": Queue.start,
    "heartbeat": Queue.heartbeat,
    "commit": lambda queue, held: queue.commit(held, "Bob's"),
    "finish": Queue.finish,
    "fail": lambda queue, held: queue.fail(held, detail="Bob's"),
}
each_operation = pytest.mark.parametrize("operation", OPERATIONS)


@pytest.fixture
def second(database: Database, queue: Queue, clock: ManualClock) -> Iterator[Queue]:
    """The queue as another worker's process has it open."""
    with closing(database.open(clock=clock)) as store:
        yield evolve(queue, store=store)


@each_operation
def test_a_lease_from_before_a_restore_is_not_the_lease_of_another_job(
    queue: Queue, second: Queue, database: Database, operation: str
) -> None:
    """Bob's execution 2 is lost and Carol's has id 2 as well: what W1 does for Bob is refused each time."""
    queue.enqueue("pay Alice")
    alice = started(queue, "W1")
    assert queue.commit(alice, "Alice's")
    assert queue.finish(alice)
    restore = backup(database)
    queue.enqueue("pay Bob")
    bob = started(queue, "W1")
    restore()
    carol_job = second.enqueue("pay Carol")
    carol = leased(second, "W2").execution
    assert (bob.id, bob.job_id, carol.id, carol.job_id) == (2, 2, 2, carol_job.id)
    refused = []
    for moment in ("leased", "started", "committed", "done"):
        rows, told = everything(queue.store)[:3], len(refusals(queue))
        assert not OPERATIONS[operation](queue, bob), moment
        refused += refusals(queue)[told:]
        assert everything(queue.store)[:3] == rows
        if moment == "leased":
            assert second.start(carol)
        elif moment == "started":
            assert second.heartbeat(carol)
            assert second.commit(carol, "Carol's")
        elif moment == "committed":
            assert second.finish(carol)
    assert refused == [("W1", operation, 2, "unknown_token")] * 4
    assert [(effect.job_id, effect.value) for effect in queue.store.effects()] == [
        (1, '"Alice\'s"'),
        (2, '"Carol\'s"'),
    ]
    assert [execution.status for execution in queue.store.executions()] == [Status.DONE] * 2


@each_operation
def test_a_lease_that_the_restored_queue_does_not_know_is_refused(
    queue: Queue, database: Database, operation: str
) -> None:
    """There is no execution of its id: the answer is False, and no error, and nothing is written."""
    restore = backup(database)
    queue.enqueue("pay Bob")
    bob = started(queue)
    restore()
    assert not OPERATIONS[operation](queue, bob)
    queue.enqueue("pay Carol")
    before = everything(queue.store)
    assert not OPERATIONS[operation](queue, bob)
    assert everything(queue.store) == before


@each_operation
def test_a_lease_of_the_same_job_by_the_same_worker_is_another_one_after_a_restore(
    queue: Queue, second: Queue, database: Database, operation: str
) -> None:
    """Id, job, attempt and the worker's name are the same; the token is not."""
    queue.enqueue("pay Bob", key="bob")
    restore = backup(database)
    old = started(queue, "W")
    restore()
    new = started(second, "W")
    assert evolve(new, token=old.token) == old
    assert new.token != old.token
    assert not OPERATIONS[operation](queue, old)
    assert refusals(queue) == [("W", operation, 1, "unknown_token")]
    assert second.commit(new, "once")
    assert second.finish(new)
    assert [effect.value for effect in queue.store.effects()] == ['"once"']


def test_a_worker_whose_queue_is_restored_under_its_handler_goes_on_with_the_next_job(
    queue: Queue, database: Database, clock: ManualClock
) -> None:
    """Its commit is refused, it raises nothing, and the job of the same id has its own result."""
    restore = backup(database)
    queue.enqueue("pay Bob")

    def pay(job: Job, context: Context) -> None:
        if job.payload == "pay Bob":
            restore()
            queue.enqueue("pay Carol")
            assert not context.heartbeat()
        context.write(job.payload)

    Worker(queue, pay, name="W", clock=clock).drain()
    assert [(job.id, job.payload) for job in queue.store.jobs()] == [(1, "pay Carol")]
    assert [(effect.job_id, effect.value) for effect in queue.store.effects()] == [(1, '"pay Carol"')]
    assert [execution.status for execution in queue.store.executions()] == [Status.DONE]


def test_a_job_without_a_key_has_no_external_key_from_before_a_restore(
    queue: Queue, database: Database
) -> None:
    """The gateway that charged for Bob's job 2 is asked under another key for Carol's job 2."""
    queue.enqueue("pay Alice")
    alice = queue.external_key(leased(queue))
    restore = backup(database)
    queue.enqueue("pay Bob")
    bob = leased(queue)
    restore()
    queue.enqueue("pay Carol")
    carol = leased(queue)
    assert (bob.job.id, bob.execution.id) == (carol.job.id, carol.execution.id)
    assert len({alice, queue.external_key(bob), queue.external_key(carol)}) == 3


def test_every_attempt_at_a_job_keeps_its_external_key_through_a_restore(
    queue: Queue, database: Database, clock: ManualClock
) -> None:
    """The job was in the backup, so what its lost attempt asked of the gateway is asked for under one key."""
    queue.enqueue("pay Alice")
    restore = backup(database)
    lost = queue.external_key(leased(queue))
    restore()
    assert queue.external_key(leased(queue)) == lost
    clock.advance(30_000)
    again = leased(queue)
    assert (again.execution.attempt, queue.external_key(again)) == (2, lost)


def test_a_job_with_a_key_has_the_same_external_key_after_a_restore(queue: Queue, database: Database) -> None:
    """Its producer asks again and gets another job, under another id: the gateway still charges once."""
    restore = backup(database)
    queue.enqueue("pay Bob", key="bob")
    lost = leased(queue)
    restore()
    queue.enqueue("pay Carol", key="carol")
    queue.enqueue("pay Bob", key="bob")
    carol, bob = leased(queue), leased(queue)
    assert bob.job.id != lost.job.id == carol.job.id
    assert queue.external_key(bob) == queue.external_key(lost) != queue.external_key(carol)
