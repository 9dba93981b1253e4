"""The halves of a run of any queue: what a run excuses, and what it tries before it judges the end."""

from pathlib import Path
from typing import Any

from failure_modes.checker.experiment.moves import FailJob
from failure_modes.checker.oracle.deliveries import Hunt, Kind
from failure_modes.checker.oracle.queue_run import QueueRun, play
from failure_modes.checker.simulation.foreign import JobFailed
from tests.checker.oracle.test_deliveries import IN_JOB, KILL, ONE, A, Deletes, NeverTakesBack
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


class RecoversAtStart(NeverTakesBack):
    """A process that starts takes back the jobs whose lease has run out."""

    def open(self, place: Path, process: Any) -> Any:
        """Keep house once."""
        session = super().open(place, process)
        RightTable.housekeep(self, session)
        return session


def test_a_queue_that_recovers_when_a_process_starts_is_right() -> None:
    """At the end every process is started anew, once nothing else helps."""
    assert play(RecoversAtStart(), (ONE, IN_JOB, KILL)) is None
    assert play(NeverTakesBack(), (ONE, IN_JOB, KILL)) is not None
