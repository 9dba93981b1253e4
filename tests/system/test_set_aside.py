"""A row that cannot be read stops its own job, and nothing else."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from system.clock import ManualClock
from system.policies import CircuitBreaker, Policies, RetryBudget
from system.queue import Queue
from system.sqlite import SQLiteStore
from system.store import JobState, Status
from system.worker import Context, Worker
from tests.system.commands import fine

BAD_JOBS = {
    "payload is not valid UTF-8": "UPDATE jobs SET payload = CAST(x'ff22' AS TEXT) WHERE id = 1",
    "payload is of type bytes": "UPDATE jobs SET payload = x'00ff' WHERE id = 1",
    "key is not valid UTF-8": "UPDATE jobs SET key = CAST(x'c328' AS TEXT) WHERE id = 1",
    "enqueued_at is of type str": "UPDATE jobs SET enqueued_at = 'yesterday' WHERE id = 1",
    "attempts_max is of type str": "UPDATE jobs SET attempts_max = 'many' WHERE id = 1",
}
BAD_EXECUTIONS = {
    "a status is 'LOST'": "UPDATE executions SET status = 'LOST' WHERE job_id = 1",
    "worker is not valid UTF-8": "UPDATE executions SET worker = CAST(x'ff' AS TEXT) WHERE job_id = 1",
    "attempt is of type str": "UPDATE executions SET attempt = 'first' WHERE job_id = 1",
}


@pytest.fixture
def store(path: Path, clock: ManualClock) -> SQLiteStore:
    """A queue of three jobs in a file."""
    store = SQLiteStore(path, clock=clock, create=True)
    for number in range(3):
        Queue(store=store).enqueue(number)
    return store


def spoil(path: Path, statement: str) -> None:
    """Write what no program of ours writes, past the rules of the schema."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA ignore_check_constraints = ON")
        connection.execute(statement)


def work(queue: Queue, clock: ManualClock) -> None:
    """Work on all that can be leased now."""

    def handle(_: object, context: Context) -> None:
        context.write("done")

    Worker(queue, handle, name="W", clock=clock).drain()


def test_a_job_whose_due_time_is_no_number_is_set_aside(
    store: SQLiteStore, path: Path, clock: ManualClock
) -> None:
    """No query for a due time finds such a row, and its job would wait for ever."""
    with closing(store):
        spoil(path, "UPDATE jobs SET timed = TRUE, available_at = 'soon' WHERE id = 1")
        work(Queue(store=store), clock)
        assert [effect.job_id for effect in store.effects()] == [2, 3]
        [row] = [row for row in store.audit(job_id=1) if row.event == "set_aside"]
        assert (row.reason, row.detail) == ("unreadable", "available_at is of type str")
        counts = store.counts()
        assert (counts.pending, counts.running, counts.set_aside) == (0, 0, 1)


@pytest.mark.parametrize(("why", "statement"), BAD_JOBS.items(), ids=BAD_JOBS.keys())
def test_a_job_that_cannot_be_read_is_set_aside_and_the_rest_goes_on(
    why: str, statement: str, store: SQLiteStore, path: Path, clock: ManualClock
) -> None:
    """The others are done; of this one there is an audit row with the reason."""
    with closing(store):
        spoil(path, statement)
        work(Queue(store=store), clock)
        assert [effect.job_id for effect in store.effects()] == [2, 3]
        [row] = [row for row in store.audit(job_id=1) if row.event == "set_aside"]
        assert (row.reason, row.detail) == ("unreadable", why)
        counts = store.counts()
        assert (counts.pending, counts.succeeded, counts.failed, counts.set_aside) == (0, 2, 0, 1)
        [found] = store.given_up(10)
        assert (found.job.id, found.state, found.why) == (1, JobState.FAILED, why)


@pytest.mark.parametrize(("why", "statement"), BAD_EXECUTIONS.items(), ids=BAD_EXECUTIONS.keys())
@pytest.mark.parametrize("recovery", ["lease", "reconcile"])
def test_an_attempt_that_cannot_be_read_is_ended(
    recovery: str, why: str, statement: str, store: SQLiteStore, path: Path, clock: ManualClock
) -> None:
    """A lease or a reconciliation that meets it sets its job aside; no execution of it stays open."""
    with closing(store):
        queue = Queue(store=store)
        assert queue.lease("A") is not None
        spoil(path, statement)
        clock.advance(30_000)
        if recovery == "reconcile":
            queue.reconcile()
        work(queue, clock)
        assert [effect.job_id for effect in store.effects()] == [2, 3]
        [row] = [row for row in store.audit(job_id=1) if row.event == "set_aside"]
        assert row.detail == why
        assert store.counts().running == 0
        with closing(sqlite3.connect(path)) as connection:
            statuses = connection.execute("SELECT status FROM executions WHERE job_id = 1").fetchall()
        assert statuses == [("ABORTED",)]


@pytest.mark.parametrize(("why", "statement"), BAD_JOBS.items(), ids=BAD_JOBS.keys())
@pytest.mark.parametrize("operation", ["lease", "reconcile", "fail"])
def test_a_job_that_goes_bad_under_its_lease_is_set_aside(
    operation: str, why: str, statement: str, store: SQLiteStore, path: Path, clock: ManualClock
) -> None:
    """Its execution is readable and open. Recovery and its own worker end it, and the others are done."""
    with closing(store):
        queue = Queue(store=store)
        lease = queue.lease("A")
        assert lease is not None
        assert queue.start(lease.execution)
        spoil(path, statement)
        if operation == "fail":
            assert queue.fail(lease.execution, detail="no")
        clock.advance(30_000)
        if operation == "reconcile":
            queue.reconcile()
        work(queue, clock)
        assert [effect.job_id for effect in store.effects()] == [2, 3]
        [row] = [row for row in store.audit(job_id=1) if row.event == "set_aside"]
        assert (row.operation, row.detail) == (operation, why)
        assert store.counts().running == 0


@pytest.mark.parametrize("operation", ["start", "heartbeat", "commit", "finish", "fail"])
def test_an_execution_that_goes_bad_under_its_worker_is_refused(
    operation: str, store: SQLiteStore, path: Path
) -> None:
    """The operation answers False, and the job is set aside."""
    with closing(store):
        queue = Queue(store=store)
        lease = queue.lease("A")
        assert lease is not None
        spoil(path, BAD_EXECUTIONS["worker is not valid UTF-8"])
        ask = {
            "start": lambda: queue.start(lease.execution),
            "heartbeat": lambda: queue.heartbeat(lease.execution),
            "commit": lambda: queue.commit(lease.execution, 1),
            "finish": lambda: queue.finish(lease.execution),
            "fail": lambda: queue.fail(lease.execution, detail="no"),
        }
        assert not ask[operation]()
        [row] = [row for row in store.audit(job_id=1) if row.event == "set_aside"]
        assert row.operation == operation


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO retries (begun_at) VALUES ('then')",
        "INSERT INTO breaker VALUES (1, 'many', NULL)",
        "INSERT INTO breaker VALUES (1, 1, 'later')",
    ],
)
def test_a_bad_row_of_the_limits_counts_as_none(
    statement: str, store: SQLiteStore, path: Path, clock: ManualClock
) -> None:
    """There is no job to set aside. Jobs are done, and the next failure opens the breaker as always."""
    limits = Policies(budget=RetryBudget(retries_max=1), breaker=CircuitBreaker(failures_max=1))
    with closing(store):
        queue = Queue(store=store, policies=limits)
        spoil(path, statement)
        work(queue, clock)
        assert [effect.job_id for effect in store.effects()] == [1, 2, 3]
        queue.enqueue(4)
        lease = queue.lease("A")
        assert lease is not None
        assert queue.start(lease.execution)
        assert queue.fail(lease.execution, detail="no")
        assert store.breaker().open_until_at is not None
        assert queue.lease("A") is None


@pytest.mark.parametrize("at", ["9223372036854775807", "-9223372036854775808", "'then'"])
def test_a_time_that_has_no_date_is_shown_as_it_is(
    at: str, store: SQLiteStore, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`audit`, `show` and `status` end with exit code 0."""
    store.close()
    spoil(path, f"UPDATE audit SET at = {at}")
    spoil(path, f"UPDATE jobs SET enqueued_at = {at}")
    monkeypatch.setenv("QUEUE_DB", str(path))
    assert at.strip("'") in fine("audit", "1")
    assert at.strip("'") in fine("show", "1")
    assert fine("status")


def test_what_was_committed_stays_done(store: SQLiteStore, path: Path, clock: ManualClock) -> None:
    """An execution with an effect is finished, not aborted, when its row cannot be read."""
    with closing(store):
        queue = Queue(store=store)
        lease = queue.lease("A")
        assert lease is not None
        assert queue.start(lease.execution)
        assert queue.commit(lease.execution, 1)
        spoil(path, BAD_EXECUTIONS["worker is not valid UTF-8"])
        clock.advance(30_000)
        queue.reconcile()
        with closing(sqlite3.connect(path)) as connection:
            statuses = connection.execute("SELECT status FROM executions").fetchall()
        assert statuses == [(Status.DONE.value,)]
        found = store.status(1)
        assert found is not None
        assert found.state is JobState.SUCCEEDED


def test_the_commands_show_what_can_be_shown(
    store: SQLiteStore, path: Path, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`audit`, `show`, `failed` and `status` print a spoiled job, and no traceback."""
    with closing(store):
        spoil(path, BAD_JOBS["payload is not valid UTF-8"])
        spoil(path, "UPDATE audit SET after = 'ODD', actor = CAST(x'ff' AS TEXT) WHERE job_id = 1")
        work(Queue(store=store), clock)
    monkeypatch.setenv("QUEUE_DB", str(path))
    assert "new -> ODD" in fine("audit", "1")
    assert "payload is not valid UTF-8" in fine("show", "1")
    assert json.loads(fine("show", "1", "--json"))["why"] == "payload is not valid UTF-8"
    assert fine("failed") == "job 1  -  0 of 3 attempts  payload is not valid UTF-8\n"
    assert "set aside                 1  they cannot be read" in fine("status")


def test_a_payload_that_is_no_json_fails_its_attempts(
    store: SQLiteStore, path: Path, clock: ManualClock
) -> None:
    """The handler that asks for the payload gets the reason, and the job is buried in the end."""
    with closing(store):
        spoil(path, "UPDATE jobs SET payload = 'oops' WHERE id = 1")
        queue = Queue(store=store)
        worker = Worker(queue, lambda job, context: context.write(job.payload), name="W", clock=clock)
        for _ in range(3):
            worker.drain()
            clock.advance(60_000)
        assert [effect.job_id for effect in store.effects()] == [2, 3]
        found = store.status(1)
        assert found is not None
        assert found.state is JobState.FAILED
        assert found.why is not None
        assert "JSONDecodeError" in found.why


@pytest.mark.parametrize("open_job", [True, False], ids=["open", "closed"])
def test_a_lease_time_that_is_no_number_has_run_out(open_job: bool, store: SQLiteStore, path: Path) -> None:
    """Else an execution that was committed would stay open for ever."""
    with closing(store):
        queue = Queue(store=store)
        lease = queue.lease("A")
        assert lease is not None
        assert queue.start(lease.execution)
        if not open_job:
            assert queue.commit(lease.execution, "done")
        spoil(path, "UPDATE executions SET lease_expires_at = 'soon' WHERE job_id = 1")
        queue.reconcile()
        [row] = [row for row in store.audit(job_id=1) if row.event == "set_aside"]
        assert row.detail == "lease_expires_at is of type str"
        assert store.counts().running == 0


def test_an_execution_whose_job_was_deleted_stops_nothing(
    store: SQLiteStore, path: Path, clock: ManualClock
) -> None:
    """No program of ours deletes a job. The others are done, and recovery passes the execution over."""
    with closing(store):
        queue = Queue(store=store)
        assert queue.lease("A") is not None
        spoil(path, "DELETE FROM jobs WHERE id = 1")
        clock.advance(30_000)
        queue.reconcile()
        work(queue, clock)
        assert [effect.job_id for effect in store.effects()] == [2, 3]
