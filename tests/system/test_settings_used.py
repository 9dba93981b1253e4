"""Settings other than the defaults are used: a constant in the place of one is seen here."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from attrs import evolve

from system.clock import ManualClock
from system.policies import CircuitBreaker, Policies, Reconciliation, Retry, RetryBudget
from system.queue import Queue
from system.settings import BUSY_SECONDS_MAX, SECONDS_MAX
from system.sqlite import connecting
from system.store import Breaker
from tests.system.commands import fine
from tests.system.databases import Database
from tests.system.test_queue import leased, started

FAR = 2**63 - 1 - SECONDS_MAX * 1000
"""The latest time (ms) that a setting can be added to."""


def test_the_longest_wait_for_a_lock_can_be_used(database: Database, clock: ManualClock) -> None:
    """The database takes it."""
    with closing(database.open(clock=clock, create=True, busy_seconds=BUSY_SECONDS_MAX)) as store:
        assert Queue(store=store).enqueue(1).id == 1


def test_sqlite_waits_as_long_as_it_is_told(path: Path) -> None:
    """In milliseconds."""
    with closing(connecting(2.5)(path.as_uri())) as connection:
        assert isinstance(connection, sqlite3.Connection)
        assert connection.execute("PRAGMA busy_timeout").fetchone() == (2_500,)


@pytest.mark.parametrize(("seconds", "ms"), [(7.5, 7_500), (0.001, 1), (SECONDS_MAX, SECONDS_MAX * 1000)])
def test_a_lease_lasts_as_long_as_it_is_set(
    queue: Queue, clock: ManualClock, seconds: float, ms: int
) -> None:
    """At first, and from each heartbeat on."""
    queue = evolve(queue, lease_seconds=seconds)
    queue.enqueue(1)
    lease = leased(queue)
    assert lease.execution.lease_expires_at == clock.now() + ms
    assert queue.start(lease.execution)
    clock.advance(ms - 1)
    assert queue.heartbeat(lease.execution)
    [execution] = queue.store.executions()
    assert execution.lease_expires_at == clock.now() + ms
    assert queue.store.jobs()[0].available_at == clock.now() + ms
    clock.advance(ms)
    assert not queue.heartbeat(lease.execution)


def test_a_backoff_and_its_maximum_are_as_they_are_set(queue: Queue, clock: ManualClock) -> None:
    """After each attempt the job waits as long as that."""
    queue = evolve(
        queue, policies=Policies(retry=Retry(attempts_max=5, backoff_seconds=0.25, backoff_max_seconds=0.9))
    )
    queue.enqueue(1)
    for wait_ms in (250, 500, 900, 900):
        assert queue.fail(started(queue), detail="no")
        assert queue.store.jobs()[0].available_at == clock.now() + wait_ms
        clock.advance(wait_ms)
    assert queue.fail(started(queue), detail="no")
    assert queue.store.jobs()[0].available_at is None


def test_the_window_of_a_budget_is_as_it_is_set(queue: Queue, clock: ManualClock) -> None:
    """The next retry may begin when it is over, and not before."""
    budget = RetryBudget(retries_max=1, window_seconds=2.5)
    queue = evolve(queue, policies=Policies(retry=Retry(backoff_seconds=0, attempts_max=9), budget=budget))
    queue.enqueue(1)
    for _ in range(2):
        assert queue.fail(started(queue), detail="no")
    begun_at = clock.now()
    assert queue.store.retries() == (begun_at,)
    clock.advance(1)
    assert queue.lease("A") is None
    clock.advance(2_498)
    assert queue.lease("A") is None
    clock.advance(1)
    leased(queue)
    assert queue.store.retries() == (begun_at + 2_500,), "the one before is forgotten"


def test_a_breaker_is_open_as_long_as_it_is_set(queue: Queue, clock: ManualClock) -> None:
    """From the failure that opens it, and from each probe on."""
    breaker = CircuitBreaker(failures_max=3, open_seconds=1.5)
    queue = evolve(queue, policies=Policies(retry=Retry(backoff_seconds=0, attempts_max=9), breaker=breaker))
    queue.enqueue(1)
    for failures in (1, 2):
        assert queue.fail(started(queue), detail="no")
        assert queue.store.breaker() == Breaker(failures=failures)
    assert queue.fail(started(queue), detail="no")
    assert queue.store.breaker() == Breaker(failures=3, open_until_at=clock.now() + 1_500)
    clock.advance(1_499)
    assert queue.lease("A") is None
    clock.advance(1)
    leased(queue)
    assert queue.store.breaker() == Breaker(failures=3, open_until_at=clock.now() + 1_500)


def test_a_batch_is_as_large_as_it_is_set(queue: Queue, clock: ManualClock) -> None:
    """A reconciliation ends no more executions."""
    for number in range(5):
        queue.enqueue(number)
        leased(queue)
    clock.advance(30_000)
    queue = evolve(queue, policies=Policies(reconcile=Reconciliation(batch=2)))
    assert [queue.reconcile().aborted for _ in range(4)] == [2, 2, 1, 0]


def test_a_seed_of_jitter_is_used(queue: Queue, clock: ManualClock) -> None:
    """The job waits as long as the policy says, and another seed says another time for the same attempt."""
    seeds = (None, -(2**63), 0, 2**63 - 1)
    policies = [Retry(backoff_seconds=60, jitter_seed=seed) for seed in seeds]
    for retry in policies:
        its = evolve(queue, policies=Policies(retry=retry))
        job = its.enqueue(1)
        assert its.fail(started(its), detail="no")
        failed = queue.store.executions()[-1]
        assert queue.store.jobs()[job.id - 1].available_at == clock.now() + retry.wait_ms(failed)
    waits = {retry.wait_ms(failed) for retry in policies}
    assert len(waits) == len(seeds)
    assert (min(waits) >= 0, max(waits)) == (True, 60_000)


def test_the_longest_settings_fit_the_latest_times(database: Database) -> None:
    """Lease, backoff, window and open breaker of the maximum, at a time that is as late as can be."""
    clock = ManualClock(FAR)
    policies = Policies(
        retry=Retry(attempts_max=2**63 - 1, backoff_seconds=SECONDS_MAX, backoff_max_seconds=SECONDS_MAX),
        budget=RetryBudget(retries_max=2**63 - 1, window_seconds=SECONDS_MAX),
        breaker=CircuitBreaker(failures_max=1, open_seconds=SECONDS_MAX),
        reconcile=Reconciliation(batch=2**63 - 1),
    )
    with closing(database.open(clock=clock, create=True)) as store:
        queue = Queue(store=store, policies=policies, lease_seconds=SECONDS_MAX)
        queue.enqueue(1)
        assert queue.heartbeat(leased(queue).execution)
        queue.reconcile()
        [execution] = store.executions()
        assert execution.lease_expires_at == 2**63 - 1
        assert queue.start(execution)
        assert queue.fail(execution, detail="no")
        assert store.jobs()[0].available_at == 2**63 - 1
        assert store.breaker().open_until_at == 2**63 - 1


@pytest.mark.usefixtures("folder")
def test_the_command_line_uses_the_lease_that_it_is_given(database: Database) -> None:
    """The worker's lease ends so long after it was given."""
    fine("enqueue", "1", "--attempts", "2")
    fine("work", "handlers:echo", "--once", "--lease-seconds", "7.5")
    lasts = "SELECT lease_expires_at - at FROM executions, audit WHERE event = 'leased'"
    assert database.rows(lasts) == [(7_500,)]
    assert database.rows("SELECT attempts_max FROM jobs") == [(2,)]
