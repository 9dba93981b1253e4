"""What each operation of the queue does, and what it refuses."""

import json
from collections.abc import Callable

import pytest
from attrs import evolve

from system.clock import ManualClock
from system.policies import Policies, Reconciliation, Retry
from system.policies.lease import Lease
from system.queue import InvalidJob, Queue
from system.store import Execution, Status, StoreError
from tests.system.databases import Database

LEASE_MS = 30_000
KEYS = ("a\x00b", "a\x00c", "a", "\u00e9", "e\u0301", " ")


def leased(queue: Queue, worker: str = "A") -> Lease:
    """A lease that must be there."""
    lease = queue.lease(worker)
    assert lease is not None, "no job can be leased"
    return lease


def started(queue: Queue, worker: str = "A") -> Execution:
    """The execution of a job that was leased and started."""
    held = leased(queue, worker).execution
    assert queue.start(held)
    return held


def refusals(queue: Queue) -> list[tuple[str, str, int | None, str | None]]:
    """Who was refused which operation, and why."""
    rows = [row for row in queue.store.audit() if row.event == "refused"]
    return [(row.actor, row.operation, row.execution_id, row.reason) for row in rows]


def statuses(queue: Queue) -> list[Status]:
    """The statuses of the executions, by id."""
    return [execution.status for execution in queue.store.executions()]


def test_a_key_has_one_job(queue: Queue) -> None:
    """The same key again gives the job that exists, with its first payload, and an audit row."""
    first = queue.accept({"amount": 5}, key="order-1")
    again = queue.accept({"amount": 6}, key="order-1", actor="retry")
    assert (first.existed, again.existed) == (False, True)
    assert again.job == first.job
    assert queue.store.jobs() == (first.job,)
    assert [(row.actor, row.event) for row in queue.store.audit()] == [
        ("producer", "enqueued"),
        ("retry", "duplicate"),
    ]
    assert queue.store.counts().duplicates_refused == 1


def test_jobs_without_a_key_are_never_the_same(queue: Queue) -> None:
    """Two equal payloads without a key are two jobs."""
    assert queue.enqueue(1).id != queue.enqueue(1).id


def test_retries_that_are_due_come_first_and_then_new_jobs_by_id(queue: Queue, clock: ManualClock) -> None:
    """Retries go by their due time, and by id where that is the same; new jobs by id, whatever the time."""
    queue = evolve(queue, policies=Policies(retry=Retry(backoff_seconds=1)), lease_seconds=1)
    failed = [queue.enqueue("failed").id, queue.enqueue("failed, too").id]
    dead = queue.enqueue("its worker died").id
    late = queue.enqueue("failed late").id
    leases = [leased(queue) for _ in range(4)]
    assert queue.heartbeat(leases[2].execution)
    for lease in (leases[1], leases[0]):
        assert queue.fail(lease.execution, detail="")  # due 1,000 ms later, as is the job of the dead worker
    new = [queue.enqueue("new").id]
    clock.advance(1)
    assert queue.heartbeat(leases[3].execution)
    assert queue.fail(leases[3].execution, detail="")  # due 1 ms after the others
    clock.advance(999)
    new.append(queue.enqueue("also new").id)
    assert [leased(queue).job.id for _ in range(4)] == [*failed, dead, new[0]]
    clock.advance(1)
    assert [leased(queue).job.id for _ in range(2)] == [late, new[1]]
    assert queue.lease("A") is None


def test_a_lease_holds_until_the_millisecond_it_expires(queue: Queue, clock: ManualClock) -> None:
    """Another worker gets the job at the time of expiry, and not one millisecond before."""
    queue.enqueue(1)
    first = leased(queue, "A")
    clock.advance(LEASE_MS - 1)
    assert queue.lease("B") is None
    clock.advance(1)
    second = leased(queue, "B")
    assert (second.job.id, second.execution.attempt) == (first.job.id, 2)
    assert statuses(queue) == [Status.ABORTED, Status.LEASED]
    rows = [(row.actor, row.event, row.execution_id) for row in queue.store.audit()]
    assert rows[-2:] == [("B", "expired", first.execution.id), ("B", "leased", second.execution.id)]


def test_a_heartbeat_extends_the_lease_from_now(queue: Queue, clock: ManualClock) -> None:
    """A heartbeat in the last millisecond gives a full lease more."""
    queue.enqueue(1)
    held = started(queue)
    clock.advance(LEASE_MS - 1)
    assert queue.heartbeat(held)
    clock.advance(LEASE_MS - 1)
    assert queue.lease("B") is None
    assert queue.commit(held, None)


@pytest.mark.parametrize(
    "operation",
    [Queue.start, Queue.heartbeat, lambda q, e: q.commit(e, 1), lambda q, e: q.fail(e, detail="")],
    ids=["start", "heartbeat", "commit", "fail"],
)
def test_the_fence_refuses_whoever_lost_the_lease(
    queue: Queue, clock: ManualClock, operation: Callable[[Queue, Execution], bool]
) -> None:
    """From the millisecond of expiry on nothing goes on, on the record, and no row but the audit changes."""
    queue.enqueue(1)
    stale = leased(queue, "A").execution
    clock.advance(LEASE_MS)
    before = queue.store.jobs(), queue.store.executions()
    assert not operation(queue, stale)
    assert (queue.store.jobs(), queue.store.executions()) == before
    leased(queue, "B")
    assert not operation(queue, stale)
    name = refusals(queue)[0][1]
    assert refusals(queue) == [("A", name, stale.id, "lease_expired"), ("A", name, stale.id, "lease_lost")]
    assert queue.store.effects() == ()


def test_a_second_commit_is_refused(queue: Queue, clock: ManualClock) -> None:
    """A job that has its effect gets no other, however late the second commit comes."""
    queue.enqueue(1)
    held = started(queue)
    assert queue.commit(held, "first")
    assert not queue.commit(held, "second")
    clock.advance(LEASE_MS)
    assert not queue.commit(held, "third")
    assert refusals(queue) == [("A", "commit", held.id, "already_committed")] * 2
    assert [effect.value for effect in queue.store.effects()] == ['"first"']
    assert queue.store.counts().duplicates_refused == 2


def test_a_committed_job_is_never_leased_again(queue: Queue, clock: ManualClock) -> None:
    """Once its effect is durable a job is not available, also when nobody finishes it."""
    queue.enqueue(1)
    queue.commit(started(queue), None)
    clock.advance(10 * LEASE_MS)
    assert queue.lease("B") is None


def test_the_wait_after_a_failure_doubles_up_to_its_maximum(queue: Queue, clock: ManualClock) -> None:
    """A failed job is available after exactly its backoff: 1 s, doubled each time, to the maximum."""
    queue = evolve(queue, policies=Policies(retry=Retry(attempts_max=5, backoff_max_seconds=3)))
    queue.enqueue(1)
    for wait in (1_000, 2_000, 3_000, 3_000):
        assert queue.fail(started(queue), detail="no")
        clock.advance(wait - 1)
        assert queue.lease("A") is None
        clock.advance(1)
    failed = [row for row in queue.store.audit() if row.event == "failed"]
    assert {(row.reason, row.detail) for row in failed} == {("handler_failed", "no")}


def fail(queue: Queue, clock: ManualClock) -> None:
    """End an attempt: the handler fails."""
    queue.fail(started(queue), detail="")
    clock.advance(60_000)


def abandon_to_reconciliation(queue: Queue, clock: ManualClock) -> None:
    """End an attempt: the worker dies, and reconciliation takes the job up."""
    started(queue)
    clock.advance(LEASE_MS)
    queue.reconcile()


def abandon(queue: Queue, clock: ManualClock) -> None:
    """End an attempt: the worker dies, and the next lease takes the job up."""
    started(queue)
    clock.advance(LEASE_MS)


@pytest.mark.parametrize("end", [fail, abandon_to_reconciliation, abandon])
def test_a_job_whose_budget_is_spent_is_buried(
    queue: Queue, clock: ManualClock, end: Callable[[Queue, ManualClock], None]
) -> None:
    """However an attempt ends it counts, and after the last one the job is FAILED, with the reason."""
    queue.enqueue(1)
    for _ in range(3):
        end(queue, clock)
    assert queue.lease("B") is None
    assert queue.store.counts().failed == 1
    assert [row.reason for row in queue.store.audit() if row.event == "buried"] == ["attempts_spent"]
    assert statuses(queue) == [Status.ABORTED] * 3


def test_a_lease_passes_over_the_jobs_it_buries(queue: Queue, clock: ManualClock) -> None:
    """A lease that finds a job spent buries it, and takes the next one."""
    queue = evolve(queue, policies=Policies(retry=Retry(attempts_max=1)))
    queue.enqueue("spent")
    leased(queue)
    clock.advance(LEASE_MS)
    queue.enqueue("next")
    assert leased(queue, "B").job.payload == "next"
    assert queue.store.counts().failed == 1


def test_reconciliation_finishes_what_was_committed(queue: Queue, clock: ManualClock) -> None:
    """A commit that nobody finished is DONE after reconciliation, and the late worker's finish is refused."""
    queue.enqueue(1)
    held = started(queue)
    queue.commit(held, None)
    clock.advance(LEASE_MS - 1)
    assert queue.reconcile().finished == 0
    clock.advance(1)
    assert queue.reconcile().finished == 1
    assert queue.store.counts().succeeded == 1
    assert not queue.finish(held)
    assert refusals(queue) == [("A", "finish", held.id, "already_finished")]


def test_a_worker_may_finish_after_its_lease(queue: Queue, clock: ManualClock) -> None:
    """What is committed needs no lease to be finished, and reconciliation then finds nothing."""
    queue.enqueue(1)
    held = started(queue)
    queue.commit(held, None)
    clock.advance(10 * LEASE_MS)
    assert queue.finish(held)
    before = list(queue.store.audit())
    assert (queue.reconcile().finished, list(queue.store.audit())) == (0, before)


def test_reconciliation_may_run_twice_and_beside_live_workers(queue: Queue, clock: ManualClock) -> None:
    """It ends only leases that have run out, and a second run changes nothing."""
    queue.enqueue("dead")
    leased(queue, "dead")
    clock.advance(LEASE_MS - 1)
    queue.enqueue("live")
    live = started(queue, "live")
    clock.advance(1)
    assert queue.reconcile(actor="R").aborted == 1
    before = list(queue.store.audit()), queue.store.executions(), queue.store.jobs()
    assert before[0][-1].actor == "R"
    assert queue.reconcile(actor="R").aborted == 0
    assert (list(queue.store.audit()), queue.store.executions(), queue.store.jobs()) == before
    assert queue.commit(live, None)


def test_a_batch_bounds_what_one_reconciliation_takes_up(queue: Queue, clock: ManualClock) -> None:
    """Runs of two at a time end five abandoned leases in three runs."""
    queue = evolve(queue, policies=Policies(reconcile=Reconciliation(batch=2)))
    for number in range(5):
        queue.enqueue(number)
        leased(queue)
    clock.advance(LEASE_MS)
    assert [queue.reconcile().aborted for _ in range(4)] == [2, 2, 1, 0]


def nested(depth: int) -> object:
    """Lists in lists."""
    value: object = []
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    "value",
    ["é 😀 \u2028", "\x00\x1f", "\ud800 alone", 10**30, -(10**30), 5e-324, 2**53 + 1, nested(200), {"": {}}],
    ids=ascii,
)
def test_payloads_and_effects_survive(queue: Queue, value: object) -> None:
    """Any JSON value is read back as it was given, and kept as plain ASCII."""
    job = queue.enqueue(value)
    queue.commit(started(queue), value)
    kept = [queue.store.jobs()[0].payload_json, queue.store.effects()[0].value]
    assert (kept[0], job.payload) == (job.payload_json, value)
    assert [json.loads(text) for text in kept] == [value, value]
    assert all(text.isascii() for text in kept)


@pytest.mark.parametrize(
    "value", [float("nan"), float("inf"), {1, 2}, b"bytes", object(), nested(100_000)], ids=type
)
def test_what_is_not_json_is_not_accepted(queue: Queue, value: object) -> None:
    """A payload that is not JSON raises InvalidJob, and no job is added."""
    with pytest.raises(InvalidJob, match="not JSON"):
        queue.enqueue(value)
    assert queue.store.jobs() == ()


@pytest.mark.parametrize("key", KEYS, ids=ascii)
def test_keys_are_kept_as_they_are(queue: Queue, database: Database, key: str) -> None:
    """A key is compared character by character, with null bytes and without normalisation.

    A database that cannot keep a null byte refuses it.
    """
    if "\x00" in key and not database.null_bytes:
        with pytest.raises(StoreError, match=r"cannot keep text with a null byte$"):
            queue.enqueue(1, key=key)
        assert queue.store.jobs() == ()
        return
    others = {other for other in KEYS if database.null_bytes or "\x00" not in other} - {key}
    for other in sorted(others):
        queue.enqueue(other, key=other)
    job = queue.accept(1, key=key)
    assert (job.existed, job.job.key) == (False, key)
    assert queue.accept(1, key=key).existed
    assert {kept.key for kept in queue.store.jobs()} == {key, *others}


@pytest.mark.parametrize(("key", "why"), [("", "empty"), ("\ud800", "not valid Unicode")])
def test_a_key_that_cannot_be_kept_is_not_accepted(queue: Queue, key: str, why: str) -> None:
    """An empty key, or one that is not valid Unicode, raises InvalidJob, and no job is added."""
    with pytest.raises(InvalidJob, match=why):
        queue.enqueue(1, key=key)
    assert queue.store.jobs() == ()


def test_a_job_is_enqueued_by_the_producer_unless_said_otherwise(queue: Queue) -> None:
    """The audit row names the actor."""
    queue.enqueue(1)
    queue.enqueue(2, actor="import")
    assert [row.actor for row in queue.store.audit()] == ["producer", "import"]


def test_an_execution_is_started_once(queue: Queue) -> None:
    """A second start is refused, with a reason of its own, and changes nothing."""
    queue.enqueue(1)
    held = started(queue)
    assert not queue.start(held)
    assert refusals(queue) == [("A", "start", held.id, "already_started")]
    assert statuses(queue) == [Status.IN_PROGRESS]


def test_a_reconciliation_counts_what_it_finished(queue: Queue, clock: ManualClock) -> None:
    """Each execution that was committed and not finished counts; the reconciler has a name of its own."""
    for number in range(2):
        queue.enqueue(number)
        assert queue.commit(started(queue), number)
    clock.advance(LEASE_MS)
    assert queue.reconcile().finished == 2
    assert [row.actor for row in queue.store.audit()][-2:] == ["reconciler"] * 2
