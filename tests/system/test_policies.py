"""What each policy decides, by itself."""

from typing import Any

import pytest
from attrs import evolve, fields

from model.invariants import invariant
from system.audit import Operation, Reason
from system.clock import ManualClock
from system.policies import CommitBoundary, ExternalKeys, Fence, Policies, Reconciliation, Retry
from system.policies.lease import Lease
from system.queue import Queue
from system.store import HELD, Execution, Job, Status

EXPIRY = 1_000


def execution(status: Status) -> Execution:
    """An execution in that status, whose lease ends at EXPIRY."""
    return Execution(id=1, job_id=1, attempt=1, worker="A", status=status, lease_expires_at=EXPIRY, token="t")


@pytest.mark.parametrize("status", Status)
@pytest.mark.parametrize("now", [EXPIRY - 1, EXPIRY, EXPIRY + 1])
def test_the_fence_lets_through_only_a_held_lease_that_has_not_run_out(status: Status, now: int) -> None:
    """LEASED and IN_PROGRESS may go on before the millisecond of expiry; everything else has a reason."""
    if status not in HELD:
        expected: str | None = "lease_lost"
    else:
        expected = None if now < EXPIRY else Reason.LEASE_EXPIRED
    assert Fence().refusal(execution(status), now) == expected


@pytest.mark.parametrize(
    ("attempt", "wait_ms"), [(1, 1_000), (2, 2_000), (3, 4_000), (6, 32_000), (7, 60_000), (10**9, 60_000)]
)
def test_the_backoff_doubles_up_to_its_maximum(attempt: int, wait_ms: int) -> None:
    """After attempt n it is 1 s times 2 to the n - 1, and never more than 60 s, also for a huge n."""
    assert Retry().backoff_ms(attempt) == wait_ms


def test_a_backoff_of_nothing_is_nothing() -> None:
    """With no backoff a failed job is available at once, at every attempt."""
    assert {Retry(backoff_seconds=0).backoff_ms(attempt) for attempt in (1, 2, 100)} == {0}


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("attempts_max", 0),
        ("backoff_seconds", -1),
        ("backoff_seconds", float("nan")),
        ("backoff_max_seconds", -0.1),
    ],
)
def test_a_retry_policy_without_sense_is_refused(name: str, wrong: Any) -> None:
    """No attempt at all, a wait of less than nothing, or of nan, raises ValueError where it is given."""
    with pytest.raises(ValueError, match=name):
        evolve(Retry(), **{name: wrong})


def test_a_reconciliation_of_no_executions_is_refused() -> None:
    """A batch is at least one execution."""
    with pytest.raises(ValueError, match="batch"):
        Reconciliation(batch=0)


def lease(job_id: int, *, key: str | None = None, token: str = "t", attempt: int = 1) -> Lease:
    """An attempt at a job."""
    job = Job(
        id=job_id,
        key=key,
        payload_json="1",
        attempts_max=3,
        enqueued_at=0,
        available_at=0,
        timed=False,
        token=token,
    )
    return Lease(job=job, execution=evolve(execution(Status.LEASED), job_id=job_id, attempt=attempt))


def test_the_keys_of_two_queues_can_be_told_apart() -> None:
    """A prefix of its own for each; an empty one is refused."""
    for one in (lease(1), lease(1, key="k"), lease(1, token="")):
        east, west = (ExternalKeys(prefix=prefix).key(one) for prefix in ("east", "west"))
        assert (east.partition("-")[0], west.partition("-")[0]) == ("east", "west")
        assert east.partition("-")[2] == west.partition("-")[2]
    with pytest.raises(ValueError, match="prefix"):
        ExternalKeys(prefix="")


def test_an_external_key_is_of_the_idempotency_key_or_else_of_the_job_itself() -> None:
    """A key gives the same in any timeline; a job without one has its token; an upgraded job its old key."""
    key = ExternalKeys().key
    assert key(lease(1)) == "job-1-t" == key(lease(1, attempt=2))
    assert key(lease(1, token="u")) != key(lease(1)) != key(lease(2))
    assert key(lease(1, key="k")) == key(lease(2, key="k", token="u", attempt=2))
    assert len({key(lease(1, key=name)) for name in ("k", "K", "k ", "1-t", "job-1")}) == 5
    assert key(lease(1, token="")) == key(lease(1, key="k", token="")) == "job-1"


def test_an_external_key_is_the_same_in_each_version() -> None:
    """A charge that was made before an upgrade is recognised after it."""
    assert ExternalKeys().key(lease(1, key="order-1")) == "job-56eea00bbcad2f0a2ca2cc13492405d7"


def test_a_queue_with_leases_of_no_time_is_refused(queue: Queue) -> None:
    """A lease lasts a millisecond at least."""
    for wrong in (0.0, -1.0, float("nan")):
        with pytest.raises(ValueError, match="lease_seconds"):
            evolve(queue, lease_seconds=wrong)


@pytest.mark.parametrize("policy", [type(getattr(Policies(), field.name)) for field in fields(Policies)])
def test_a_policy_names_the_invariants_it_protects(
    policy: type[CommitBoundary | Fence | Retry | Reconciliation],
) -> None:
    """Each invariant that a policy says it protects exists."""
    assert [invariant(name).id for name in policy.protects] == list(policy.protects) != []


def test_an_execution_is_buried_with_its_last_attempt_only(queue: Queue) -> None:
    """`bury_if_spent` gives the job up when the budget that the job was enqueued with is spent."""
    job = evolve(queue, policies=Policies(retry=Retry(attempts_max=2))).enqueue(1)
    for attempt, buried in ((1, False), (2, True), (3, True)):
        last = evolve(execution(Status.ABORTED), job_id=job.id, attempt=attempt)
        with queue.store.transaction() as tx:
            assert (
                Retry(attempts_max=9).bury_if_spent(tx, last, operation=Operation.FAIL, actor="A") is buried
            )
            assert (tx.job(job.id).available_at is None) is buried


def test_reconciliation_takes_up_the_longest_abandoned_first(queue: Queue, clock: ManualClock) -> None:
    """With room for one execution it is the one whose lease ran out first, whatever its id."""
    for number, lease_seconds in enumerate((3.0, 1.0, 2.0)):
        queue.enqueue(number)
        evolve(queue, lease_seconds=lease_seconds).lease(str(lease_seconds))
    clock.advance(3_000)
    for _ in range(3):
        Reconciliation(batch=1).run(queue.store, Retry(), "R")
    expired = [row.execution_id for row in queue.store.audit() if row.event == "expired"]
    assert expired == [2, 3, 1]
