"""A worker that reconciles now and then, and one whose store cannot hold an effect."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve, frozen

from system.clock import ManualClock
from system.policies import CommitBoundary, Policies, Reconciliation
from system.policies.reconcile import Reconciled
from system.queue import Queue
from system.sqlite import SQLiteStore
from system.store import Status, StoreBusy, StoreError, StoreUnavailable
from system.worker import Worker
from tests.system.test_worker import details, write


class Hours:
    """The time of the worker, which the test sets."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        """The time, in seconds."""
        return self.now


@pytest.fixture
def hours(monkeypatch: pytest.MonkeyPatch) -> Hours:
    """The clock that says when a worker reconciles."""
    hours = Hours()
    monkeypatch.setattr("system.worker.monotonic", hours)
    return hours


def abandon(queue: Queue, clock: ManualClock) -> None:
    """Leave a job behind that was committed and never finished, and whose lease has run out."""
    queue.enqueue("abandoned")
    lease = queue.lease("dead")
    assert lease is not None
    assert queue.start(lease.execution)
    assert queue.commit(lease.execution, 1)
    clock.advance(30_000)


def reconciled(queue: Queue) -> list[str]:
    """Who has reconciled, an entry each execution."""
    return [row.actor for row in queue.store.audit() if row.operation == "reconcile"]


def test_a_worker_does_not_reconcile_unless_asked(queue: Queue, clock: ManualClock) -> None:
    """By default a worker takes up no other's executions."""
    abandon(queue, clock)
    Worker(queue, write, name="A", clock=clock).drain()
    assert reconciled(queue) == []


def test_a_worker_reconciles_at_the_beginning_and_when_it_is_due(
    queue: Queue, clock: ManualClock, hours: Hours
) -> None:
    """Between jobs and while it is idle, and not before."""
    worker = Worker(queue, write, name="A", clock=clock, reconcile_seconds=60)
    abandon(queue, clock)
    worker.drain()
    assert reconciled(queue) == ["A"]
    abandon(queue, clock)
    hours.now += 59.9
    assert not worker.run_once()
    assert reconciled(queue) == ["A"]
    hours.now += 0.1
    queue.enqueue("next")
    assert worker.run_once()
    assert reconciled(queue) == ["A", "A"]
    assert queue.store.counts().succeeded == 3


@frozen
class Failing(Reconciliation):
    """A reconciliation that cannot be done."""

    error: StoreError

    def run(self, *_: Any, **__: Any) -> Reconciled:
        """Raise."""
        raise self.error


def failing(queue: Queue, error: StoreError) -> Queue:
    """A queue that cannot reconcile."""
    return evolve(queue, policies=Policies(reconcile=Failing(error=error)))


def test_a_store_that_is_busy_keeps_no_worker_from_its_jobs(queue: Queue, clock: ManualClock) -> None:
    """What is locked is reconciled another time; the worker says so, and works on."""
    told: list[str] = []
    queue.enqueue(1)
    busy = failing(queue, StoreBusy("locked"))
    Worker(busy, write, name="A", clock=clock, reconcile_seconds=60, log=told.append).drain()
    assert queue.store.counts().succeeded == 1
    assert told == ["worker A waits: locked", "worker A goes on"]


def test_a_store_that_is_away_is_waited_for(queue: Queue, clock: ManualClock) -> None:
    """As in any other operation: `run_once` says so and comes back, `drain` raises."""
    told: list[str] = []
    queue.enqueue(1)
    away = failing(queue, StoreUnavailable("away"))
    worker = Worker(away, write, name="A", clock=clock, reconcile_seconds=60, log=told.append)
    assert not worker.run_once()
    assert told == ["worker A waits: away"]
    assert worker.run_once()
    with pytest.raises(StoreUnavailable, match="away"):
        Worker(away, write, name="A", clock=clock, reconcile_seconds=60).drain()


@frozen
class Refusing(CommitBoundary):
    """A commit of an effect that the store cannot hold."""

    def commit(self, *given: Any, **named: Any) -> bool:
        """Raise for the effect of the first job."""
        if given[-1] == "1":
            raise StoreError("the effect is too big")
        return super().commit(*given, **named)


def test_an_effect_that_the_store_cannot_hold_fails_its_attempt(queue: Queue, clock: ManualClock) -> None:
    """The audit has the store's words, and the worker goes on with the next job."""
    queue = evolve(queue, policies=Policies(commit=Refusing()))
    queue.enqueue(1)
    queue.enqueue(2)
    Worker(queue, write, name="A", clock=clock).drain()
    assert details(queue) == ["StoreError: the effect is too big"]
    assert [effect.value for effect in queue.store.effects()] == ["2"]
    assert [execution.status for execution in queue.store.executions()] == [Status.ABORTED, Status.DONE]


def test_a_store_that_can_do_nothing_ends_the_worker(queue: Queue, clock: ManualClock) -> None:
    """If the failure cannot be recorded either, the worker ends with the first error."""

    class Useless(Queue):
        def fail(self, *_: object, **__: object) -> bool:
            raise StoreError("and this neither")

    useless = Useless(store=queue.store, policies=Policies(commit=Refusing()))
    queue.enqueue(1)
    with pytest.raises(StoreError, match="the effect is too big"):
        Worker(useless, write, name="A", clock=clock).run()


def test_sqlites_limit_on_a_value_is_no_end_of_the_worker(path: Path, clock: ManualClock) -> None:
    """The real store, with a limit that a long effect does not keep to."""

    def connect(target: str) -> sqlite3.Connection:
        connection = sqlite3.connect(target, isolation_level=None, uri=True, check_same_thread=False)
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, 10_000)
        return connection

    with closing(SQLiteStore(path, clock=clock, create=True, connect=connect)) as store:
        queue = Queue(store=store)
        queue.enqueue(10_001)
        queue.enqueue(1)
        Worker(queue, lambda job, context: context.write("x" * job.payload), name="A", clock=clock).drain()
        [detail] = details(queue)
        assert detail is not None
        assert "longer than SQLite can keep" in detail
        assert [effect.value for effect in store.effects()] == ['"x"']
