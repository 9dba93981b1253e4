"""When a job is due, and in which order leases take jobs: whatever the clock said at the enqueue."""

import random
from contextlib import closing, suppress
from typing import cast

import pytest
from attrs import evolve

from model.actions import Step
from model.state import Durable, Settings, initial
from model.state import Job as ModelJob
from model.step import step
from system.clock import ManualClock
from system.policies import Policies, Retry
from system.queue import Queue
from system.store import Job, Store, StoreUnavailable, Transaction
from tests.system.databases import Database
from tests.system.test_contract import add_job
from tests.system.test_queue import leased

DAY_MS = 86_400_000


def test_a_job_that_was_enqueued_while_the_clock_was_a_day_ahead_is_leased_at_once(
    queue: Queue, database: Database, clock: ManualClock
) -> None:
    """When the clock is right again it is leased in the order of ids, for a lease from the right time."""
    first = queue.enqueue("first").id
    with closing(database.open(clock=ManualClock(clock.now() + DAY_MS))) as ahead:
        second = Queue(store=ahead).enqueue("while the clock was ahead").id
    third = queue.enqueue("third").id
    leases = [leased(queue) for _ in range(3)]
    assert [lease.job.id for lease in leases] == [first, second, third]
    assert {lease.execution.lease_expires_at for lease in leases} == {clock.now() + 30_000}
    assert queue.start(leases[1].execution)
    assert queue.commit(leases[1].execution, 1)
    assert queue.finish(leases[1].execution)


def test_a_retry_waits_for_the_time_that_it_was_given(
    queue: Queue, database: Database, clock: ManualClock
) -> None:
    """Also when the clock was ahead: what failed or was leased then is due when its time has come."""
    for name in ("failed", "leased"):
        queue.enqueue(name)
    then = ManualClock(clock.now() + DAY_MS)
    with closing(database.open(clock=then)) as store:
        ahead = Queue(store=store)
        assert ahead.fail(leased(ahead).execution, detail="")
        leased(ahead)
    assert queue.lease("A") is None
    clock.advance(DAY_MS + 999)
    assert queue.lease("A") is None
    clock.advance(1)
    assert leased(queue).job.payload == "failed"
    clock.advance(28_999)
    assert queue.lease("A") is None
    clock.advance(1)
    assert leased(queue).job.payload == "leased"


class Undone(Exception):
    """Undoes what a transaction wrote."""


def order_in_store(tx: Transaction) -> list[int]:
    """The jobs as leases would take them, one after the other."""
    found = []
    while job := tx.next_available(retries=True):
        found.append(job.id)
        tx.set_available(job.id, None)
    return found


def modelled(job: Job) -> ModelJob:
    """The job as the model knows it."""
    return ModelJob(
        id=job.id,
        key=None,
        payload=job.payload,
        attempts_max=3,
        enqueued_at=job.enqueued_at,
        available_at=job.available_at,
        timed=job.timed,
    )


def order_in_model(jobs: tuple[ModelJob, ...], now: int) -> list[int]:
    """The same of the model."""
    found = []
    start = initial(settings=Settings(), workers=("A",))
    state, outcome = step(evolve(start, durable=Durable(jobs=jobs), now=now), Step(worker="A"))
    while outcome.events:
        found.append(outcome.events[-1].job)
        state, outcome = step(evolve(state, workers=start.workers), Step(worker="A"))
    return found


def test_the_model_and_the_store_take_jobs_in_the_same_order(store: Store, clock: ManualClock) -> None:
    """Over forty mixtures of new jobs, retries of any due time, and jobs that may not be leased again."""
    draw = random.Random(7)
    for _ in range(12):
        add_job(store)
    now = clock.now()
    seen = set()
    for _ in range(40):
        with suppress(Undone), store.transaction() as tx:
            for job_id in range(1, 13):
                if draw.random() < 0.6:
                    due = draw.choice([None, now + DAY_MS, now + 1, now, now, now - 1, now - 5, 0])
                    tx.set_available(job_id, due)
            jobs = [tx.job(number) for number in range(1, 13)]
            found = order_in_store(tx)
            assert found == order_in_model(tuple([modelled(job) for job in jobs]), now)
            seen.add(tuple(found))
            raise Undone
    assert len(seen) == 40


# A lease that buries.


class Ticking(ManualClock):
    """A clock on which each look takes a millisecond."""

    def now(self) -> int:
        """The time, later each time."""
        self.advance(1)
        return super().now()


def spent(queue: Queue, clock: ManualClock, jobs: int) -> Queue:
    """A queue of jobs whose one attempt has been abandoned, and a new job behind them."""
    once = evolve(queue, policies=Policies(retry=Retry(attempts_max=1)))
    for number in range(jobs):
        once.enqueue(number)
        leased(once, "dead")
    clock.advance(30_000)
    once.enqueue("next")
    return once


def test_a_lease_that_buries_goes_on_in_another_transaction_at_a_later_time(
    queue: Queue, database: Database, clock: ManualClock
) -> None:
    """Each job is buried in a transaction of its own, and the lease begins after the last of them."""
    spent(queue, clock, 2)
    before = len(list(queue.store.audit()))
    with closing(database.open(clock=Ticking(clock.now()))) as store:
        lease = leased(evolve(queue, store=store), "B")
        rows = list(store.audit())[before:]
    assert [(row.event, row.job_id) for row in rows] == [
        ("expired", 1),
        ("buried", 1),
        ("expired", 2),
        ("buried", 2),
        ("leased", 3),
    ]
    first, again, second, also, last = [row.at for row in rows]
    assert first == again < second == also < last
    assert lease.execution.lease_expires_at == last + 30_000


class Fragile:
    """A store whose transactions, from the second on, cannot be begun."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._begun = 0

    def __getattr__(self, name: str) -> object:
        return getattr(self._store, name)

    def transaction(self) -> object:
        """Begin, once."""
        self._begun += 1
        if self._begun > 1:
            raise StoreUnavailable("gone")
        return self._store.transaction()


def test_what_a_lease_has_buried_stays_buried(queue: Queue, clock: ManualClock) -> None:
    """Where the store is gone before the next job is leased, the worker is told, and the job is FAILED."""
    once = spent(queue, clock, 1)
    with pytest.raises(StoreUnavailable, match="gone"):
        evolve(once, store=cast(Store, Fragile(queue.store))).lease("B")
    assert queue.store.counts().failed == 1
    assert leased(once, "B").job.payload == "next"
