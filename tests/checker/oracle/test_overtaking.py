"""A job is starved if nobody can have it, and too many later ones have run."""

from typing import Any

import pytest

from failure_modes.checker.experiment.moves import PRODUCER, Moves, Work
from failure_modes.checker.oracle.deliveries import Deliveries, Kind
from failure_modes.checker.oracle.overtaking import PASSED_OVER_MAX, Overtaking
from failure_modes.checker.oracle.queue_run import play
from failure_modes.checker.subject.adapter import Status, Topic
from model.actions import Enqueue
from tests.subjects.tables import RightTable

LATER = tuple([f"later-{number}" for number in range(PASSED_OVER_MAX)])


def _first(*later: str, takes_ahead: bool = False) -> Overtaking:
    """A job that was accepted; then the others were."""
    jobs = Overtaking(takes_ahead=takes_ahead)
    for key in ("first", *later):
        jobs.offered(key)
        jobs.accepted(key)
    return jobs


def _run(jobs: Overtaking, process: str, *keys: str) -> None:
    for key in keys:
        jobs.moved(process, at_rest=False)
        jobs.started(key, process)


def test_the_limit_is_exact() -> None:
    """One later job fewer is no trouble."""
    jobs = _first(*LATER)
    _run(jobs, "A", *LATER[:-1])
    assert not jobs.starved
    _run(jobs, "A", LATER[-1])
    assert jobs.starved == ("first",)


def test_one_later_job_counts_once() -> None:
    """A job that is tried again and again is no stream of jobs."""
    jobs = _first("later")
    _run(jobs, "A", *["later"] * (2 * PASSED_OVER_MAX))
    assert not jobs.starved


def test_a_job_that_was_offered_before_does_not_pass() -> None:
    """Two producers at the same time have no order, whatever was accepted before."""
    jobs = _first()
    _run(jobs, "A", "first")
    for key in (*LATER, "second"):
        jobs.offered(key)
    for key in ("second", *LATER):
        jobs.accepted(key)
    _run(jobs, "A", *LATER)
    assert not jobs.starved


def test_a_job_that_has_run_is_not_starved() -> None:
    """Its retry may have to wait."""
    jobs = _first(*LATER)
    _run(jobs, "A", "first", *LATER)
    assert not jobs.starved


def test_a_worker_that_is_stopped_may_have_the_job() -> None:
    """As long as it does not end its task; then later jobs count again."""
    jobs = _first(*LATER)
    jobs.moved("A", at_rest=False)
    _run(jobs, "B", *LATER)
    assert not jobs.starved
    jobs.moved("A", at_rest=True)
    more = tuple([f"more-{number}" for number in range(PASSED_OVER_MAX)])
    for key in more:
        jobs.offered(key)
        jobs.accepted(key)
    _run(jobs, "B", *more)
    assert jobs.starved == ("first",)


def test_a_worker_that_was_killed_may_have_had_the_job() -> None:
    """It may come back late, so nothing is said of it."""
    jobs = _first(*LATER)
    jobs.moved("A", at_rest=False)
    jobs.killed("A")
    jobs.moved("A", at_rest=True)
    _run(jobs, "B", *LATER)
    assert not jobs.starved


def test_a_worker_that_stopped_before_cannot_have_the_job() -> None:
    """The job was accepted later, and the worker has not moved since."""
    jobs = Overtaking(takes_ahead=False)
    jobs.moved("A", at_rest=False)
    for key in ("first", *LATER):
        jobs.offered(key)
        jobs.accepted(key)
    _run(jobs, "B", *LATER)
    assert jobs.starved == ("first",)


@pytest.mark.parametrize(("takes_ahead", "starved"), [(True, ()), (False, ("first",))])
def test_a_job_that_was_given_back_stands_in_line_anew(takes_ahead: bool, starved: tuple[str, ...]) -> None:
    """A worker that takes ahead may put it at the end of the line; then jobs in this line do not pass it."""
    jobs = _first(*LATER, takes_ahead=takes_ahead)
    jobs.moved("A", at_rest=False)
    jobs.moved("A", at_rest=True)
    _run(jobs, "B", *LATER)
    assert jobs.starved == starved


def test_a_job_that_was_given_back_may_starve() -> None:
    """Jobs that were enqueued after it was given back pass it."""
    jobs = _first(takes_ahead=True)
    jobs.moved("A", at_rest=False)
    jobs.moved("A", at_rest=True)
    for key in LATER:
        jobs.offered(key)
        jobs.accepted(key)
    _run(jobs, "B", *LATER)
    assert jobs.starved == ("first",)


def test_a_worker_that_takes_ahead_may_pass_over_what_it_holds() -> None:
    """It does not stop, so it has given nothing back."""
    jobs = _first(*LATER, takes_ahead=True)
    _run(jobs, "A", *LATER)
    assert jobs.starved == ("first",)


def test_a_worker_may_have_the_job_and_a_producer_may_not() -> None:
    """A producer that is in the midst of an enqueue excuses nothing."""
    for process, overtaken in ((PRODUCER, True), ("B", False)):
        deliveries = Deliveries(attempts_max=None, lease_seconds=60, takes_ahead=False)
        for key in ("first", *LATER):
            deliveries.offered(key)
            deliveries.accepted(key)
        deliveries.moved(process, at_rest=False)
        for key in LATER:
            assert list(deliveries.started(key, "A", 0)) == []
            deliveries.ended(key, "A", 0, raised=False)
        assert deliveries.overtaken is overtaken


def test_only_a_job_that_waits_is_starved() -> None:
    """One that was passed over and has ended all the same is no trouble."""
    deliveries = Deliveries(attempts_max=None, lease_seconds=60, takes_ahead=False)
    for key in ("first", *LATER):
        deliveries.offered(key)
        deliveries.accepted(key)
    for key in LATER:
        assert list(deliveries.started(key, "A", 0)) == []
        deliveries.ended(key, "A", 0, raised=False)
    assert list(deliveries.starved({"first": Status.DONE})) == []
    [trouble] = deliveries.starved({"first": Status.WAITING})
    assert (trouble.kind, trouble.topic, trouble.key) == (Kind.STARVED, Topic.FAIR, "first")
    assert (
        trouble.text == f"first waits, although {PASSED_OVER_MAX} jobs that were enqueued after it have run"
    )


class GivesBack(RightTable):
    """Worker A stops after it has taken a job, and the job goes to the end of the line."""

    takes_ahead = True

    def drain(self, session: Any) -> None:
        """Take a job and give it back."""
        connection, process = session
        if process.name != "A":
            return super().drain(session)
        if (taken := self.take(connection, 0)) is not None:
            last = "(SELECT MAX(id) + 1 FROM job)"
            connection.execute(f"UPDATE job SET status = 'waiting', id = {last} WHERE key = ?", taken[:1])
        return None


class GivesBackOne(GivesBack):
    """The same, and it says that it takes no job ahead."""

    takes_ahead = False


def test_a_job_at_the_end_of_the_line_is_not_starved() -> None:
    """Those that were in the line before go first."""
    jobs = [Enqueue(key=f"job-{number}") for number in range(PASSED_OVER_MAX + 1)]
    moves: Moves = (*jobs, Work(worker="A"), Work(worker="B"))
    assert play(GivesBack(), moves) is None
    found = play(GivesBackOne(), moves)
    assert found is not None
    assert found.trouble.kind is Kind.STARVED
