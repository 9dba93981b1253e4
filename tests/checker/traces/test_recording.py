"""What a replay records of each step."""

import pytest
from attrs import evolve

from failure_modes.checker.experiment.catalogue import failure_mode
from failure_modes.checker.experiment.findings import Divergence
from failure_modes.checker.experiment.target import Target
from failure_modes.checker.oracle.system_side import SystemStep
from failure_modes.checker.simulation.stepping import PausePoint
from failure_modes.checker.traces.database import kept
from failure_modes.checker.traces.recording import RecordingLockstep
from failure_modes.checker.traces.replay import replay
from model.events import Operation, Outcome
from model.state import Phase

MODE = failure_mode("FM_001")
TRACE = {path.stem: trace for path, trace in kept(MODE)}["both_commit_after_the_lease_ran_out"]


def test_each_step_has_its_statements_its_model_and_where_the_processes_are() -> None:
    """A leases, is then before its next transaction, and the model's worker has the execution."""
    steps = replay(TRACE).steps
    assert [step.number for step in steps] == [1, 2, 3, 4, 5, 6, 7, 8]
    lease = steps[1]
    assert [statement.sql.split()[0] for statement in lease.statements][0::6] == ["BEGIN", "COMMIT"]
    assert lease.state is not None
    assert (lease.state.workers[0].phase, lease.state.workers[0].execution) == (Phase.LEASED, 1)
    assert {one.name: one.at for one in lease.processes}["A"] is PausePoint.BEGIN
    assert steps[3].statements == ()


def test_the_state_of_the_model_is_there_at_the_first_divergence_and_then_no_more() -> None:
    """The run goes on without the model, and what the model said last can be shown."""
    steps = replay(TRACE).steps
    diverged, after = steps[6].state, steps[7].state
    assert diverged is not None
    assert diverged.durable != steps[6].record.after
    assert after is None


class _Rejecting(RecordingLockstep):
    """A run whose model rejects the third action."""

    def __init__(self, *, target: Target | None) -> None:
        super().__init__(TRACE.scope, MODE.fault, target=target)
        take = self.reference.take

        def rejects(done: SystemStep) -> Outcome | None:
            taken = take(done)
            third = len(self.ledger.actions) == 3
            return Outcome(operation=Operation.START, rejected="no such lease") if third else taken

        setattr(self.reference, "take", rejects)  # noqa: B010 (a method, for this test)


def test_a_step_that_the_model_rejects_is_recorded() -> None:
    """It is the step that diverges: a table and a page mark this one, and no other."""
    with _Rejecting(target=MODE.target) as run:
        for action in TRACE.actions[:4]:
            run.apply(action)
        assert run.judge.diverged is not None
        assert (run.judge.diverged.step, run.judge.diverged_record) == (3, 3)
        assert run.steps[2].state is not None
    with _Rejecting(target=None) as run:
        for action in TRACE.actions[:2]:
            run.apply(action)
        with pytest.raises(Divergence, match="accepted"):
            run.apply(TRACE.actions[2])
        assert [step.number for step in run.steps] == [1, 2, 3]


def test_a_recording_changes_no_result() -> None:
    """The same trace with one more worker gives another scope, and the same break."""
    wider = evolve(TRACE, scope=evolve(TRACE.scope, workers=3))
    assert replay(wider).as_expected
