"""The retry budget, the circuit breaker and the jitter, on the real queue."""

from typing import Any

import pytest
from attrs import evolve

from model.limits import wait_ms
from model.state import Execution as ModelExecution
from model.state import Settings
from model.state import Status as ModelStatus
from system.audit import EventKind, Operation
from system.clock import ManualClock
from system.policies import CircuitBreaker, Policies, Retry, RetryBudget
from system.queue import Queue
from system.store import Breaker, Execution, Status
from system.worker import Worker
from tests.system.test_queue import leased


def _events(queue: Queue) -> list[str]:
    return [row.event for row in queue.store.audit() if row.event in ("exhausted", "opened", "closed")]


def _fail_one(queue: Queue) -> bool:
    """Lease a job, and fail it. False when there is none to lease."""
    lease = queue.lease("A")
    if lease is None:
        return False
    assert queue.start(lease.execution)
    assert queue.fail(lease.execution, detail="down")
    return True


def _finish_one(queue: Queue) -> None:
    lease = queue.lease("A")
    assert lease is not None
    held = lease.execution
    assert queue.start(held)
    assert queue.commit(held, 1)
    assert queue.finish(held)


def test_of_many_jobs_that_fail_only_so_many_are_retried(queue: Queue, clock: ManualClock) -> None:
    """A hundred jobs fail at once; in the window that follows three are tried again, and no more."""
    budget = RetryBudget(retries_max=3, window_seconds=60)
    queue = evolve(queue, policies=Policies(retry=Retry(backoff_seconds=0), budget=budget))
    for number in range(100):
        queue.enqueue(number)
        clock.advance(1)
    retries = 0
    for _ in range(100 + 3):
        retries += _fail_one(queue)
    assert retries == 103
    assert not _fail_one(queue)
    assert len(queue.store.retries()) == 3
    assert _events(queue) == ["exhausted"]
    clock.advance(60_000)
    assert [_fail_one(queue) for _ in range(4)] == [True, True, True, False]
    assert _events(queue) == ["exhausted"] * 2


WAITING = 300
BUDGET = Policies(budget=RetryBudget(retries_max=2, window_seconds=60))


def _failed_before(queue: Queue, jobs: int) -> None:
    """Add jobs whose first attempt has failed, and which are due again."""
    with queue.store.transaction() as tx:
        for _ in range(jobs):
            job = tx.add_job(key=None, payload_json="1", attempts_max=3)
            first = tx.add_execution(
                job_id=job.id, attempt=1, worker="A", lease_expires_at=tx.now, operation=Operation.LEASE
            )
            tx.move(first, to=Status.ABORTED, event=EventKind.FAILED, operation=Operation.FAIL, actor="A")
            tx.set_available(job.id, tx.now)


def test_retries_without_room_do_not_delay_a_new_job(queue: Queue) -> None:
    """One lease passes over 300 retries that are due and takes the new job; it writes nothing for them."""
    queue = evolve(queue, policies=BUDGET)
    _failed_before(queue, WAITING)
    first, second = (leased(queue).execution.id for _ in range(2))
    exhausted = [row for row in queue.store.audit() if row.event == "exhausted"]
    assert [(row.operation, row.actor, row.job_id, row.execution_id, row.reason) for row in exhausted] == [
        ("lease", "A", 2, second, "retry_budget")
    ]
    assert first < second
    new = queue.enqueue("new")
    jobs, rows = queue.store.jobs(), len(list(queue.store.audit()))
    lease = leased(queue)
    assert (lease.job.id, lease.execution.attempt) == (new.id, 1)
    assert [row.event for row in list(queue.store.audit())[rows:]] == ["leased"]
    assert queue.store.jobs()[:-1] == jobs[:-1]


def test_retries_that_wait_for_the_budget_leave_no_row_a_minute(queue: Queue, clock: ManualClock) -> None:
    """However often leases find no room there is one row; then there is room, for as many as before."""
    queue = evolve(queue, policies=BUDGET)
    _failed_before(queue, 5)
    for lease in [leased(queue) for _ in range(2)]:
        assert queue.start(lease.execution)
        assert queue.commit(lease.execution, 1)
        assert queue.finish(lease.execution)
    before = list(queue.store.audit()), queue.store.jobs()
    for _ in range(59):
        clock.advance(1_000)
        assert queue.lease("A") is None
        assert (list(queue.store.audit()), queue.store.jobs()) == before
    clock.advance(1_000)
    assert [leased(queue).execution.attempt for _ in range(2)] == [2, 2]
    assert queue.lease("A") is None
    assert _events(queue) == ["exhausted"] * 2


def test_drain_does_not_end_while_a_new_job_is_due(queue: Queue, clock: ManualClock) -> None:
    """With retries that are due and no room for them, each new job is worked on; the retries wait."""
    queue = evolve(queue, policies=BUDGET)
    _failed_before(queue, WAITING)
    new = [queue.enqueue(number).id for number in range(3)]
    Worker(queue, lambda *_: None, name="A", clock=clock).drain()
    assert [effect.job_id for effect in queue.store.effects()] == [1, 2, *new]
    assert queue.store.counts().pending == WAITING - 2


def test_a_first_attempt_needs_no_budget(queue: Queue) -> None:
    """Jobs that have not been tried are leased as ever, and nothing is written down."""
    queue = evolve(queue, policies=Policies(budget=RetryBudget(retries_max=1)))
    for number in range(3):
        queue.enqueue(number)
        _finish_one(queue)
    assert queue.store.retries() == ()


def test_the_breaker_opens_probes_and_closes(queue: Queue, clock: ManualClock) -> None:
    """Two failures in a row open it; after 10 s one job is let through; when that is finished all are."""
    breaker = CircuitBreaker(failures_max=2, open_seconds=10)
    queue = evolve(queue, policies=Policies(retry=Retry(attempts_max=1), breaker=breaker))
    for number in range(6):
        queue.enqueue(number)
    assert [_fail_one(queue) for _ in range(3)] == [True, True, False]
    assert queue.store.breaker() == Breaker(failures=2, open_until_at=clock.now() + 10_000)
    clock.advance(9_999)
    assert queue.lease("A") is None
    clock.advance(1)
    probe = queue.lease("A")
    assert probe is not None
    assert queue.lease("B") is None
    assert queue.start(probe.execution)
    assert queue.commit(probe.execution, 1)
    assert queue.finish(probe.execution)
    assert queue.store.breaker() == Breaker()
    _finish_one(queue)
    assert _events(queue) == ["opened", "closed"]


def test_a_success_between_two_failures_keeps_it_closed(queue: Queue) -> None:
    """Only failures in a row count."""
    breaker = CircuitBreaker(failures_max=2)
    queue = evolve(queue, policies=Policies(retry=Retry(attempts_max=1), breaker=breaker))
    for number in range(4):
        queue.enqueue(number)
    _fail_one(queue)
    _finish_one(queue)
    _fail_one(queue)
    assert queue.store.breaker() == Breaker(failures=1)
    assert _events(queue) == []


def test_a_worker_that_lets_go_of_its_jobs_does_not_open_the_breaker(
    queue: Queue, clock: ManualClock
) -> None:
    """It was told to stop; no handler failed."""
    queue = evolve(queue, policies=Policies(breaker=CircuitBreaker(failures_max=1)))
    queue.enqueue(1)

    def handle(*_: object) -> None:
        worker.interrupt()
        worker.interrupt()

    worker = Worker(queue, handle, name="A", clock=clock)
    worker.run()
    assert [row.event for row in queue.store.audit()] == ["enqueued", "leased", "started", "failed"]
    assert queue.store.breaker() == Breaker()


def test_by_default_there_are_no_limits(queue: Queue) -> None:
    """Nothing is counted, and nothing is written."""
    queue = evolve(queue, policies=Policies(retry=Retry(backoff_seconds=0, attempts_max=50)))
    queue.enqueue(1)
    assert all(_fail_one(queue) for _ in range(50))
    assert (queue.store.retries(), queue.store.breaker()) == ((), Breaker())


@pytest.mark.parametrize("seed", [None, 0, 1, -5, 2**63 - 1])
def test_the_model_draws_the_same_jitter(seed: int | None) -> None:
    """For every job and attempt, without a line of code in common."""
    settings = Settings(jitter_seed=seed)
    for job in (1, 2, 900):
        for attempt in (1, 2, 7, 12):
            of = {"attempt": attempt, "worker": "A", "lease_expires_at": 0}
            real = Execution(id=5, job_id=job, status=Status.LEASED, token="t", **of)  # type: ignore[arg-type]
            modelled = ModelExecution(id=5, job=job, status=ModelStatus.LEASED, **of)  # type: ignore[arg-type]
            assert Retry(jitter_seed=seed).wait_ms(real) == wait_ms(settings, modelled)


@pytest.mark.parametrize(
    ("policy", "name", "wrong"),
    [
        (RetryBudget(), "retries_max", 0),
        (RetryBudget(), "window_seconds", 0),
        (CircuitBreaker(), "failures_max", 0),
        (CircuitBreaker(), "open_seconds", float("nan")),
    ],
)
def test_a_limit_without_sense_is_refused(policy: Any, name: str, wrong: Any) -> None:
    """No retry ever, or no time at all, raises ValueError where it is given."""
    with pytest.raises(ValueError, match=name):
        evolve(policy, **{name: wrong})
