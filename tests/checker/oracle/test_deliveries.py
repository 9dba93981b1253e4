"""The judge of any queue: it finds each kind of trouble, and is silent on a queue that is right."""
# ruff: noqa: ARG002 (a wrong table ignores what the right one needs)

import sqlite3
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from failure_modes.checker.experiment.moves import FailJob, Housekeep, Moves, Work
from failure_modes.checker.oracle.deliveries import Kind, Verdict, claim_of, verdict_of
from failure_modes.checker.oracle.queue_run import QueueRun, play
from failure_modes.checker.simulation.foreign import JobFailed
from failure_modes.checker.subject.adapter import Adapter, Claim, Status, Topic
from model.actions import Crash, Enqueue, Tick
from tests.subjects.tables import LEASE_SECONDS, NEWEST_FIRST, RIGHT, RightTable

ONE = Enqueue(key="job-1")
A, B = Work(worker="A"), Work(worker="B")
IN_JOB = Work(worker="A", until="HANDLE#1")
BEFORE_END = Work(worker="A", until="UPDATE job#2")
KILL = Crash(worker="A")
LEASE = Tick(seconds=LEASE_SECONDS + 1)
KEEP = Housekeep()
B_IN_JOB = Work(worker="B", until="HANDLE#1")
SIX: Moves = tuple([Enqueue(key=f"job-{number}") for number in range(1, 7)])
TWO_CRASHES: Moves = (*(LEASE, KEEP, B_IN_JOB, Crash(worker="B")) * 2, LEASE, KEEP)


class Deletes(RightTable):
    """Takes a job by deleting it: a job whose worker dies is gone."""

    def take(self, connection: Any, now: float) -> Any:
        """Delete the first job."""
        rows = connection.execute(
            "DELETE FROM job WHERE id = (SELECT id FROM job ORDER BY id LIMIT 1) RETURNING key, claim"
        ).fetchall()
        return rows[0] if rows else None


class NeverTakesBack(RightTable):
    """Housekeeping does nothing: the job of a dead worker is stuck."""

    def housekeep(self, session: Any) -> None:
        """Do nothing."""


class SkipsTheFirst(RightTable):
    """Never takes the first job."""

    def take(self, connection: Any, now: float) -> Any:
        """Take nothing."""


class RunsTwoTogether(RightTable):
    """Takes a job that runs already."""

    def take(self, connection: Any, now: float) -> Any:
        """Take any job that is not done."""
        row = connection.execute("SELECT key, claim FROM job WHERE status <> 'done'").fetchone()
        return row and (row[0], row[1])

    def finish(self, connection: Any, key: str, claim: int, status: str) -> None:
        """Set the status."""
        connection.execute("UPDATE job SET status = ? WHERE key = ?", (status, key))


class RunsAgain(RightTable):
    """Housekeeping puts jobs back that are done."""

    def housekeep(self, session: Any) -> None:
        """Put every job back."""
        session[0].execute("UPDATE job SET status = 'waiting', attempts = 0")


class NeverGivesUp(RightTable):
    """Says three attempts, and tries for ever."""

    attempts_max = 1


class RecordsFailure(RightTable):
    """Records each job as failed."""

    def finish(self, connection: Any, key: str, claim: int, status: str) -> None:
        """Set the job to failed."""
        connection.execute("UPDATE job SET status = 'failed' WHERE key = ?", (key,))


class Dies(RightTable):
    """A worker dies of an error of its own."""

    def take(self, connection: Any, now: float) -> Any:
        """Raise."""
        raise ZeroDivisionError


@pytest.mark.parametrize(
    ("queue", "moves", "kind", "topic"),
    [
        (Deletes(), (ONE, IN_JOB, KILL), Kind.LOST, Topic.KEEPS_JOBS),
        (NeverTakesBack(), (ONE, IN_JOB, KILL), Kind.STUCK, Topic.RECOVERY),
        (SkipsTheFirst(), (ONE, A), Kind.NEVER_RUN, Topic.RECOVERY),
        (RunsTwoTogether(), (ONE, IN_JOB, B), Kind.AT_ONCE, Topic.MULTI_PROCESS),
        (RunsAgain(), (ONE, A, KEEP, B), Kind.AGAIN, Topic.MULTI_PROCESS),
        (RunsAgain(), (ONE, A, LEASE, KEEP, B), Kind.AGAIN, Topic.MULTI_PROCESS),
        (RunsAgain(), (ONE, BEFORE_END, LEASE, A, KEEP, B), Kind.AGAIN, Topic.FENCED),
        (RunsTwoTogether(), (LEASE, ONE, IN_JOB, B), Kind.AT_ONCE, Topic.MULTI_PROCESS),
        (NeverGivesUp(), (ONE, FailJob(key="job-1"), A), Kind.BEYOND, Topic.MAX_ATTEMPTS),
        (NeverGivesUp(), (ONE, IN_JOB, KILL, LEASE, KEEP, B), Kind.BEYOND, Topic.COUNTS_CRASHES),
        (RecordsFailure(), (ONE, A), Kind.FAILED, Topic.OUTCOME),
        (Dies(), (ONE, A), Kind.DIED, Topic.SURVIVES),
        (NEWEST_FIRST, (*SIX, A), Kind.STARVED, Topic.FAIR),
    ],
    ids=lambda value: str(value) if isinstance(value, Kind | Topic) else None,
)
def test_each_kind_is_found_in_a_queue_that_has_it(
    queue: Adapter, moves: Moves, kind: Kind, topic: Topic
) -> None:
    """The same moves show nothing on the right table."""
    found = play(queue, moves)
    assert found is not None
    assert (found.trouble.kind, found.trouble.topic) == (kind, topic)
    assert play(RIGHT, moves) is None


@pytest.mark.parametrize(
    "moves",
    [
        (ONE, BEFORE_END, LEASE, KEEP, B, A),  # a late end is refused
        (ONE, IN_JOB, LEASE, KEEP, B_IN_JOB, A, B),  # two run it, after the lease
        (ONE, BEFORE_END, *TWO_CRASHES, A),  # a late end is refused, and no attempt is left
        (ONE, BEFORE_END, KILL, *TWO_CRASHES),  # killed after the job, before its end was recorded
        (ONE, IN_JOB, KILL, *TWO_CRASHES),
        (ONE, FailJob(key="job-1"), A, FailJob(key="job-1"), A),
    ],
)
def test_a_right_queue_is_right_in_every_dangerous_moment(moves: Moves) -> None:
    """A success that was not recorded in time is none, and nor is a lease that may have run out."""
    assert play(RIGHT, moves) is None


class TakesTime(RightTable):
    """Between the claim and the job there is another statement."""

    def take(self, connection: Any, now: float) -> Any:
        """Claim a job, and then look at something else."""
        taken = super().take(connection, now)
        connection.execute("SELECT 1 FROM job").fetchall()
        return taken


def test_a_lease_may_begin_long_before_its_job() -> None:
    """A worker that was stopped between its claim and its job may have lost the lease when the job begins."""
    moves = (ONE, Work(worker="A", until="SELECT job#1"), LEASE, IN_JOB, KEEP, B_IN_JOB)
    assert play(TakesTime(), moves) is None


class FailsAndForgets(RightTable):
    """A job that raises is deleted, after the only attempt."""

    attempts_max = 1

    def finish(self, connection: Any, key: str, claim: int, status: str) -> None:
        """Delete what has failed."""
        connection.execute("DELETE FROM job WHERE key = ?", (key,))


def test_a_failed_job_whose_record_is_gone_is_not_lost() -> None:
    """The queue gave it up, and forgot it."""
    assert play(FailsAndForgets(), (ONE, FailJob(key="job-1"), A)) is None


class Waits(RightTable):
    """A worker holds the lock of the table while it runs a job."""

    begin = "BEGIN IMMEDIATE"

    def drain(self, session: Any) -> None:
        """Run each job in a transaction that deletes it."""
        connection, process = session
        while True:
            connection.execute(self.begin)
            row = connection.execute("SELECT key FROM job WHERE status = 'waiting'").fetchone()
            if row is None:
                connection.execute("COMMIT")
                return
            with suppress(JobFailed):
                process.handle(row[0])
            connection.execute("UPDATE job SET status = 'done' WHERE key = ?", row)
            connection.execute("COMMIT")


@pytest.mark.parametrize("moves", [(ONE, IN_JOB, B), (ONE, IN_JOB, B, KILL), (ONE, IN_JOB, B, LEASE, B, A)])
def test_a_process_that_waits_for_a_lock_is_not_at_rest(moves: Moves) -> None:
    """A queue that serialises its workers by a lock loses nothing, and a lock that is held is no fault."""
    run = QueueRun(Waits())
    try:
        for move in moves:
            assert run.possible(move)
            run.apply(move)
        run.finish()
        assert run.sometimes["a process waited for a lock"] > 0
    finally:
        run.close()


class WaitForEachOther(RightTable):
    """Two workers lock two files in opposite orders, and wait for ever."""

    def open(self, place: Path, process: Any) -> Any:
        """Open both files."""
        return [sqlite3.connect(place / name, 1e9, isolation_level=None) for name in ("x", "y")], process

    def enqueue(self, session: Any, key: str) -> None:
        """Do nothing: no job is needed."""

    def drain(self, session: Any) -> None:
        """Lock both files."""
        files, process = session
        for file in files if process.name == "A" else reversed(files):
            file.execute("BEGIN IMMEDIATE")
        for file in files:
            file.execute("COMMIT")


def test_processes_that_wait_for_each_other_are_counted_and_not_judged() -> None:
    """The simulation cannot tell for how long a real one would wait, so no verdict follows."""
    run = QueueRun(WaitForEachOther())
    try:
        for move in (ONE, Work(worker="A", until="BEGIN#2"), B, A):
            run.apply(move)
        run.finish()
        assert run.sometimes["a process waits for ever"] == 1
    finally:
        run.close()


class UnseenWhileLocked(Waits):
    """Its table cannot be read while a worker holds the lock."""

    begin = "BEGIN EXCLUSIVE"

    def reset(self, place: Path) -> None:
        """Make the table with a rollback journal."""
        super().reset(place)
        connection = self._connect(place)
        connection.execute("PRAGMA journal_mode = DELETE")
        connection.close()

    def observe(self, place: Path) -> Mapping[str, Status]:
        """Read the table, without waiting."""
        connection = self._connect(place)
        connection.execute("PRAGMA busy_timeout = 0")
        try:
            return {key: Status(status) for key, status in connection.execute("SELECT key, status FROM job")}
        finally:
            connection.close()


def test_a_queue_that_cannot_be_read_now_is_not_judged_now() -> None:
    """An observation that finds a lock says nothing."""
    assert play(UnseenWhileLocked(), (ONE, Work(worker="A", until="COMMIT#1"), B)) is None


def test_a_verdict_is_what_the_documents_say_beside_it() -> None:
    """Promised, denied and absent; a claim of the configuration comes before one of all."""
    table = RightTable()
    denied = Claim(topic=Topic.FENCED, promised=False, sentence="", where="", configuration="default")
    table.claims = (*table.claims, denied)
    assert verdict_of(claim_of(RIGHT, Topic.FENCED)) is Verdict.BREAKS
    assert verdict_of(claim_of(table, Topic.FENCED)) is Verdict.LIMIT
    assert verdict_of(None) is Verdict.NOT_STATED
