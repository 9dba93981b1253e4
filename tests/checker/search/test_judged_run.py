"""A run of any queue, as a machine sees it: what can happen next, and what is left out."""

from collections import Counter
from collections.abc import Iterator

import pytest

from failure_modes.checker.experiment.moves import Work
from failure_modes.checker.oracle.deliveries import Hunt, Kind
from failure_modes.checker.search.choices import Choice
from failure_modes.checker.search.judged_run import JOBS_MAX, WEIGHTS, JudgedRun
from failure_modes.checker.search.machine_run import QueueBroke
from model.actions import Crash, Enqueue, Tick
from tests.subjects.tables import FAULTY, RIGHT

ONE = Enqueue(key="job-1")


@pytest.fixture
def run() -> Iterator[JudgedRun]:
    """A run of the right table."""
    judged = JudgedRun(RIGHT, None, WEIGHTS)
    yield judged
    judged.close()


def _next_job(run: JudgedRun) -> object:
    """The arguments of the enqueue that can happen next."""
    return next(choice.arguments for choice in run.choices() if choice.rule == "enqueue")


def test_a_run_begins_with_a_job(run: JudgedRun) -> None:
    """Then each rule can happen as often as its weight says; no more jobs come than the most."""
    assert run.choices() == (Choice(rule="enqueue", arguments={"key": "job-1"}),)
    run.take((ONE,))
    assert Counter([choice.rule for choice in run.choices()]) == Counter(WEIGHTS)
    for number in range(2, JOBS_MAX + 1):
        key = f"job-{number}"
        assert _next_job(run) == {"key": key}
        run.take((Enqueue(key=key),))
    assert Counter([choice.rule for choice in run.choices()]) == Counter({**WEIGHTS, "enqueue": 0})


def test_a_move_that_cannot_happen_is_left_out(run: JudgedRun) -> None:
    """A job comes once, and a worker that rests is not killed."""
    run.take((ONE, ONE, Crash(worker="A"), Tick(seconds=1)))
    assert _next_job(run) == {"key": "job-2"}
    assert not [met for met in run.reached if met.startswith("killed")]
    assert not run.paused
    run.take((Work(worker="A", until=run.boundaries[0]),))
    assert run.paused == ("A",)
    run.take((Crash(worker="A"),))
    assert run.reached["killed in a job"] == 1


def test_trouble_is_said_with_the_claim_that_it_breaks() -> None:
    """A run that hunts another kind goes on."""
    twice = (ONE, Work(worker="A", until="UPDATE job#1"), Work(worker="B"))
    run = JudgedRun(FAULTY, Hunt(kind=Kind.DIED), WEIGHTS)
    run.take(twice)
    run.close()
    run = JudgedRun(FAULTY, None, WEIGHTS)
    with pytest.raises(QueueBroke) as broke:
        run.take((*twice, Work(worker="A")))
    run.close()
    assert str(broke.value) == (
        "breaks its own claim: A runs job-1 again, although its success was recorded."
        ' The documents say: "MULTI_PROCESS" (tests/subjects/tables.py)'
    )
