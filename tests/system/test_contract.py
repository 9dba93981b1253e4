"""What each store promises: `system.store.Store`, on every database that it can be in."""

from collections.abc import Callable
from contextlib import closing, suppress

import pytest
from attrs import evolve

from system.audit import EventKind, Operation, Reason
from system.clock import ManualClock
from system.policies import Policies, Retry
from system.queue import Queue
from system.store import (
    AuditRow,
    Breaker,
    Counts,
    Effect,
    Execution,
    Job,
    Status,
    Store,
    StoreError,
)
from tests.system.databases import Database
from tests.system.test_queue import leased


def add_job(store: Store, key: str | None = None) -> Job:
    """A job that was added in a transaction of its own."""
    with store.transaction() as tx:
        return tx.add_job(key=key, payload_json="1", attempts_max=3)


def everything(store: Store) -> tuple[object, ...]:
    """All that is in it, but for the time."""
    counts = evolve(store.counts(), counted_at=0)
    rows = store.jobs(), store.executions(), store.effects(), tuple(store.audit())
    return *rows, store.retries(), store.breaker(), counts


def test_a_new_store_is_empty(store: Store, clock: ManualClock) -> None:
    """It has no rows, its breaker is closed, and all its counts are nothing."""
    assert everything(store)[:-1] == ((), (), (), (), (), Breaker())
    assert store.counts() == Counts(
        pending=0,
        running=0,
        succeeded=0,
        failed=0,
        set_aside=0,
        oldest_due_at=None,
        latest_due_at=None,
        enqueued_in_future=0,
        abandoned=0,
        duplicates_refused=0,
        counted_at=clock.now(),
    )


def write_all(store: Store, *, and_then: type[BaseException] | None = None) -> None:
    """One transaction in which everything is written that can be."""
    with store.transaction() as tx:
        job = tx.add_job(key="k", payload_json="1", attempts_max=1)
        tx.record(event=EventKind.ENQUEUED, operation=Operation.ENQUEUE, actor="producer", job_id=job.id)
        execution = tx.add_execution(
            job_id=job.id, attempt=1, worker="A", lease_expires_at=tx.now + 1, operation=Operation.LEASE
        )
        tx.move(
            execution,
            to=Status.COMMITTED,
            event=EventKind.COMMITTED,
            operation=Operation.COMMIT,
            actor="A",
            lease_expires_at=tx.now + 2,
            reason=Reason.ABANDONED,
            detail="so",
        )
        tx.add_effect(job_id=job.id, execution_id=execution.id, value="2")
        tx.set_available(job.id, None)
        tx.add_retry(forget_until=tx.now - 1)
        tx.set_breaker(Breaker(failures=1, open_until_at=tx.now + 3))
        if and_then:
            raise and_then


def test_what_is_committed_is_read_as_it_was_written(store: Store, database: Database) -> None:
    """In the same store and in another one, each record has each of its fields."""
    write_all(store)
    with closing(database.open(clock=ManualClock(1_000_000))) as other:
        assert everything(other) == everything(store)
        jobs, executions, effects, audit = other.jobs(), other.executions(), other.effects(), other.audit()
        assert (other.retries(), other.breaker()) == (
            (1_000_000,),
            Breaker(failures=1, open_until_at=1_000_003),
        )
    assert jobs == (
        Job(
            id=1,
            key="k",
            payload_json="1",
            attempts_max=1,
            enqueued_at=1_000_000,
            available_at=None,
            timed=True,
            token=jobs[0].token,
        ),
    )
    assert executions == (
        Execution(
            id=1,
            job_id=1,
            attempt=1,
            worker="A",
            status=Status.COMMITTED,
            lease_expires_at=1_000_002,
            token=executions[0].token,
        ),
    )
    assert effects == (Effect(id=1, job_id=1, execution_id=1, value="2"),)
    assert tuple(audit)[-1] == AuditRow(
        id=3,
        at=1_000_000,
        actor="A",
        operation="commit",
        event="committed",
        job_id=1,
        execution_id=1,
        before=Status.LEASED,
        after=Status.COMMITTED,
        reason="abandoned",
        detail="so",
    )


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, GeneratorExit, StoreError])
def test_a_transaction_that_raises_leaves_nothing(store: Store, error: type[BaseException]) -> None:
    """When its block raises, even by no ordinary exception, all is rolled back and the store goes on."""
    before = everything(store)
    with pytest.raises(error):
        write_all(store, and_then=error)
    assert everything(store) == before
    job = Queue(store=store).enqueue(2, key="k")
    assert store.jobs() == (job,)


def test_a_transaction_in_which_the_database_refused_leaves_nothing(store: Store) -> None:
    """Also when the block goes on as if nothing had been: what came before it is not kept without it."""
    with suppress(StoreError), store.transaction() as tx:
        tx.add_job(key="a", payload_json="1", attempts_max=1)
        tx.add_job(key=None, payload_json="1", attempts_max=0)
    assert (store.jobs(), list(store.audit())) == ((), [])
    assert add_job(store, "a").key == "a"


def test_what_does_not_exist_is_told_by_its_id(store: Store) -> None:
    """A job or an execution that is not there raises StoreError."""
    with store.transaction() as tx:
        with pytest.raises(StoreError, match="there is no job 7"):
            tx.job(7)
        with pytest.raises(StoreError, match="there is no execution 8"):
            tx.execution(8)
        assert (tx.job_by_key("k"), tx.last_execution(7), tx.find_execution(8)) == (None, None, None)
        assert (tx.next_available(retries=True), tx.next_available(retries=False)) == (None, None)
        assert (tx.effect_of(7), tx.expired(5)) == (None, ())


def test_a_transaction_reads_the_time_once(store: Store, clock: ManualClock) -> None:
    """It is the same throughout, whatever the clock does, in what it says and in what it writes."""
    with store.transaction() as tx:
        began = tx.now
        clock.advance(1)
        job = tx.add_job(key=None, payload_json="1", attempts_max=1)
        tx.record(event=EventKind.ENQUEUED, operation=Operation.ENQUEUE, actor="A", job_id=job.id)
        assert job.enqueued_at == job.available_at == began == tx.now
    assert [row.at for row in store.audit()] == [began]
    assert store.counts().counted_at == clock.now() == began + 1


@pytest.mark.parametrize("first", ["job", "job_by_key", "next_available", "execution", "expired"])
def test_a_transaction_has_one_time_whatever_it_reads_first(
    queue: Queue, clock: ManualClock, first: str
) -> None:
    """After each read, and before and after it writes, `now` is what the clock said at that read."""
    job, execution = queue.enqueue(1, key="k"), leased(queue).execution
    clock.advance(30_000)
    with queue.store.transaction() as tx:
        reads: dict[str, Callable[[], object]] = {
            "job": lambda: tx.job(job.id),
            "job_by_key": lambda: tx.job_by_key("k"),
            "next_available": lambda: tx.next_available(retries=True),
            "execution": lambda: tx.execution(execution.id),
            "expired": lambda: tx.expired(1),
        }
        assert reads[first]()
        times = [tx.now]
        clock.advance(1)
        tx.set_available(job.id, 5)
        tx.record(event=EventKind.DUPLICATE, operation=Operation.ENQUEUE, actor="A", job_id=job.id)
        times.append(tx.now)
    assert times == [clock.now() - 1] * 2
    assert list(queue.store.audit())[-1].at == times[0]


def test_a_transaction_sees_what_it_has_written(store: Store) -> None:
    """Before it is committed, and nobody else does."""
    with store.transaction() as tx:
        job = tx.add_job(key="k", payload_json="1", attempts_max=1)
        assert tx.job(job.id) == tx.job_by_key("k") == tx.next_available(retries=False) == job
        tx.set_available(job.id, tx.now)
        assert tx.job(job.id) == tx.next_available(retries=True) == evolve(job, timed=True)
        tx.set_available(job.id, None)
        assert tx.job(job.id) == evolve(job, available_at=None, timed=True)
        assert tx.next_available(retries=True) is None


def test_each_lease_has_a_higher_id(queue: Queue, clock: ManualClock) -> None:
    """Also after one that was rolled back: so it can be told which of two leases came later."""
    queue = evolve(queue, policies=Policies(retry=Retry(attempts_max=100)))
    queue.enqueue(1)
    seen = []
    for number in range(6):
        clock.advance(30_000)
        last = leased(queue).execution
        seen.append(last.id)
        with suppress(ZeroDivisionError), queue.store.transaction() as tx:
            expiry = tx.now + number
            tx.move(last, to=Status.ABORTED, event=EventKind.EXPIRED, operation=Operation.LEASE, actor="B")
            tx.add_execution(
                job_id=1, attempt=9, worker="B", lease_expires_at=expiry, operation=Operation.LEASE
            )
            raise ZeroDivisionError
    assert seen == sorted(set(seen))
    assert [execution.id for execution in queue.store.executions()] == seen


def test_retries_and_the_breaker_are_written_over(store: Store, clock: ManualClock) -> None:
    """Retries are forgotten up to a time, in order of when they began; the breaker is what was set last."""
    for forget_until in (0, 0, 1_000_000, 1_000_001):
        with store.transaction() as tx:
            tx.add_retry(forget_until=forget_until)
        clock.advance(1)
    assert store.retries() == (1_000_002, 1_000_003)
    for breaker in (Breaker(failures=2), Breaker(failures=2**62, open_until_at=2**63 - 1), Breaker()):
        with store.transaction() as tx:
            tx.breaker()
            tx.set_breaker(breaker)
            assert tx.breaker() == breaker
        assert store.breaker() == breaker


def test_a_store_that_was_closed_leaves_others_alone(store: Store, database: Database) -> None:
    """Closing twice does no harm, and what it had committed is there for the next."""
    other = database.open(clock=ManualClock())
    job = add_job(other)
    other.close()
    other.close()
    assert store.jobs() == (job,)


def test_a_store_that_was_closed_stays_closed(store: Store) -> None:
    """Whatever it is asked, it says so, and opens nothing."""
    store.close()
    for ask in (store.jobs, store.counts, lambda: add_job(store), lambda: list(store.audit())):
        with pytest.raises(StoreError, match=r"was closed; open it again, with a new store$"):
            ask()
