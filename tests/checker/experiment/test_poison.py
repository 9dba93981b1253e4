"""Poison jobs: an enqueue says that its job is one; no key does."""

from pathlib import Path

import pytest

from failure_modes.checker.experiment.scope import Scope
from failure_modes.checker.oracle.lockstep import Lockstep
from failure_modes.checker.oracle.sometimes import OF_POISON
from failure_modes.checker.search.minimise import bounds_of
from failure_modes.checker.traces.trace import to_json
from failure_modes.checker.traces.trace_reader import load
from model.actions import Action, Enqueue, Step
from tests.checker.sample_traces import SMALL_TEXT

A = Step(worker="A")
TO_THE_HANDLER = (A, A)
"""It leases the job and starts it: the next step is its handler's."""


def _killed(*actions: Action) -> bool:
    """Whether a poison job has killed its worker by the end of these actions."""
    with Lockstep(Scope(workers=1)) as lockstep:
        for action in actions:
            lockstep.apply(action)
        return lockstep.ledger.sometimes[OF_POISON] > 0


def test_a_poison_job_kills_the_worker_that_runs_its_handler() -> None:
    """Not before the handler runs, and whatever its key is."""
    enqueue = Enqueue(key="k1", poison=True)
    assert not _killed(enqueue, *TO_THE_HANDLER)
    assert _killed(enqueue, *TO_THE_HANDLER, A)


def test_a_key_makes_no_job_poison() -> None:
    """A job of the key p1 is a job like any other."""
    assert not _killed(Enqueue(key="p1"), *TO_THE_HANDLER, A)


@pytest.mark.parametrize("poison", [False, True])
def test_the_first_enqueue_of_a_key_decides(*, poison: bool) -> None:
    """A retry of the enqueue adds no job, so it changes nothing of the one that is there."""
    first, again = Enqueue(key="k1", poison=poison), Enqueue(key="k1", poison=not poison)
    assert _killed(first, again, *TO_THE_HANDLER, A) is poison


def test_the_job_in_hand_is_meant() -> None:
    """A poison job that waits does nothing to the worker of another job."""
    assert not _killed(Enqueue(key="k1"), Enqueue(key="k2", poison=True), *TO_THE_HANDLER, A)


def test_an_older_trace_means_what_it_meant(tmp_path: Path) -> None:
    """In format 1 a key of p and a number was that of a poison job; it is written in format 2."""
    path = tmp_path / "trace.json"
    for key, poison in (("p1", True), ("p12", True), ("p", False), ("pq", False), ("k1", False)):
        path.write_text(SMALL_TEXT.replace('"format": 2', '"format": 1').replace('"k1"', f'"{key}"'))
        trace = load(path)
        assert trace.actions[0] == Enqueue(key=key, poison=poison)
        assert ('"poison": true' in to_json(trace), '"format": 2' in to_json(trace)) == (poison, True)
        path.write_text(to_json(trace))
        assert load(path) == trace


def test_the_bounds_of_a_trace_count_its_poison_jobs_apart() -> None:
    """A shorter trace is looked for among those with as many of each."""
    enqueues = (Enqueue(key="a"), Enqueue(key="b", poison=True), Enqueue(key="b"), Enqueue(key="c"))
    bounds = bounds_of((*enqueues, A))
    assert (bounds.jobs, bounds.poisons, bounds.retries) == (2, 1, 1)
