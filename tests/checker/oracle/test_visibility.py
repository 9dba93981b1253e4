"""What the database chose for an operation is noted as a server chooses it: no server runs here."""

from types import SimpleNamespace
from typing import Any

from attrs import evolve

from failure_modes.checker.oracle.visibility import VisibilityLog, locked_later
from model.actions import Reconcile, Step
from model.events import Event, EventKind, Operation
from model.state import Durable, Execution, Job, Status

OLD, NOW = 10, 20


def _job(number: int, *, timed: bool = False, at: int | None = 0) -> Job:
    return Job(
        id=number, key=f"k{number}", payload="", attempts_max=3, enqueued_at=0, available_at=at, timed=timed
    )


def _process(*reads: int, recovers: bool = False) -> Any:
    """A process on a connection that waited for no lock, whose transaction read these times."""
    transaction = SimpleNamespace(
        reads=reads,
        read_at=reads[-1] if reads else None,
        first_read_at=3,
        take_visible=lambda: (),
        seen_first=None,
    )
    pending = Reconcile() if recovers else Step(worker="A")
    return SimpleNamespace(pending=pending, transaction=transaction, connection=None)


def _locked(old: Durable, new: Durable, *unlocked: int, recovers: bool = False) -> tuple[int, ...]:
    return locked_later(_process(recovers=recovers), old, OLD, new, unlocked)


def test_a_lease_locks_the_first_retry_and_the_first_new_job_of_its_snapshot() -> None:
    """Retries come by their due times, and new jobs in their order."""
    retries = (_job(1, timed=True, at=9), _job(2, timed=True, at=4), _job(3, timed=True, at=OLD + 1))
    rows = Durable(jobs=(*retries, _job(4, at=None), _job(5), _job(6)))
    assert _locked(rows, rows, 1, 2, 3, 4, 5, 6) == (2, 5)
    assert _locked(rows, rows, 1, 3, 6) == (1, 6)


def test_a_job_that_was_changed_since_the_snapshot_is_passed_over() -> None:
    """It must still be due, and a retry or a new job as it was then; the next one is locked."""
    rows = Durable(jobs=(_job(1, timed=True, at=4), _job(2), _job(3)))
    for other in (_job(1, timed=True, at=NOW), _job(1, at=0), _job(1, timed=True, at=None)):
        assert _locked(rows, evolve(rows, jobs=(other, *rows.jobs[1:])), 1, 2, 3) == (2,)
    for other in (_job(2, timed=True, at=4), _job(2, at=None)):
        assert _locked(rows, evolve(rows, jobs=(rows.jobs[0], other, rows.jobs[2])), 1, 2, 3) == (1, 3)


def test_a_reconciliation_locks_what_was_abandoned_in_its_snapshot() -> None:
    """Every such job that is free, and no job whose lease runs out later."""
    executions = tuple(
        [
            Execution(id=job, job=job, attempt=1, worker="A", status=Status.LEASED, lease_expires_at=until)
            for job, until in ((1, OLD), (2, OLD + 1), (3, OLD))
        ]
    )
    rows = Durable(jobs=(_job(1, at=None), _job(2, at=None), _job(3, at=None)), executions=executions)
    assert _locked(rows, rows, 1, 2, recovers=True) == (1,)


def _event(operation: Operation, at: int) -> Event:
    return Event(event=EventKind.LEASED, operation=operation, actor="A", job=1, at=at)


def test_the_time_of_a_finish_is_noted_if_its_transaction_read_it() -> None:
    """A fused operation finishes an execution at its first time, and leases at a later one."""
    log, rows = VisibilityLog(overlaps=True), Durable(jobs=(_job(1),))
    events = (_event(Operation.FINISH, 5), _event(Operation.LEASE, 9))
    found = log.of_commit(_process(5, 9), rows, rows, events, NOW)
    assert (found.finished_at, found.asked_at) == (5, 5)
    found = log.of_commit(_process(4, 9), rows, rows, events, NOW)
    assert (found.finished_at, found.asked_at) == (None, 3)
    found = log.of_commit(_process(9), rows, rows, events[1:], NOW)
    assert (found.finished_at, found.asked_at) == (None, 3)


def test_a_row_that_is_touched_again_was_last_changed_at_the_time_of_its_change() -> None:
    """By the time that the change went by, not by the time of its commit; a clock set back sets it back."""
    log, before = VisibilityLog(overlaps=True), Durable(jobs=(_job(1),))
    after = evolve(before, jobs=(_job(1, at=None),), retries=(1,))
    found = log.of_commit(_process(7), before, after, (_event(Operation.LEASE, 7),), NOW)
    assert (found.since, found.jobs_seen, found.locked_at) == (0, None, None)
    assert log.extra(NOW) == (("retries", 7 - NOW), (1, 7 - NOW))
    assert log.of_commit(_process(8), after, before, (), NOW).since == 7
    log.set_back(-2)
    assert log.extra(-2) == (("began", 0), ("retries", 0), (1, 0))
    assert log.of_commit(_process(8), before, before, (), NOW).since == -2


def test_without_overlaps_only_the_new_rows_are_noted() -> None:
    """Transactions exclude each other, so nothing was invisible."""
    log = VisibilityLog(overlaps=False)
    leased = Execution(id=4, job=2, attempt=1, worker="A", status=Status.LEASED, lease_expires_at=9)
    after = Durable(jobs=(_job(2),), executions=(leased,))
    found = log.of_commit(_process(7), Durable(), after, (), NOW)
    assert (found.job, found.execution, found.since, found.asked_at) == (2, 4, None, None)
    assert log.extra(NOW) == ()
