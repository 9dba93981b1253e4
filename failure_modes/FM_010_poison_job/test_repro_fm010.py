"""The break: a job that kills each worker is never given up."""

import pytest
from attrs import evolve

from failure_modes.checker.experiment.catalogue import failure_mode
from failure_modes.checker.experiment.findings import Violation
from failure_modes.checker.oracle.lockstep import Lockstep
from failure_modes.checker.testing import Break
from model.actions import Enqueue
from model.state import JobState


class TestTheBreak(Break):
    """Enqueue a poison job: everything after that is recovery."""

    mode = "FM_010"
    got = "job-1 is stuck in RUNNING"


class TestMoreRetriesThanTheBudget(Break):
    """Enqueue a poison job: the second retry comes in the recovery."""

    mode = "FM_010"
    breaks = "INV_006"
    got = "exec-3 is retry 2 within 60s, and the budget is 1"


@pytest.mark.parametrize("workers", [1, 2])
def test_a_job_behind_it_is_done_all_the_same(workers: int) -> None:
    """The poison job takes workers from those behind it, and not their turn: its lease hides it."""
    mode = failure_mode("FM_010")
    scope = evolve(mode.scope, workers=workers)
    with Lockstep(scope, mode.fault, target=mode.target) as lockstep:
        for action in (Enqueue(key="p1", poison=True), Enqueue(key="k1")):
            lockstep.apply(action)
        with pytest.raises(Violation):
            lockstep.finish()
        assert lockstep.durable.job_state(1) is JobState.RUNNING
        assert lockstep.durable.job_state(2) is JobState.SUCCEEDED
