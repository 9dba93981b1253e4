"""What each store promises where two ask at once, and what PostgreSQL promises beyond that."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from functools import partial

import pytest
from attrs import evolve

from system.audit import EventKind, Operation
from system.clock import ManualClock, SystemClock
from system.policies import CircuitBreaker, Policies, Retry, RetryBudget
from system.queue import Queue
from system.store import Job, Status, Store, StoreBusy, Transaction
from system.worker import Context, Worker
from tests.system.databases import Database, PostgreSQL, holding, waits_for_a_lock
from tests.system.test_queue import leased, started

AT_ONCE = 4
PATIENT_SECONDS = 60.0


def at_once(database: Database, ask: Callable[[Queue, int], object]) -> list[object]:
    """Ask in threads that begin together, each with a store of its own. The answers, by thread."""
    gate = threading.Barrier(AT_ONCE)

    def run(number: int) -> object:
        with closing(database.open(clock=SystemClock(), busy_seconds=PATIENT_SECONDS)) as store:
            gate.wait()
            return ask(Queue(store=store), number)

    with ThreadPoolExecutor(AT_ONCE) as threads:
        return list(threads.map(run, range(AT_ONCE)))


def test_a_second_writer_on_a_job_waits_and_then_is_told(
    queue: Queue, clock: ManualClock, database: Database
) -> None:
    """While a transaction holds a job another on it raises StoreBusy after its wait, and reads go on."""
    queue.enqueue(1)
    held = started(queue)
    before = list(queue.store.audit())
    with closing(database.open(clock=clock, busy_seconds=0)) as other, holding(queue.store, 1):
        second = Queue(store=other)
        refusals: tuple[Callable[[], object], ...] = (
            lambda: second.heartbeat(held),
            lambda: second.commit(held, 1),
            lambda: second.fail(held, detail="no"),
            lambda: second.finish(held),
        )
        for refused in refusals:
            with pytest.raises(StoreBusy) as raised:
                refused()
            assert str(raised.value).startswith(f"{database.shown}: {database.busy}")
            assert "try again" in str(raised.value)
        assert (list(other.audit()), len(other.jobs()), other.counts().running) == (before, 1, 1)
    assert queue.commit(held, 1)


def test_producers_that_ask_at_once_are_given_one_job(database: Database, store: Store) -> None:
    """Of those with the same key one adds the job, and the others are told that it existed."""
    keys = [str(number) for number in range(25)]

    def ask(queue: Queue, number: int) -> list[tuple[int, bool]]:
        order = keys[number:] + keys[:number]
        return [(a.job.id, a.existed) for a in [queue.accept(1, key=key) for key in order]]

    answers = [answer for found in at_once(database, ask) for answer in found]  # type: ignore[attr-defined]
    assert sorted(str(job.key) for job in store.jobs()) == sorted(keys)
    assert Counter(existed for _, existed in answers) == {False: 25, True: 25 * (AT_ONCE - 1)}
    assert set(Counter(job_id for job_id, _ in answers).values()) == {AT_ONCE}
    assert store.counts().duplicates_refused == 25 * (AT_ONCE - 1)


def test_workers_that_ask_at_once_are_given_different_jobs(database: Database, opened: Store) -> None:
    """Every job is leased once, started once and has one effect, and nobody is told of an error."""
    for number in range(100):
        Queue(store=opened).enqueue(number)

    def write(job: Job, context: Context) -> None:
        context.write(job.id)

    def work(queue: Queue, number: int) -> None:
        Worker(queue, write, name=str(number), clock=SystemClock()).drain()

    at_once(database, work)
    assert sorted(effect.job_id for effect in opened.effects()) == [job.id for job in opened.jobs()]
    assert {e.status for e in opened.executions()} == {Status.DONE}
    assert len(opened.executions()) == 100
    assert database.sound()


def test_of_those_who_commit_at_once_one_does(database: Database, opened: Store) -> None:
    """The others are refused, on the record."""
    queue = Queue(store=opened)
    for _ in range(10):
        queue.enqueue(1)
        held = started(queue)
        answers = at_once(database, lambda queue, _, number=held: queue.commit(number, 1))  # type: ignore[misc]
        assert Counter(answers) == {True: 1, False: AT_ONCE - 1}
    assert len(opened.effects()) == 10
    assert opened.counts().duplicates_refused == 10 * (AT_ONCE - 1)


def test_with_every_limit_on_nobody_stands_in_anothers_way_for_good(
    database: Database, opened: Store
) -> None:
    """Leases, commits, failures and reconciliations with a budget and a breaker at once: none breaks."""
    policies = Policies(
        retry=Retry(backoff_seconds=0, attempts_max=4),
        budget=RetryBudget(retries_max=40, window_seconds=3600),
        breaker=CircuitBreaker(failures_max=10_000),
    )
    for number in range(40):
        Queue(store=opened, policies=policies).enqueue(number)

    def handle(job: Job, context: Context) -> None:
        if (job.id + context.attempt) % 2:
            raise ValueError
        context.write(job.id)

    def work(queue: Queue, number: int) -> None:
        queue = evolve(queue, policies=policies, lease_seconds=0.02)
        worker = Worker(queue, handle, name=str(number), clock=SystemClock())
        for _ in range(20):
            worker.drain(2)
            queue.reconcile()

    at_once(database, work)
    Worker(Queue(store=opened, policies=policies), handle, name="last", clock=SystemClock()).drain()
    assert max(Counter(effect.job_id for effect in opened.effects()).values()) == 1
    assert database.sound()


# What is so on PostgreSQL, where a transaction holds its job and nothing else.


@pytest.fixture
def postgresql(postgresql_queue_dsn: str) -> PostgreSQL:
    """A database of the server."""
    return PostgreSQL(postgresql_queue_dsn)


@pytest.fixture
def stores(postgresql: PostgreSQL, clock: ManualClock) -> Iterator[Callable[[], Store]]:
    """Makes stores that wait for nobody."""
    with ExitStack() as stack:
        yield lambda: stack.enter_context(closing(postgresql.open(clock=clock, busy_seconds=0)))


def test_a_lease_passes_over_a_job_that_another_holds(stores: Callable[[], Store]) -> None:
    """It is given the next job, or None; the job that was held is leased when it is let go of."""
    mine, other = Queue(store=stores()), Queue(store=stores())
    for number in range(2):
        mine.enqueue(number)
    with holding(mine.store, 1):
        assert leased(other).job.id == 2
        assert other.lease("B") is None
        other.enqueue("new")
    assert leased(other).job.id == 1


def test_reconciliation_passes_over_a_job_that_another_holds(
    stores: Callable[[], Store], clock: ManualClock
) -> None:
    """It ends what it can reach, and the rest when it is let go of."""
    mine, other = Queue(store=stores()), Queue(store=stores())
    for number in range(3):
        mine.enqueue(number)
        leased(mine)
    clock.advance(30_000)
    with holding(mine.store, 2):
        assert other.reconcile().aborted == 2
        assert other.reconcile().aborted == 0
    assert other.reconcile().aborted == 1


def test_a_duplicate_waits_for_no_transaction_on_its_job(
    stores: Callable[[], Store], clock: ManualClock
) -> None:
    """Its producer has the answer at once, by whatever read another transaction holds the job."""
    mine, other = Queue(store=stores()), Queue(store=stores())
    mine.enqueue(1, key="a")

    def with_a_duplicate(*reads: Callable[[Transaction], object]) -> None:
        for read in reads:
            with mine.store.transaction() as tx:
                assert read(tx)
                tx.set_available(1, 0)
                tx.job(1)
                assert other.accept(1, key="a").existed

    with_a_duplicate(lambda tx: tx.job(1))
    leased(mine)
    clock.advance(30_000)
    with_a_duplicate(
        lambda tx: tx.execution(1), lambda tx: tx.expired(1), lambda tx: tx.next_available(retries=True)
    )
    mine.enqueue(2, key="b")
    for retries in (False, True):
        with mine.store.transaction() as tx:
            tx.set_available(1, None)
            assert tx.next_available(retries=retries)
            assert other.accept(2, key="b").existed


def test_the_job_of_a_duplicate_is_passed_over_by_nobody(
    stores: Callable[[], Store], clock: ManualClock
) -> None:
    """While the transaction of the duplicate is open, the job is leased, and its lease is recovered."""
    mine, other = Queue(store=stores()), Queue(store=stores())
    mine.enqueue(1, key="a")
    with mine.store.transaction() as tx:
        tx.record(event=EventKind.DUPLICATE, operation=Operation.ENQUEUE, actor="producer", job_id=1)
        assert tx.job_by_key("a")
        assert leased(other).job.id == 1
        clock.advance(30_000)
        assert other.reconcile().aborted == 1


def test_a_commit_that_waits_sees_what_was_committed_meanwhile(
    postgresql: PostgreSQL, clock: ManualClock
) -> None:
    """It waits for the row of its job, and then decides by what the other has left, and by the time since."""
    with (
        closing(postgresql.open(clock=clock)) as store,
        closing(postgresql.open(clock=clock, busy_seconds=PATIENT_SECONDS)) as waiting,
        ThreadPoolExecutor(1) as thread,
    ):
        queue = Queue(store=store)
        queue.enqueue(1)
        held = started(queue)
        with store.transaction() as tx:
            execution = tx.execution(held.id)
            answer = thread.submit(Queue(store=waiting).commit, held, "mine")
            waits_for_a_lock(postgresql.dsn)
            clock.advance(7)
            tx.add_effect(job_id=1, execution_id=held.id, value='"theirs"')
            tx.move(
                execution,
                to=Status.COMMITTED,
                event=EventKind.COMMITTED,
                operation=Operation.COMMIT,
                actor="A",
            )
        assert answer.result(PATIENT_SECONDS) is False
        assert [effect.value for effect in store.effects()] == ['"theirs"']
        refused = list(store.audit())[-1]
        assert (refused.reason, refused.at) == ("already_committed", clock.now())


def test_a_producer_that_waits_for_another_with_its_key_is_given_that_ones_job(
    postgresql: PostgreSQL, clock: ManualClock
) -> None:
    """And adds its own when the other is rolled back."""
    with (
        closing(postgresql.open(clock=clock)) as store,
        closing(postgresql.open(clock=clock, busy_seconds=PATIENT_SECONDS)) as waiting,
        ThreadPoolExecutor(1) as thread,
    ):
        for key, existed in (("kept", True), ("rolled back", False)):
            held = store.transaction()
            tx = held.__enter__()
            assert tx.job_by_key(key) is None
            theirs = tx.add_job(key=key, payload_json="1", attempts_max=1)
            asked = thread.submit(partial(Queue(store=waiting).accept, 2, key=key))
            waits_for_a_lock(postgresql.dsn)
            assert not held.__exit__(*((None,) * 3 if existed else (ValueError, ValueError(), None)))
            accepted = asked.result(PATIENT_SECONDS)
            assert accepted.existed is existed
            assert (accepted.job == theirs) is existed
        assert [job.key for job in store.jobs()] == ["kept", "rolled back"]


def test_producers_with_different_keys_do_not_wait(stores: Callable[[], Store]) -> None:
    """Nor does one without a key, nor a worker."""
    mine, other = Queue(store=stores()), Queue(store=stores())
    mine.enqueue("first")
    with mine.store.transaction() as tx:
        tx.job_by_key("a")
        tx.add_job(key="a", payload_json="1", attempts_max=1)
        assert not other.accept(1, key="b").existed
        other.enqueue(2)
        assert leased(other).job.payload == "first"
        with pytest.raises(StoreBusy):
            other.accept(1, key="a")
