"""Which job is leased next, broken on purpose in small and plausible ways: each is found.

Jobs that were leased before come first, by their due times; then jobs that never were, by their ids, and
these are due at once, whatever time their row was written at.
"""

from typing import Any

import pytest
from attrs import evolve

from failure_modes.checker.experiment.bounds import Bounds
from failure_modes.checker.experiment.scope import Fault, Scope, guarded
from failure_modes.checker.experiment.target import DIVERGENCE, Target
from failure_modes.checker.oracle.liveness import PATIENCE_MS
from failure_modes.checker.proof.proof import Proof
from failure_modes.checker.proof.proving import prove
from failure_modes.checker.proof.result import ProofResult
from system.rows import JOB, read_job
from system.sqlite import SQLiteTransaction
from system.store import Job
from tests.checker.oracle.test_breakages import transactions

AHEAD_MS = 2 * PATIENCE_MS
"""How far the clock was ahead when a job was enqueued: what waits for it waits for ever."""

SCOPE = Scope(workers=1, tick_seconds=(1,))
ONE_JOB = Bounds(jobs=1)
TWO_JOBS = Bounds(jobs=2)
A_RETRY = Bounds(jobs=2, failures=1, ticks=1)
TWO_RETRIES = Bounds(jobs=2, failures=2, ticks=2)


class NewJobsFirst(SQLiteTransaction):
    """A retry is leased when there is no new job, and not before."""

    def next_available(self, *, retries: bool) -> Job | None:
        """Look for a new job, then for any."""
        return super().next_available(retries=False) or super().next_available(retries=retries)


class NewestFirst(SQLiteTransaction):
    """Of the new jobs the one that was enqueued last comes first."""

    def next_available(self, *, retries: bool) -> Job | None:
        """Look from the other end."""
        found = super().next_available(retries=retries)
        return found if found is None or found.timed else self._last("NOT timed ORDER BY id DESC")

    def _last(self, which: str) -> Job:
        return read_job(self._rows(f"SELECT {JOB} FROM jobs WHERE available_at IS NOT NULL AND {which}")[0])


class LatestRetryFirst(NewestFirst):
    """Of the retries that are due the one that became due last comes first."""

    def next_available(self, *, retries: bool) -> Job | None:
        """Look from the other end."""
        found = SQLiteTransaction.next_available(self, retries=retries)
        due = f"timed AND available_at <= {self.now} ORDER BY available_at DESC, id"
        return self._last(due) if found and found.timed else found


class EnqueuedAhead(SQLiteTransaction):
    """The clock was ahead when the job was enqueued, and was set right after that. No fault of the queue."""

    def add_job(self, **job: Any) -> Job:
        """Write the row at the time that it was taken to be."""
        return SQLiteTransaction.add_job(evolve(self, now=self.now + AHEAD_MS), **job)


class WaitsForItsTime(EnqueuedAhead):
    """A new job waits for the time that its row has."""

    def next_available(self, *, retries: bool) -> Job | None:
        """Find it later."""
        found = super().next_available(retries=retries)
        early = found is not None and found.available_at is not None and found.available_at > self.now
        return None if early else found


def _proved(fault: Fault, bounds: Bounds, target: Target | None = None) -> ProofResult:
    answer = prove(Proof(scope=SCOPE, bounds=bounds, fault=fault, target=target))
    assert answer.complete
    return answer


@pytest.mark.parametrize("bounds", [A_RETRY, TWO_RETRIES], ids=["a retry", "two retries"])
def test_the_order_holds_in_every_reachable_state(bounds: Bounds) -> None:
    """Nothing breaks, and the model agrees."""
    assert _proved(guarded, bounds).finding is None


@pytest.mark.parametrize(
    ("kind", "bounds", "shortest"),
    [(NewJobsFirst, A_RETRY, 6), (NewestFirst, TWO_JOBS, 2), (LatestRetryFirst, TWO_RETRIES, 10)],
    ids=["new jobs first", "newest first", "latest retry first"],
)
def test_another_order_breaks_inv_008_and_diverges(
    kind: type[SQLiteTransaction], bounds: Bounds, shortest: int
) -> None:
    """The first lease that takes another job is found by both oracles."""
    answer = _proved(transactions(kind), bounds)
    assert answer.finding is not None
    assert (answer.finding.invariant, answer.shortest) == ("INV_008", shortest)
    diverges = _proved(transactions(kind), bounds, DIVERGENCE)
    assert diverges.finding is not None
    assert (diverges.finding.invariant, diverges.shortest) == (None, shortest)


def test_a_new_job_is_done_though_the_clock_was_ahead() -> None:
    """It has no due time of its own: no run ends with a job that is stuck."""
    assert _proved(transactions(EnqueuedAhead), ONE_JOB, Target("INV_004")).finding is None


def test_a_new_job_that_waits_for_the_time_of_its_row_is_stuck() -> None:
    """Recovery does not end it: the break is an enqueue, and then a fair schedule."""
    answer = _proved(transactions(WaitsForItsTime), ONE_JOB, Target("INV_004"))
    assert answer.finding is not None
    assert (answer.finding.got, answer.shortest) == ("job-1 is stuck in PENDING", 1)
