"""The halves of a run of any queue: what a run excuses, and what it tries before it judges the end."""
# ruff: noqa: ARG002 (a wrong table ignores what the right one needs)

import pickle
from pathlib import Path
from typing import Any

from failure_modes.checker.experiment.moves import FailJob
from failure_modes.checker.oracle.deliveries import Hunt, Kind
from failure_modes.checker.oracle.queue_run import QueueRun, play
from failure_modes.checker.simulation.foreign import JobFailed
from model.actions import Enqueue
from tests.checker.oracle.test_deliveries import IN_JOB, KEEP, KILL, ONE, A, B, Deletes, NeverTakesBack
from tests.subjects.tables import RightTable


class EndsOfAJob(Deletes):
    """The error of a job ends its worker."""

    def finish(self, connection: Any, key: str, claim: int, status: str) -> None:
        """Raise what the job raised."""
        if status == "waiting":
            raise JobFailed(key)


def test_a_worker_that_a_job_has_ended_did_not_die_of_itself() -> None:
    """Its end is a crash, which a queue may survive or not; the same table without an error is right."""
    moves = (ONE, FailJob(key="job-1"), A)
    run = QueueRun(EndsOfAJob(), target=Hunt(kind=Kind.DIED))
    try:
        for move in moves:
            run.apply(move)
        run.finish()
        assert run.sometimes["a worker died of a job that failed"] == 1
    finally:
        run.close()


class ForgetsAtFirst(NeverTakesBack):
    """A worker claims a job for the first time and forgets it. A process that starts takes jobs back."""

    def open(self, place: Path, process: Any) -> Any:
        """Keep house once."""
        session = super().open(place, process)
        RightTable.housekeep(self, session)
        return session

    def take(self, connection: Any, now: float) -> Any:
        """Claim the first free job, and look at it only if it was claimed before."""
        taken = super().take(connection, now)
        return taken if taken and taken[1] > 1 else None


def test_a_queue_that_recovers_when_a_process_starts_is_right() -> None:
    """Every process has started before; at the end each is started anew, since nothing else helps."""
    moves = (KEEP, B, ONE, A)
    assert play(ForgetsAtFirst(), moves) is None
    stuck = play(NeverTakesBack(), (KEEP, B, ONE, IN_JOB, KILL))
    assert stuck is not None
    assert (stuck.trouble.kind, stuck.at_end) == (Kind.STUCK, True)


class DiesOfAJob(Deletes):
    """A worker dies whenever a job has failed, of an error of its own."""

    def finish(self, connection: Any, key: str, claim: int, status: str) -> None:
        """Raise an error of the queue."""
        if status == "waiting":
            raise ValueError(key)


def test_a_run_that_goes_on_counts_each_trouble_and_keeps_the_first() -> None:
    """The trouble has the moves that led to it, and no later ones; so it has in another process."""
    first = (ONE, FailJob(key="job-1"), A)
    run = QueueRun(DiesOfAJob(), goes_on=True)
    try:
        assert run.possible(ONE)
        assert not run.possible(FailJob(key="job-1"))
        for move in (*first, Enqueue(key="job-2"), FailJob(key="job-2"), B):
            run.apply(move)
        assert not run.possible(ONE)
        assert run.sometimes["found: worker died"] == 2
    finally:
        run.close()
    [troubled] = run.troubles.values()
    for one in (troubled, pickle.loads(pickle.dumps(troubled))):
        assert str(one) == "worker died: A died: ValueError: job-1"
        assert (one.trouble, one.moves, one.at_end) == (troubled.trouble, first, False)
