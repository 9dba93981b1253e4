"""A worker that was late may have lost the lease on any job, also on one that it did not run."""

from collections.abc import Callable
from typing import Any

import pytest

from failure_modes.checker.experiment.moves import Moves, Work
from failure_modes.checker.oracle.deliveries import Kind
from failure_modes.checker.oracle.leases import Leases
from failure_modes.checker.oracle.queue_run import play
from failure_modes.checker.subject.adapter import Topic
from model.actions import Enqueue, Tick
from tests.subjects.tables import LEASE_SECONDS, RightTable

ONE = Enqueue(key="job-1")
A, B = Work(worker="A"), Work(worker="B")
LEASE = Tick(seconds=LEASE_SECONDS + 1)
LEASE_MS = 60_000


def _in_another_job() -> Leases:
    """There are two jobs, and worker A is in the handler of the other one, in a task that began at 2."""
    leases = Leases(lease_ms=LEASE_MS, takes_ahead=False)
    for key in ("job", "other"):
        leases.offered(key)
    leases.free("A", 2)
    leases.moved("A", at_rest=False)
    leases.started("other", "A")
    return leases


@pytest.mark.parametrize("late", [True, False])
@pytest.mark.parametrize("end", [Leases.free, Leases.killed])
def test_a_late_worker_may_have_held_any_job(end: Callable[[Leases, str, int], None], late: bool) -> None:
    """A task that takes as long as a lease may hold any job, whatever other job the worker runs in it."""
    leases = _in_another_job()
    end(leases, "A", 2 + LEASE_MS - (not late))
    assert leases.may_have_run_out("job", 3 * LEASE_MS) is late


def test_a_late_worker_did_not_hold_a_job_that_came_later() -> None:
    """Its task was at an end before the job was offered."""
    leases = _in_another_job()
    leases.free("A", 2 + LEASE_MS)
    leases.offered("later")
    assert not leases.may_have_run_out("later", 3 * LEASE_MS)


def test_a_worker_that_is_at_rest_holds_no_job_however_long() -> None:
    """A lease runs out in a task alone."""
    leases = _in_another_job()
    for time in (3, 3 + LEASE_MS):
        leases.free("A", time)
    assert not leases.may_have_run_out("job", 3 * LEASE_MS)


class PutsBack(RightTable):
    """Worker A looks for a job, and puts it back without running it."""

    def drain(self, session: Any) -> None:
        """Put the first job back that waits."""
        connection, process = session
        if process.name != "A":
            return super().drain(session)
        for row in connection.execute("SELECT key FROM job WHERE status = 'waiting' LIMIT 1").fetchall():
            connection.execute("UPDATE job SET status = 'waiting', attempts = 0 WHERE key = ?", row)
        return None


@pytest.mark.parametrize(("late", "topic"), [((LEASE,), Topic.FENCED), ((), Topic.MULTI_PROCESS)])
def test_a_late_worker_may_put_back_a_job_that_is_done(late: Moves, topic: Topic) -> None:
    """It need not have run the job to have lost its lease."""
    found = play(PutsBack(), (ONE, Work(worker="A", until="UPDATE job#1"), *late, B, A, B))
    assert found is not None
    assert (found.trouble.kind, found.trouble.topic) == (Kind.AGAIN, topic)
