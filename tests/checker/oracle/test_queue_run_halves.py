"""The halves of a run of any queue: what a run excuses, and what it tries before it judges the end."""
# ruff: noqa: ARG002 (a wrong table ignores what the right one needs)

from pathlib import Path
from typing import Any

from failure_modes.checker.experiment.moves import FailJob
from failure_modes.checker.oracle.deliveries import Hunt, Kind
from failure_modes.checker.oracle.queue_run import QueueRun, play
from failure_modes.checker.simulation.foreign import JobFailed
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
    assert stuck.trouble.kind is Kind.STUCK
